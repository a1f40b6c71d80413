/**
 * Bench of a GPU: the 124,439,808-parameter GPT-2 and the layers of Mistral-7B in NF4, weights random, each beside the
 * float32 product that the GPU does through the same engine.
 */
import { createEngine } from '../../lib/engine';
import type { Provider } from '../../lib/engine';
import { generate, streamGenerate } from '../../lib/generation';
import { allocateGradients, countLabels, forwardBackward, LoraConfig } from '../../lib/models';
import { AutoModelForCausalLM, getPeftModel } from '../../lib/pretrained';
import type { CausalLM } from '../../lib/pretrained';
import type { Batch } from '../../lib/types';
import { deviceClock, GemmPeak, steps, TOKENS } from './gpt2';
import { median } from './median';
import { randomMistral } from './mistral';

export interface GpuBench {
  /** float32 products of 2048 and 4096 squared, GFLOP/s. */
  readonly gemmGflops: readonly [number, number];
  readonly full: Timed;
  /** With the model's dropout of 0.1, masks drawn on the GPU. */
  readonly fullWithDropout: Timed;
  /** r 8, c_attn. */
  readonly lora: Timed;
  readonly optimizerMs: number;
  /** 6 x parameters x tokens / time, as a share of the larger product. */
  readonly fullShareOfPeak: number;
  readonly tokensPerSecond: { readonly one: number; readonly sixteen: number };
  readonly mistral: {
    readonly layers: number;
    readonly loadSeconds: number;
    /** Bytes that stay on the GPU. */
    readonly heldBytes: number;
    /** LoRA (r 8, q and v, dropout 0.05) on 2 x 192 tokens. */
    readonly stepMs: number;
    readonly tokenMs: number;
  };
}

interface Timed {
  readonly stepMs: number;
  readonly tokensPerSecond: number;
}

/** @param options.layers of Mistral; its real number is 32 */
export async function benchGpu(
  options: { provider?: Provider; layers?: number; rounds?: number } = {},
): Promise<GpuBench> {
  const { provider = 'webgpu', layers = 32, rounds = 9 } = options;
  const say = (text: string): void => void process.stderr.write(`${text}\n`);
  const gemmGflops = [await gemm(2048, provider), await gemm(4096, provider)] as const;
  say(`products: ${gemmGflops.map((value) => value.toFixed(0)).join(', ')} GFLOP/s`);

  const model = await AutoModelForCausalLM.fromConfig({ model_type: 'gpt2' }, { engine: { provider } });
  const full = await steps(model, rounds);
  say(`full step ${full.stepMs.toFixed(0)} ms, of which norm and optimizer ${full.optimizerMs.toFixed(0)}`);
  const withDropout = await steps(model, rounds, { dropout: true });
  say(`with dropout ${withDropout.stepMs.toFixed(0)} ms`);
  const flops = 6 * model.numParameters() * TOKENS;
  const tokensPerSecond = { one: await tokenRate(model, 1), sixteen: await tokenRate(model, 16) };
  say(`generation ${JSON.stringify(tokensPerSecond)}`);
  const lora = await steps(getPeftModel(model, new LoraConfig({ r: 8 })), rounds);
  say(`LoRA step ${lora.stepMs.toFixed(0)} ms`);
  await model.dispose();
  const timed = (stepMs: number): Timed => ({ stepMs, tokensPerSecond: (1000 * TOKENS) / stepMs });
  return {
    gemmGflops,
    full: timed(full.stepMs),
    fullWithDropout: timed(withDropout.stepMs),
    lora: timed(lora.stepMs),
    optimizerMs: full.optimizerMs,
    fullShareOfPeak: flops / full.stepMs / 1e6 / gemmGflops[1],
    tokensPerSecond,
    mistral: await benchLayers(provider, { layers, rounds: Math.min(rounds, 3), say }),
  };
}

async function gemm(size: number, provider: Provider): Promise<number> {
  const peak = await GemmPeak.create(size, { provider });
  const gflops = await peak.measure(20);
  await peak.dispose();
  return gflops;
}

/** Greedy, tokens of all rows together. */
async function tokenRate(model: CausalLM, rows: number): Promise<number> {
  const prompt = Array.from({ length: 16 }, (_, t) => (t * 7919) % model.architecture.vocabSize);
  const inputIds = Array.from({ length: rows }, () => prompt);
  const times: number[] = [];
  let before = performance.now();
  const stream = streamGenerate(model, { inputIds, maxNewTokens: 40, eosTokenId: null });
  for await (const { row } of stream) {
    if (row !== rows - 1) continue;
    times.push(performance.now() - before);
    before = performance.now();
  }
  // The first make the functions.
  return (1000 * rows) / median(times.slice(4));
}

async function benchLayers(
  provider: Provider,
  { layers, rounds, say }: { layers: number; rounds: number; say: (text: string) => void },
): Promise<GpuBench['mistral']> {
  const engine = await createEngine({ provider });
  const settled = await deviceClock(engine);
  const started = performance.now();
  const base = await randomMistral(engine, { layers, vocabSize: 32000 });
  await settled();
  const loadSeconds = (performance.now() - started) / 1000;
  say(`${layers} layers of Mistral-7B on the GPU after ${loadSeconds.toFixed(1)} s`);
  const targetModules = ['q_proj', 'v_proj'];
  const config = { r: 8, loraAlpha: 16, loraDropout: 0.05, targetModules };
  const model = getPeftModel(base, new LoraConfig(config));
  const gradients = allocateGradients(model.trainableParameters());
  engine.device?.pin(gradients.byName.values(), { scratch: true });
  const inputIds = Int32Array.from({ length: 384 }, (_, i) => (i * 7919) % 32000);
  const attentionMask = new Int32Array(384).fill(1);
  const batch: Batch = { shape: [2, 192], inputIds, attentionMask, labels: inputIds };
  const times: number[] = [];
  for (let step = -1; step < rounds; step++) {
    const from = performance.now();
    const loss = await forwardBackward(model, gradients, {
      ...{ batch, lossScale: 1 / countLabels(batch), accumulate: false, gradientCheckpointing: true },
      dropout: { seed: 1, step: step + 1 },
    });
    await settled();
    times.push(performance.now() - from);
    say(`step ${step + 1}: ${times[times.length - 1].toFixed(0)} ms, loss ${loss.toFixed(3)}`);
  }
  const heldBytes = engine.device?.heldBytes ?? 0;
  const tokens: number[] = [];
  let before = performance.now();
  const asked = { inputIds: [[1, 2, 3, 4]], maxNewTokens: 12, eosTokenId: null };
  await generate(model, {
    ...asked,
    onToken: () => {
      tokens.push(performance.now() - before);
      before = performance.now();
    },
  });
  await model.dispose();
  const stepMs = median(times.slice(1));
  return { layers, loadSeconds, heldBytes, stepMs, tokenMs: median(tokens.slice(3)) };
}
