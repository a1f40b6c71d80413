/**
 * Training steps of GPT-2 beside the same ones in Python (transformers on PyTorch, PEFT): the same weights, tokens and
 * labels, one after the other in turn, so that what else the machine does meets both. `TUNEBOOK_PYTHON` is a Python that
 * has them.
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { tunebookEnvironment } from '../../lib/environment';
import { LoraConfig } from '../../lib/models';
import { AutoModelForCausalLM, getPeftModel } from '../../lib/pretrained';
import type { CausalLM } from '../../lib/pretrained';
import { ROOT } from '../support/paths';
import { GemmPeak, SHAPE, steps, TOKENS } from './gpt2';
import { median } from './median';
import { processorSeconds } from './processor-time';

/** Full fine-tuning; LoRA of rank 8 on `c_attn`. */
type Kind = 'full' | 'lora';

/** Tokens at the end of each row that have a label: all, or the share of an answer in notebook 01's records (14.5 %). */
const LABELLED = { 'every token': SHAPE[1], 'answers only': 28 } as const;
type Labels = keyof typeof LABELLED;

/** Between the losses of the same step there and here, of about 10. */
const LOSS_TOLERANCE = 1e-3;

/** Medians of steps in turn. */
export interface InTurn {
  readonly kind: Kind;
  readonly labels: Labels;
  readonly tokensPerSecond: number;
  readonly theirTokensPerSecond: number;
  /** Median over the rounds of their time over ours. */
  readonly ratio: number;
  /** Processor time of Python's step over ours, which load disturbs less; NaN beside Linux. */
  readonly processorRatio: number;
  /** Of the products that the step needs (head on labelled tokens), by wall. */
  readonly gflops: number;
  /** Largest difference between the losses of a step. */
  readonly lossDifference: number;
}

/** Every kind of step. */
export interface AgainstPython {
  readonly steps: readonly InTurn[];
  /** Best product of 768 x 768 matrices seen between the steps, GFLOP/s: ONNX Runtime's and PyTorch's. */
  readonly product: number;
  readonly theirProduct: number;
  readonly threads: number;
  /** Load of the machine at the end, over one minute. */
  readonly load: number;
}

interface Python {
  /** One step: its time in ms, and its loss. */
  step(kind: Kind, labelled: number): Promise<{ ms: number; loss: number }>;
  /** GFLOP/s of its best product. */
  product(): Promise<number>;
  /** Processor time of the process so far, seconds. */
  processorSeconds(): number;
  end(): void;
}

async function startPython(program: string, given: readonly string[]): Promise<Python> {
  const script = path.join(ROOT, 'test', 'bench', 'python-step.py');
  const child = spawn(program, [script, ...given], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<string> => {
    const { done, value } = await lines.next();
    if (done === true) throw new Error(`bench: ${program} ended`);
    return value;
  };
  const ask = (line: string): Promise<string> => {
    child.stdin.write(`${line}\n`);
    return next();
  };
  await next(); // ready
  return {
    async step(kind, labelled) {
      const [ms, loss] = (await ask(`${kind} ${labelled}`)).split(' ').map(Number);
      return { ms, loss };
    },
    product: async () => Number(await ask('product')),
    processorSeconds: () => processorSeconds(child.pid ?? -1),
    end: () => child.kill(),
  };
}

/**
 * Four kinds of steps in turn with Python's.
 * @param rounds steps of each, in turn; medians are given
 * @throws Error where a loss differs
 */
export async function benchAgainstPython(rounds = 5): Promise<AgainstPython> {
  const program = process.env.TUNEBOOK_PYTHON;
  if (!program)
    throw new Error('bench: expected TUNEBOOK_PYTHON, a Python with torch, transformers and peft');
  const threads = tunebookEnvironment().threads || os.availableParallelism();
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-bench-'));
  const places: Record<Kind, string> = {
    full: path.join(folder, 'base'),
    lora: path.join(folder, 'adapter'),
  };
  const peak = await GemmPeak.create(WIDTH, { provider: 'cpu' });
  let python: Python | undefined;
  try {
    const plain = await freshModel('full');
    await plain.savePretrained(places.full);
    await getPeftModel(plain, new LoraConfig({ r: 8 })).savePretrained(places.lora);
    await plain.dispose();
    python = await startPython(program, [String(threads), places.full, places.lora]);
    const found: InTurn[] = [];
    const products: { ours: number; theirs: number }[] = [];
    for (const kind of ['full', 'lora'] as const) {
      for (const labels of ['every token', 'answers only'] as const) {
        console.error(`${kind} steps in turn, labels: ${labels}`);
        const one = await inTurn(python, { kind, labels, rounds });
        console.error(
          `  ${one.ratio.toFixed(2)} times faster, by processor time ${one.processorRatio.toFixed(2)}`,
        );
        found.push(one);
        products.push({ ours: await peak.measure(30), theirs: await python.product() });
      }
    }
    return {
      steps: found,
      product: Math.max(...products.map(({ ours }) => ours)),
      theirProduct: Math.max(...products.map(({ theirs }) => theirs)),
      threads,
      load: os.loadavg()[0],
    };
  } finally {
    python?.end();
    await peak.dispose();
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** The same weights each time: random ones of a fixed seed. */
async function freshModel(kind: Kind): Promise<CausalLM> {
  const plain = await AutoModelForCausalLM.fromConfig(
    { model_type: 'gpt2' },
    { engine: { provider: 'cpu' } },
  );
  return kind === 'lora' ? getPeftModel(plain, new LoraConfig({ r: 8 })) : plain;
}

async function inTurn(
  python: Python,
  { kind, labels, rounds }: { kind: Kind; labels: Labels; rounds: number },
): Promise<InTurn> {
  const labelled = LABELLED[labels];
  const theirLosses: number[] = [];
  const theirProcessor: number[] = [];
  const theirStep = async (): Promise<number> => {
    const { ms, loss } = await python.step(kind, labelled);
    theirLosses.push(loss);
    return ms;
  };
  const model = await freshModel(kind);
  await theirStep(); // the first allocates; another one comes before our first that counts
  const { stepsMs, peaks, processorMs, losses } = await steps(model, rounds, {
    labelled,
    peak: {
      measure: async () => {
        const from = python.processorSeconds();
        const ms = await theirStep();
        theirProcessor.push(1000 * (python.processorSeconds() - from));
        return ms;
      },
    },
  });
  await model.dispose();
  const lossDifference = Math.max(...losses.map((loss, i) => Math.abs(loss - theirLosses[i])));
  if (!(lossDifference < LOSS_TOLERANCE)) {
    const [ours, theirs] = [losses, theirLosses].map((all) => all.map((loss) => loss.toFixed(4)).join(', '));
    throw new Error(
      `bench: expected the same losses of ${kind} steps (${labels}), got ${ours} and ${theirs}`,
    );
  }
  return {
    ...{ kind, labels, lossDifference },
    tokensPerSecond: (TOKENS / median(stepsMs)) * 1000,
    theirTokensPerSecond: (TOKENS / median(peaks)) * 1000,
    ratio: median(stepsMs.map((ms, i) => (peaks[i] + peaks[i + 1]) / 2 / ms)),
    processorRatio: median(theirProcessor) / processorMs,
    gflops: neededFlops(kind, labelled) / median(stepsMs) / 1e6,
  };
}

const [WIDTH, LAYERS, VOCABULARY] = [768, 12, 50257];

/** Of the products in a step of GPT-2 124M; the adapters' own are left out. */
function neededFlops(kind: Kind, labelled: number): number {
  const [B, T] = SHAPE;
  const layers = LAYERS * (2 * 12 * WIDTH ** 2 + 4 * T * WIDTH) * TOKENS;
  // The first token of a row is predicted by none.
  const head = 2 * VOCABULARY * WIDTH * B * Math.min(labelled, T - 1);
  // Forward, gradients of what goes in, gradients of weights.
  return (layers + head) * (kind === 'full' ? 3 : 2);
}

/** The comparison as lines of a table. */
export function pythonRows(result: AgainstPython): [string, string][] {
  const { product, theirProduct, threads, load } = result;
  const kinds = { full: 'full fine-tuning', lora: 'LoRA' } as const;
  const gigaflops = (value: number): string => `${value.toFixed(0)} GFLOP/s`;
  return [
    ...result.steps.flatMap((one): [string, string][] => {
      const { kind, labels, tokensPerSecond, theirTokensPerSecond, ratio, processorRatio } = one;
      const rates = `${tokensPerSecond.toFixed(0)} against ${theirTokensPerSecond.toFixed(0)} tokens/s`;
      const share = `${((100 * one.gflops) / product).toFixed(0)} % of the best product`;
      return [
        [`${kinds[kind]} step, labels: ${labels}, in turn with Python's`, rates],
        ['  faster, median of the rounds', `${ratio.toFixed(2)} times`],
        ["  Python's processor time over ours", processorRatio.toFixed(2)],
        ['  products that the step needs', `${gigaflops(one.gflops)}, ${share}`],
        ['  largest difference between losses', one.lossDifference.toExponential(1)],
      ];
    }),
    [`best product on ${threads} threads, PyTorch's`, `${gigaflops(product)}, ${gigaflops(theirProduct)}`],
    ['load of the machine', load.toFixed(1)],
  ];
}
