/**
 * Where each millisecond of a training step goes: ONNX Runtime's own profile of every compiled function, by the phase of
 * the step that runs it and by kind of operator; the rest is the host's. A table, and a figure of nested bars.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type * as ort from 'onnxruntime-node';
import { saveFigure } from '../../lib/display';
import type { Figure } from '../../lib/display';
import { onnxRuntime } from '../../lib/engine/compiled/onnx-runtime';
import { LoraConfig } from '../../lib/models';
import { AutoModelForCausalLM, getPeftModel } from '../../lib/pretrained';
import type { CausalLM } from '../../lib/pretrained';
import { sizeOf } from '../../lib/tensor';
import { ROOT } from '../support/paths';
import { steps, WARM_UP_STEPS } from './gpt2';

/** Time of one kind of operator in one phase, per step. */
export interface ProfileRow {
  readonly phase: string;
  readonly operator: string;
  readonly ms: number;
  /** Each operator's least over the steps: what is left on a machine that does nothing else. */
  readonly leastMs: number;
  /** Operators of this kind in a step. */
  readonly count: number;
}

/** A phase of the step. */
export interface PhaseRow {
  readonly phase: string;
  /** Processor time of its runs, all threads, per step: what load disturbs least. */
  readonly processorMs: number;
}

/** Products of one shape in one phase, per step. */
export interface ProductRow {
  readonly phase: string;
  /** Rows, inner size, columns; in front of them how many of them one operator multiplies. */
  readonly shape: string;
  readonly count: number;
  readonly leastMs: number;
  /** By the mean of all steps, and by each operator's least. */
  readonly gflops: number;
  readonly bestGflops: number;
}

/** Where the time of a step goes. */
export interface StepProfile {
  readonly stepMs: number;
  /** Of a whole step, all threads; median. */
  readonly processorMs: number;
  readonly phases: readonly PhaseRow[];
  /** Between the functions' runs: gathering, scattering, checks, calls. */
  readonly hostMs: number;
  /** Within the runs, outside of operators: ONNX Runtime's own, and the calls into it. */
  readonly callMs: number;
  readonly rows: readonly ProfileRow[];
  /** The longest first. */
  readonly products: readonly ProductRow[];
  readonly figure: string;
}

/** What is profiled. */
export interface ProfileRequest {
  /** 'gpt2' (124M, random weights), or a built-in model. */
  readonly model?: string;
  readonly lora?: boolean;
  /** Steps that count, after two that compile. */
  readonly rounds?: number;
}

/** A batch of notebook 01: prompts, of which answers are learned. */
const NOTEBOOK_STEP = { shape: [2, 224], labelled: 32 } as const;

type Session = ort.InferenceSession;

interface Recorded {
  readonly session: Session;
  readonly phase: string;
  readonly file: string;
  readonly runs: { readonly from: number; readonly to: number; readonly processorMs: number }[];
}

/** The phase of a step, by what its functions are fed. */
function phaseOf(inputs: readonly string[]): string {
  const has = (name: string): boolean => inputs.includes(name);
  if (has('exp_avg')) return 'AdamW';
  if (has('softmax')) return 'head, backward';
  if (has('weight') && has('x') && inputs.length === 2) return 'head, forward';
  if (has('bias')) return has('upstream') ? 'layers, backward' : 'layers, forward';
  if (has('upstream'))
    return inputs.some((name) => name.startsWith('residual')) && inputs.length > 8
      ? 'layers, backward'
      : 'last norm';
  if (inputs.some((name) => name.startsWith('ln_f') || name.includes('norm'))) return 'last norm';
  return inputs.length === 1 ? 'norm of the gradients' : 'other';
}

/** Has every session that is created from now on write a profile. @returns what was recorded, and a function that ends it */
function recordSessions(folder: string): { recorded: Recorded[]; restore: () => void } {
  const { InferenceSession } = onnxRuntime();
  const create = InferenceSession.create.bind(InferenceSession);
  const recorded: Recorded[] = [];
  const profiled = async (
    model: Uint8Array,
    options: ort.InferenceSession.SessionOptions,
  ): Promise<Session> => {
    const file = path.join(folder, `session-${recorded.length}`);
    const session = await create(model, { ...options, enableProfiling: true, profileFilePrefix: file });
    const one: Recorded = { session, phase: phaseOf(session.inputNames), file, runs: [] };
    recorded.push(one);
    const run = session.run.bind(session);
    const timed = async (...given: Parameters<Session['run']>): Promise<unknown> => {
      const from = performance.now();
      const before = process.cpuUsage();
      try {
        return await run(...given);
      } finally {
        const { user, system } = process.cpuUsage(before);
        one.runs.push({ from, to: performance.now(), processorMs: (user + system) / 1000 });
      }
    };
    return Object.assign(session, { run: timed });
  };
  Object.assign(InferenceSession, { create: profiled });
  return { recorded, restore: () => void Object.assign(InferenceSession, { create }) };
}

interface ProfileEvent {
  readonly cat: string;
  readonly name: string;
  /** Microseconds. */
  readonly dur: number;
  readonly args: {
    readonly op_name?: string;
    readonly input_type_shape?: Shapes;
    readonly output_type_shape?: Shapes;
  };
}

/** A shape by its type, for each input or output. */
type Shapes = readonly Readonly<Record<string, readonly number[]>>[];

interface OperatorTime {
  readonly operator: string;
  readonly ms: number;
  /** Of a product: copies, rows, inner size, columns. */
  readonly product?: readonly [number, number, number, number];
}

/** The sizes of a product, from its first input (transposed or not) and its output. */
function productOf({
  op_name,
  input_type_shape,
  output_type_shape,
}: ProfileEvent['args']): OperatorTime['product'] {
  if (op_name === undefined || !/Gemm$|MatMul$/.test(op_name)) return undefined;
  const [left] = Object.values(input_type_shape?.[0] ?? {});
  const [out] = Object.values(output_type_shape?.[0] ?? {});
  if (left === undefined || out === undefined) return undefined;
  const [rows, columns] = out.slice(-2);
  const copies = sizeOf(out.slice(0, -2));
  return [copies, rows, sizeOf(left) / copies / rows, columns];
}

/** Operators of a session's runs, run by run. */
function operatorsOf(file: string): OperatorTime[][] {
  const folder = path.dirname(file);
  const name = fs.readdirSync(folder).find((one) => one.startsWith(`${path.basename(file)}_`));
  if (name === undefined) throw new Error(`bench: ONNX Runtime wrote no profile to ${file}`);
  const events = JSON.parse(fs.readFileSync(path.join(folder, name), 'utf8')) as ProfileEvent[];
  const runs: OperatorTime[][] = [];
  let run: OperatorTime[] = [];
  for (const { cat, name: event, dur, args } of events) {
    if (cat === 'Node' && event.endsWith('_kernel_time'))
      run.push({ operator: args.op_name ?? 'unknown', ms: dur / 1000, product: productOf(args) });
    if (event !== 'model_run') continue;
    runs.push(run);
    run = [];
  }
  return runs;
}

/** Profiles some steps: of the 124M model 4 x 192 tokens, of a built-in one a batch of notebook 01. */
export async function benchProfile(request: ProfileRequest = {}): Promise<StepProfile> {
  const { model: name = 'gpt2', lora = false, rounds = 5 } = request;
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-bench-'));
  const { recorded, restore } = recordSessions(folder);
  try {
    const plain: CausalLM =
      name === 'gpt2'
        ? await AutoModelForCausalLM.fromConfig({ model_type: 'gpt2' }, { engine: { provider: 'cpu' } })
        : await AutoModelForCausalLM.fromPretrained(name, { engine: { provider: 'cpu' } });
    const model = lora ? getPeftModel(plain, new LoraConfig({ r: 8 })) : plain;
    const { stepsMs, processorMs } = await steps(model, rounds, name === 'gpt2' ? {} : NOTEBOOK_STEP);
    for (const { session } of recorded) session.endProfiling();
    const { rows, products, phases, inRunsMs } = summary(recorded, rounds);
    await model.dispose();
    const stepMs = stepsMs.reduce((sum, ms) => sum + ms, 0) / rounds;
    const operatorsMs = rows.reduce((sum, { ms }) => sum + ms, 0);
    const figure = path.join(ROOT, 'outputs', 'bench', `profile-${name}${lora ? '-lora' : ''}.svg`);
    const profile = {
      stepMs,
      processorMs,
      phases,
      hostMs: stepMs - inRunsMs,
      callMs: inRunsMs - operatorsMs,
      rows,
      products,
      figure,
    };
    await saveFigure(flameFigure(profile, name), figure, { width: 1100, height: 420 });
    return profile;
  } finally {
    restore();
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** The operators and runs of the steps that count, summed by phase and kind, per step. */
function summary(
  recorded: readonly Recorded[],
  rounds: number,
): Pick<StepProfile, 'rows' | 'products' | 'phases'> & { inRunsMs: number } {
  const rows = new Map<string, ProfileRow>();
  const products = new Map<string, ProfileRow & { flops: number }>();
  const phases = new Map<string, number>();
  let inRunsMs = 0;
  for (const { phase, file, runs } of recorded) {
    // Each step runs a function equally often; the first steps compile.
    const perStep = runs.length / (rounds + WARM_UP_STEPS);
    if (perStep === 0) continue;
    for (const { from, to, processorMs } of runs.slice(-perStep * rounds)) {
      inRunsMs += (to - from) / rounds;
      phases.set(phase, (phases.get(phase) ?? 0) + processorMs / rounds);
    }
    const counted = operatorsOf(file).slice(-perStep * rounds);
    for (let run = 0; run < perStep; run++) {
      for (const [place, { operator, product }] of counted[run].entries()) {
        const times = Array.from({ length: rounds }, (_, step) => counted[step * perStep + run][place].ms);
        const ms = times.reduce((sum, one) => sum + one, 0) / rounds;
        const one = { ms, leastMs: Math.min(...times), count: 1 };
        const key = `${phase} ${operator}`;
        rows.set(key, added({ phase, operator, ...one }, rows.get(key)));
        if (product === undefined) continue;
        const [copies, ...sizes] = product;
        const shape = `${copies > 1 ? `${copies} of ` : ''}${sizes.join(' x ')}`;
        const before = products.get(`${phase} ${shape}`);
        const flops = 2 * sizeOf(product) + (before?.flops ?? 0);
        products.set(`${phase} ${shape}`, { ...added({ phase, operator: shape, ...one }, before), flops });
      }
    }
  }
  return {
    phases: [...phases].map(([phase, processorMs]) => ({ phase, processorMs })),
    rows: [...rows.values()].sort((a, b) => b.ms - a.ms),
    products: [...products.values()]
      .sort((a, b) => b.leastMs - a.leastMs)
      .map(({ phase, operator: shape, count, ms, leastMs, flops }) => ({
        ...{ phase, shape, count, leastMs },
        ...{ gflops: flops / ms / 1e6, bestGflops: flops / leastMs / 1e6 },
      })),
    inRunsMs,
  };
}

function added(row: ProfileRow, before: ProfileRow | undefined): ProfileRow {
  if (before === undefined) return row;
  return {
    ...row,
    ms: row.ms + before.ms,
    leastMs: row.leastMs + before.leastMs,
    count: row.count + before.count,
  };
}

/** The step as one bar, its phases below it, their operators below them: each as wide as its time. */
function flameFigure(profile: Omit<StepProfile, 'figure'>, name: string): Figure {
  const bars: { id: string; label: string; parent: string; ms: number }[] = [];
  const phases = new Map<string, number>([
    ['host', profile.hostMs],
    ['calls', profile.callMs],
  ]);
  for (const { phase, ms } of profile.rows) phases.set(phase, (phases.get(phase) ?? 0) + ms);
  const total = [...phases.values()].reduce((sum, ms) => sum + ms, 0);
  const words = (label: string, ms: number): string => `${label}<br>${ms.toFixed(0)} ms`;
  bars.push({ id: 'step', label: words(`step of ${name}`, total), parent: '', ms: total });
  for (const [phase, ms] of phases) bars.push({ id: phase, label: words(phase, ms), parent: 'step', ms });
  for (const { phase, operator, ms } of profile.rows)
    bars.push({ id: `${phase} ${operator}`, label: words(operator, ms), parent: phase, ms });
  const trace = {
    type: 'icicle',
    ids: bars.map(({ id }) => id),
    labels: bars.map(({ label }) => label),
    parents: bars.map(({ parent }) => parent),
    values: bars.map(({ ms }) => ms),
    branchvalues: 'total',
    tiling: { orientation: 'v' },
  };
  return { data: [trace], layout: { title: `Where a step of ${name} goes` } };
}

/** Products shorter than this part of a step are not printed. */
const SHOWN_SHARE = 0.003;

/** The profile as lines of a table, the longest first. */
export function profileRows(profile: StepProfile): [string, string][] {
  const { stepMs, processorMs, phases, hostMs, callMs, rows, products, figure } = profile;
  const processorRow = ({ phase, processorMs: ms }: PhaseRow): [string, string] => [
    `${phase}: processor time`,
    `${ms.toFixed(1).padStart(8)} ms  ${((100 * ms) / processorMs).toFixed(1)} %`,
  ];
  const inPhases = phases.reduce((sum, { processorMs: ms }) => sum + ms, 0);
  const share = (ms: number): string =>
    `${ms.toFixed(1).padStart(8)} ms  ${((100 * ms) / stepMs).toFixed(1)} %`;
  const bestOfAll = Math.max(...products.map(({ bestGflops }) => bestGflops));
  return [
    processorRow({ phase: 'a step', processorMs }),
    ...phases.map(processorRow),
    processorRow({ phase: 'outside of runs', processorMs: processorMs - inPhases }),
    ['a step', share(stepMs)],
    ...rows.map(({ phase, operator, ms, leastMs, count }): [string, string] => [
      `${phase}: ${operator}`,
      `${share(ms)}, at least ${leastMs.toFixed(1)} ms, ${count.toFixed(0)} of them`,
    ]),
    ['within runs, outside of operators', share(callMs)],
    ['outside of runs', share(hostMs)],
    ...products
      .filter(({ leastMs }) => leastMs > SHOWN_SHARE * stepMs)
      .map(({ phase, shape, count, leastMs, gflops, bestGflops }): [string, string] => [
        `${phase}: ${count} products ${shape}`,
        `${leastMs.toFixed(1).padStart(8)} ms at least, ${gflops.toFixed(0)} GFLOP/s, at best ${bestGflops.toFixed(0)}, ` +
          `${((100 * bestGflops) / bestOfAll).toFixed(0)} % of the fastest shape`,
      ]),
    ['figure', path.relative(ROOT, figure)],
  ];
}
