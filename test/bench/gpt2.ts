/**
 * Bench of the 124,439,808-parameter GPT-2 (random weights): full fine-tuning steps, LoRA steps, generation,
 * each beside what the machine can do, measured in the same run.
 */
import { createEngine, tf } from '../../lib/engine';
import type { CompiledFunction, Engine, EngineOptions, NamedTensors } from '../../lib/engine';
import { allocateGradients, countLabels, forwardBackward, LoraConfig } from '../../lib/models';
import { AutoModelForCausalLM, getPeftModel } from '../../lib/pretrained';
import type { CausalLM } from '../../lib/pretrained';
import { createOptimizer, gradientNorm } from '../../lib/trainer';
import { IGNORED } from '../../lib/types';
import type { Batch, HostTensor } from '../../lib/types';
import { benchGeneration } from './generation';
import type { GenerationBench } from './generation';
import { median } from './median';

/** Sequences of a step, and tokens of each. */
export const SHAPE = [4, 192] as const;
export const TOKENS = SHAPE[0] * SHAPE[1];

export interface Gpt2Bench {
  /** float32 2048 x 2048 x 2048 product through the engine, GFLOP/s: best of all, and the median of the rounds'. */
  gemmGflops: number;
  gemmMedianGflops: number;
  fullStepMs: number;
  fullTokensPerSecond: number;
  /** 6 x parameters x tokens / time, as a share of the best product right before and after; median of the rounds. */
  fullShareOfPeak: number;
  /** Fastest step against the best of all products. */
  bestStepShareOfPeak: number;
  optimizerMs: number;
  /** A full step with the model's dropout of 0.1. */
  dropoutStepMs: number;
  loraStepMs: number;
  loraTokensPerSecond: number;
  compileMs: number;
  generation: GenerationBench;
  /** Highest resident size of the process after the full steps, bytes. */
  peakBytes: number;
}

/** Steps before those that count: they compile and touch the memory for the first time. */
export const WARM_UP_STEPS = 2;

/** About what each part takes, in full steps; generation as a whole. */
const COSTS = { full: 1.2, dropout: 1.2, lora: 0.65, generation: 5 };

/** @param rounds timed steps of each kind; medians are given */
export async function benchGpt2(
  rounds = 5,
  note: (text: string) => void = console.error,
): Promise<Gpt2Bench> {
  const dropoutRounds = Math.ceil(rounds / 2);
  const advance = countdown(
    note,
    (rounds + WARM_UP_STEPS) * (COSTS.full + COSTS.lora) +
      (dropoutRounds + WARM_UP_STEPS) * COSTS.dropout +
      COSTS.generation,
  );
  const peak = await GemmPeak.create();
  const model = await AutoModelForCausalLM.fromConfig({ model_type: 'gpt2' });
  const flops = 6 * model.numParameters() * TOKENS;
  const full = await steps(model, rounds, {
    peak,
    onStep: () => advance('full fine-tuning step of the 124M model, product beside it', COSTS.full),
  });
  const peakBytes = process.resourceUsage().maxRSS * 1024;
  const { compileMs } = model.engine;
  const withDropout = await steps(model, dropoutRounds, {
    dropout: true,
    onStep: () => advance('step with dropout', COSTS.dropout),
  });
  const lora = await steps(getPeftModel(model, new LoraConfig({ r: 8 })), rounds, {
    onStep: () => advance('LoRA step (r 8, c_attn)', COSTS.lora),
  });
  await model.dispose();
  note('now generation, batch 1');
  const generation = await benchGpt2Generation();
  await peak.dispose();
  const gemmGflops = Math.max(...full.peaks);
  return {
    gemmGflops,
    gemmMedianGflops: median(full.peaks),
    fullStepMs: full.stepMs,
    fullTokensPerSecond: (TOKENS / full.stepMs) * 1000,
    fullShareOfPeak: median(
      full.stepsMs.map((ms, i) => flops / ms / 1e6 / Math.max(full.peaks[i], full.peaks[i + 1])),
    ),
    bestStepShareOfPeak: flops / Math.min(...full.stepsMs) / 1e6 / gemmGflops,
    optimizerMs: full.optimizerMs,
    dropoutStepMs: withDropout.stepMs,
    loraStepMs: lora.stepMs,
    loraTokensPerSecond: (TOKENS / lora.stepMs) * 1000,
    compileMs,
    generation,
    peakBytes,
  };
}

/** Tokens alone. */
export async function benchGpt2Generation(): Promise<GenerationBench> {
  const model = await AutoModelForCausalLM.fromConfig({ model_type: 'gpt2' });
  const generation = await benchGeneration({ model });
  await model.dispose();
  return generation;
}

/** Says after each piece of work what is done, and by the time so far about how long the rest takes. */
function countdown(note: (text: string) => void, total: number): (text: string, cost: number) => void {
  const started = performance.now();
  let done = 0;
  return (text, cost) => {
    done += cost;
    const left = ((performance.now() - started) / done) * (total - done);
    note(`${text}: done, about ${(left / 1000).toFixed(0)} s left`);
  };
}

/** The machine's own speed, measured between steps: where it changes with time, it changes for both. */
export class GemmPeak {
  private result?: Float32Array;
  private constructor(
    private readonly engine: Engine,
    private readonly product: CompiledFunction,
    private readonly matrix: HostTensor,
    private readonly settled: () => Promise<void>,
  ) {}

  static async create(size = 2048, options: EngineOptions = {}): Promise<GemmPeak> {
    const engine = await createEngine(options);
    const spec = { shape: [size, size], dtype: 'float32' as const };
    const fn = ({ a, b }: NamedTensors): NamedTensors => ({
      c: tf.matMul(a as tf.Tensor2D, b as tf.Tensor2D),
    });
    const data = Float32Array.from({ length: size * size }, (_, i) => Math.sin(i));
    engine.device?.pin([data]);
    const product = await engine.compile(fn, { a: spec, b: spec });
    return new GemmPeak(engine, product, { data, shape: spec.shape }, await deviceClock(engine));
  }

  /** @returns GFLOP/s of the best of some products; on a device, which is not waited for in between, of all of them */
  async measure(products = 6): Promise<number> {
    const [size] = this.matrix.shape;
    const { device } = this.engine;
    const c = (this.result ??= device?.allocate(size * size) ?? new Float32Array(size * size));
    const run = (): Promise<unknown> => this.product.run({ a: this.matrix, b: this.matrix }, { into: { c } });
    let best = Infinity;
    for (let i = 0; i < (device === undefined ? products : 1); i++) {
      const started = performance.now();
      await run();
      await this.settled();
      best = Math.min(best, performance.now() - started);
    }
    if (device !== undefined) {
      const started = performance.now();
      for (let i = 0; i < products; i++) await run();
      await this.settled();
      best = (performance.now() - started) / products;
    }
    return (2 * size ** 3) / best / 1e6;
  }

  dispose(): Promise<void> {
    return this.engine.dispose();
  }
}

/** Best of some products, GFLOP/s. */
export async function gemmPeak(size = 2048, rounds = 12): Promise<number> {
  const peak = await GemmPeak.create(size);
  const best = await peak.measure(rounds);
  await peak.dispose();
  return best;
}

export interface StepTimes {
  stepMs: number;
  /** Processor time of a step, all threads. */
  processorMs: number;
  optimizerMs: number;
  stepsMs: number[];
  /** Of all steps, the first two included. */
  losses: number[];
  /** Before the first step, between steps, after the last. */
  peaks: number[];
}

/** How steps are measured. */
export interface StepOptions {
  /** Measured before, between and after the steps. */
  readonly peak?: Pick<GemmPeak, 'measure'>;
  readonly dropout?: boolean;
  /** Sequences and their tokens; default 4 x 192. */
  readonly shape?: readonly [number, number];
  /** Tokens at the end of each sequence that have a label; default: all. */
  readonly labelled?: number;
  /** Called after each step, the first two included. */
  readonly onStep?: () => void;
}

/** Optimizer steps on one batch. */
export async function steps(
  model: CausalLM,
  rounds: number,
  { peak, dropout = false, shape = SHAPE, labelled = shape[1], onStep }: StepOptions = {},
): Promise<StepTimes> {
  const tokens = shape[0] * shape[1];
  const inputIds = Int32Array.from({ length: tokens }, (_, i) => (i * 7919) % model.architecture.vocabSize);
  const batch: Batch = {
    shape,
    inputIds,
    labels: inputIds.map((id, i) => (i % shape[1] < shape[1] - labelled ? IGNORED : id)),
    attentionMask: new Int32Array(tokens).fill(1),
  };
  const parameters = model.trainableParameters();
  const gradients = allocateGradients(parameters);
  const optimizer = createOptimizer({
    name: 'adamw',
    engine: model.engine,
    parameters,
    gradients,
    weightDecay: 0.01,
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
    momentum: 0,
  });
  const settled = await deviceClock(model.engine);
  const whole: number[] = [];
  const losses: number[] = [];
  const updates: number[] = [];
  const peaks: number[] = [];
  const processor: number[] = [];
  for (let round = -WARM_UP_STEPS; round < rounds; round++) {
    if (round >= 0 && peak !== undefined) peaks.push(await peak.measure());
    const started = performance.now();
    const usage = process.cpuUsage();
    const loss = await forwardBackward(model, gradients, {
      batch,
      lossScale: 1 / countLabels(batch),
      accumulate: false,
      gradientCheckpointing: false,
      dropout: dropout ? { seed: 1, step: round } : undefined,
    });
    const halfway = performance.now();
    const norm = await gradientNorm(model.engine, gradients);
    await optimizer.step(1e-5, Math.min(1, 1 / norm));
    await settled();
    losses.push(loss);
    if (round >= 0) {
      whole.push(performance.now() - started);
      updates.push(performance.now() - halfway);
      const { user, system } = process.cpuUsage(usage);
      processor.push((user + system) / 1000);
    }
    onStep?.();
  }
  if (peak !== undefined) peaks.push(await peak.measure());
  return {
    stepMs: median(whole),
    processorMs: median(processor),
    optimizerMs: median(updates),
    stepsMs: whole,
    losses,
    peaks,
  };
}

/** Waits for what a device has been given to do: it does one thing after the other, and this reads a number last. */
export async function deviceClock({ device }: Engine): Promise<() => Promise<void>> {
  if (device === undefined) return async () => {};
  const number = await device.store(Float32Array.of(0));
  return async () => void (await device.read(number));
}
