/**
 * Bench of the 124,439,808-parameter GPT-2 (random weights): full fine-tuning steps, LoRA steps, generation,
 * each beside what the machine can do, measured in the same run.
 */
import { createEngine, tf } from '../../lib/engine';
import {
  allocateGradients,
  AutoModelForCausalLM,
  countLabels,
  forwardBackward,
  getPeftModel,
  LoraConfig,
} from '../../lib/models';
import type { CausalLM } from '../../lib/models';
import { createOptimizer, gradientNorm } from '../../lib/trainer';
import type { Batch } from '../../lib/types';
import { benchGeneration } from './generation';

const [B, T] = [4, 192];
const TOKENS = B * T;

export interface Gpt2Bench {
  /** float32 2048 x 2048 x 2048 product through the engine, GFLOP/s, best of the rounds. */
  gemmGflops: number;
  fullStepMs: number;
  fullTokensPerSecond: number;
  /** 6 x parameters x tokens / time, as a share of gemmGflops. */
  fullShareOfPeak: number;
  optimizerMs: number;
  loraStepMs: number;
  loraTokensPerSecond: number;
  compileMs: number;
  generation: Awaited<ReturnType<typeof benchGeneration>>;
  /** Highest resident size of the process after the full steps, bytes. */
  peakBytes: number;
}

/** @param rounds timed steps of each kind; medians are given */
export async function benchGpt2(
  rounds = 5,
  note: (text: string) => void = console.error,
): Promise<Gpt2Bench> {
  note('GEMM peak');
  let gemmGflops = await gemmPeak();
  note('full fine-tuning steps of the 124M model');
  const model = await AutoModelForCausalLM.fromConfig({ model_type: 'gpt2' });
  const full = await steps(model, rounds);
  const peakBytes = process.resourceUsage().maxRSS * 1024;
  // The peak is measured around the steps: a machine that changes its speed changes it for both.
  gemmGflops = Math.max(gemmGflops, await gemmPeak());
  const { compileMs } = model.engine;
  note('LoRA steps (r 8, c_attn)');
  const lora = await steps(getPeftModel(model, new LoraConfig({ r: 8 })), rounds);
  await model.dispose();
  note('generation, batch 1');
  const fresh = await AutoModelForCausalLM.fromConfig({ model_type: 'gpt2' });
  const generation = await benchGeneration({ model: fresh });
  const flops = 6 * fresh.numParameters() * TOKENS;
  await fresh.dispose();
  return {
    gemmGflops,
    fullStepMs: full.stepMs,
    fullTokensPerSecond: (TOKENS / full.stepMs) * 1000,
    fullShareOfPeak: flops / full.stepMs / 1e6 / gemmGflops,
    optimizerMs: full.optimizerMs,
    loraStepMs: lora.stepMs,
    loraTokensPerSecond: (TOKENS / lora.stepMs) * 1000,
    compileMs,
    generation,
    peakBytes,
  };
}

/** Best of some products, GFLOP/s. */
export async function gemmPeak(size = 2048, rounds = 12): Promise<number> {
  const engine = await createEngine();
  const spec = { shape: [size, size], dtype: 'float32' as const };
  const product = await engine.compile(({ a, b }) => ({ c: tf.matMul(a as tf.Tensor2D, b as tf.Tensor2D) }), {
    a: spec,
    b: spec,
  });
  const data = Float32Array.from({ length: size * size }, (_, i) => Math.sin(i));
  const matrix = { data, shape: spec.shape };
  const into = { c: new Float32Array(size * size) };
  let best = Infinity;
  for (let round = 0; round < rounds; round++) {
    const started = performance.now();
    await product.run({ a: matrix, b: matrix }, { into });
    best = Math.min(best, performance.now() - started);
  }
  await engine.dispose();
  return (2 * size ** 3) / best / 1e6;
}

async function steps(model: CausalLM, rounds: number): Promise<{ stepMs: number; optimizerMs: number }> {
  const inputIds = Int32Array.from({ length: TOKENS }, (_, i) => (i * 7919) % model.architecture.vocabSize);
  const batch: Batch = {
    shape: [B, T],
    inputIds,
    labels: inputIds,
    attentionMask: new Int32Array(TOKENS).fill(1),
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
  const whole: number[] = [];
  const updates: number[] = [];
  // The first two compile and touch the memory for the first time.
  for (let round = -2; round < rounds; round++) {
    const started = performance.now();
    await forwardBackward(model, gradients, {
      batch,
      lossScale: 1 / countLabels(batch),
      accumulate: false,
      gradientCheckpointing: false,
    });
    const halfway = performance.now();
    const norm = await gradientNorm(model.engine, gradients.flat);
    await optimizer.step(1e-5, Math.min(1, 1 / norm));
    if (round < 0) continue;
    whole.push(performance.now() - started);
    updates.push(performance.now() - halfway);
  }
  return { stepMs: median(whole), optimizerMs: median(updates) };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
