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
import { ROOT } from '../support/paths';
import { steps } from './gpt2';

/** Time of one kind of operator in one phase, per step. */
export interface ProfileRow {
  readonly phase: string;
  readonly operator: string;
  readonly ms: number;
  /** Operators of this kind in a step. */
  readonly count: number;
}

/** Where the time of a step goes. */
export interface StepProfile {
  readonly stepMs: number;
  /** Between the functions' runs: gathering, scattering, checks, calls. */
  readonly hostMs: number;
  /** Within the runs, outside of operators: ONNX Runtime's own, and the calls into it. */
  readonly callMs: number;
  readonly rows: readonly ProfileRow[];
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
const NOTEBOOK_STEP = { shape: [8, 224], labelled: 30 } as const;

/** Steps of `steps` before those that it times. */
const WARM_UP_STEPS = 2;

type Session = ort.InferenceSession;

interface Recorded {
  readonly session: Session;
  readonly phase: string;
  readonly file: string;
  readonly runs: { readonly from: number; readonly to: number }[];
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
      try {
        return await run(...given);
      } finally {
        one.runs.push({ from, to: performance.now() });
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
  readonly args: { readonly op_name?: string };
}

/** Operators of a session's runs, run by run. */
function operatorsOf(file: string): { operator: string; ms: number }[][] {
  const folder = path.dirname(file);
  const name = fs.readdirSync(folder).find((one) => one.startsWith(`${path.basename(file)}_`));
  if (name === undefined) throw new Error(`bench: ONNX Runtime wrote no profile to ${file}`);
  const events = JSON.parse(fs.readFileSync(path.join(folder, name), 'utf8')) as ProfileEvent[];
  const runs: { operator: string; ms: number }[][] = [];
  let run: { operator: string; ms: number }[] = [];
  for (const { cat, name: event, dur, args } of events) {
    if (cat === 'Node' && event.endsWith('_kernel_time'))
      run.push({ operator: args.op_name ?? 'unknown', ms: dur / 1000 });
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
    const { stepsMs } = await steps(model, rounds, name === 'gpt2' ? {} : NOTEBOOK_STEP);
    for (const { session } of recorded) session.endProfiling();
    const { rows, inRunsMs } = summary(recorded, rounds);
    await model.dispose();
    const stepMs = stepsMs.reduce((sum, ms) => sum + ms, 0) / rounds;
    const operatorsMs = rows.reduce((sum, { ms }) => sum + ms, 0);
    const figure = path.join(ROOT, 'outputs', 'bench', `profile-${name}${lora ? '-lora' : ''}.svg`);
    const profile = { stepMs, hostMs: stepMs - inRunsMs, callMs: inRunsMs - operatorsMs, rows, figure };
    await saveFigure(flameFigure(profile, name), figure, { width: 1100, height: 420 });
    return profile;
  } finally {
    restore();
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** The operators and runs of the steps that count, summed by phase and kind, per step. */
function summary(recorded: readonly Recorded[], rounds: number): { rows: ProfileRow[]; inRunsMs: number } {
  const rows = new Map<string, { phase: string; operator: string; ms: number; count: number }>();
  let inRunsMs = 0;
  for (const { phase, file, runs } of recorded) {
    // Each step runs a function equally often; the first steps compile.
    const counted = (runs.length / (rounds + WARM_UP_STEPS)) * rounds;
    if (counted === 0) continue;
    for (const { from, to } of runs.slice(-counted)) inRunsMs += (to - from) / rounds;
    for (const { operator, ms } of operatorsOf(file).slice(-counted).flat()) {
      const key = `${phase} ${operator}`;
      const row = rows.get(key) ?? { phase, operator, ms: 0, count: 0 };
      rows.set(key, { ...row, ms: row.ms + ms / rounds, count: row.count + 1 / rounds });
    }
  }
  return { rows: [...rows.values()].sort((a, b) => b.ms - a.ms), inRunsMs };
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

/** The profile as lines of a table, the longest first. */
export function profileRows({ stepMs, hostMs, callMs, rows, figure }: StepProfile): [string, string][] {
  const share = (ms: number): string =>
    `${ms.toFixed(1).padStart(8)} ms  ${((100 * ms) / stepMs).toFixed(1)} %`;
  return [
    ['a step', share(stepMs)],
    ...rows.map(({ phase, operator, ms, count }): [string, string] => [
      `${phase}: ${operator}`,
      `${share(ms)}, ${count.toFixed(0)} of them`,
    ]),
    ['within runs, outside of operators', share(callMs)],
    ['outside of runs', share(hostMs)],
    ['figure', path.relative(ROOT, figure)],
  ];
}
