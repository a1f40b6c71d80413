/**
 * Real shapes of models that people tune, with random weights in NF4: a LoRA step and a token, each model in a process of its
 * own so that the peak memory is its own.
 */
import { spawnSync } from 'node:child_process';
import { createEngine } from '../../lib/engine';
import {
  allocateGradients,
  architectureOf,
  forwardBackward,
  LoraConfig,
  peakMemoryBytes,
} from '../../lib/models';
import { getPeftModel } from '../../lib/pretrained';
import { productGflops, randomBatch, randomModel } from './mistral';

const LLAMA = { model_type: 'llama', rms_norm_eps: 1e-5, tie_word_embeddings: true };

/** As their config.json has them. */
export const SHAPES: Readonly<Record<string, Record<string, unknown>>> = {
  'SmolLM2-135M': {
    ...{ ...LLAMA, vocab_size: 49152, hidden_size: 576, intermediate_size: 1536, num_hidden_layers: 30 },
    ...{ num_attention_heads: 9, num_key_value_heads: 3, max_position_embeddings: 8192, rope_theta: 100000 },
  },
  'Gemma-3-270M': {
    ...{ model_type: 'gemma3_text', vocab_size: 262144, hidden_size: 640, intermediate_size: 2048 },
    ...{ num_hidden_layers: 18, num_attention_heads: 4, num_key_value_heads: 1, head_dim: 256 },
    ...{ query_pre_attn_scalar: 256, sliding_window: 512, sliding_window_pattern: 6, rope_theta: 1000000 },
    ...{ rope_local_base_freq: 10000, rms_norm_eps: 1e-6, max_position_embeddings: 32768 },
  },
  'Qwen3-0.6B': {
    ...{ model_type: 'qwen3', vocab_size: 151936, hidden_size: 1024, intermediate_size: 3072 },
    ...{ num_hidden_layers: 28, num_attention_heads: 16, num_key_value_heads: 8, head_dim: 128 },
    ...{ rope_theta: 1000000, rms_norm_eps: 1e-6, max_position_embeddings: 40960, tie_word_embeddings: true },
  },
  'Llama-3.2-1B': {
    ...{ ...LLAMA, vocab_size: 128256, hidden_size: 2048, intermediate_size: 8192, num_hidden_layers: 16 },
    ...{ num_attention_heads: 32, num_key_value_heads: 8, head_dim: 64, max_position_embeddings: 131072 },
    rope_theta: 500000,
    rope_scaling: {
      ...{ rope_type: 'llama3', factor: 32, low_freq_factor: 1, high_freq_factor: 4 },
      original_max_position_embeddings: 8192,
    },
  },
};

/** How much is measured of each. */
export interface FamilyBenchOptions {
  /** Names that begin so; default: all. */
  readonly name?: string;
  /** Steps and answers that are timed after a first one, of which the best counts. Default 3; 0 times the first. */
  readonly repeats?: number;
  /** Tokens of each of the 2 rows, default 192. */
  readonly tokens?: number;
}

/** Figures of one model; times are the best of the repeats. */
export interface FamilyBench {
  readonly model: string;
  readonly parameters: number;
  /** LoRA of rank 8 on q and v, 2 rows of 192 tokens: forward, recomputation and gradients. */
  readonly stepSeconds: number;
  /** Products of the frozen layers and of the head in that time, over the float32 product's speed beside it. */
  readonly shareOfPeak: number;
  /** 16 tokens after a prompt of 16. */
  readonly tokenMs: number;
  readonly peakBytes: number;
  /** An epoch of 1,000 records of 192 tokens by that step. */
  readonly epochMinutes: number;
}

const [ROWS, TOKENS, NEW_TOKENS] = [2, 192, 16];

/** Measures the shapes; each figure goes to the console as soon as it is known. */
export function benchFamilies({
  name = '',
  repeats = 3,
  tokens = TOKENS,
}: FamilyBenchOptions): FamilyBench[] {
  const names = Object.keys(SHAPES).filter((one) => one.toLowerCase().startsWith(name.toLowerCase()));
  if (names.length === 0)
    throw new Error(`bench families: expected ${Object.keys(SHAPES).join(', ')}, got ${name}`);
  return names.map((one) => {
    const words = [__filename, one, String(repeats), String(tokens)];
    const child = spawnSync(process.execPath, words, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    if (child.status !== 0) throw new Error(`bench families: ${one} failed`);
    return JSON.parse(child.stdout) as FamilyBench;
  });
}

/** The figures in Markdown, a row for each model. */
export function familiesTable(results: readonly FamilyBench[]): string {
  const rows = results.map((one) => [
    `${one.model}, NF4`,
    `${(one.parameters / 1e6).toFixed(0)} M`,
    `${one.stepSeconds.toFixed(1)} s`,
    `${(100 * one.shareOfPeak).toFixed(0)} %`,
    `${(1000 / one.tokenMs).toFixed(1)}`,
    `${(one.peakBytes / 1e9).toFixed(2)} GB`,
    `${one.epochMinutes.toFixed(0)} min`,
  ]);
  const head = ['model', 'parameters', 'LoRA step, 2 x 192', 'of the peak', 'tokens/s', 'peak memory'];
  head.push('an epoch of 1,000 records');
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

async function measured(name: string, repeats: number, tokens: number): Promise<void> {
  const started = performance.now();
  const note = (what: string): void => {
    const seconds = ((performance.now() - started) / 1000).toFixed(0);
    console.error(`${name}, ${seconds} s: ${what}; peak ${(peakMemoryBytes() / 1e9).toFixed(2)} GB`);
  };
  const engine = await createEngine();
  const architecture = architectureOf(SHAPES[name]);
  const model = await randomModel(engine, architecture);
  getPeftModel(model, new LoraConfig({ r: 8, loraAlpha: 16, targetModules: ['q_proj', 'v_proj'] }));
  note(`${(model.numParameters() / 1e6).toFixed(0)} M parameters made`);
  const gradients = allocateGradients(model.trainableParameters());
  const batch = randomBatch(ROWS, tokens);
  const count = ROWS * tokens;
  const stepMs = await fastest(repeats, async () => {
    const begin = performance.now();
    await forwardBackward(model, gradients, {
      ...{ batch, lossScale: 1 / count, accumulate: false, gradientCheckpointing: true },
    });
    note(`step ${((performance.now() - begin) / 1000).toFixed(2)} s`);
    return performance.now() - begin;
  });
  const tokenMs = await fastest(repeats, async () => {
    const times: number[] = [];
    await model.generate({
      inputIds: [Array.from({ length: 16 }, (_, i) => i)],
      ...{ maxNewTokens: NEW_TOKENS, eosTokenId: null, onToken: () => void times.push(performance.now()) },
    });
    const ms = (times[NEW_TOKENS - 1] - times[0]) / (NEW_TOKENS - 1);
    note(`token ${ms.toFixed(0)} ms`);
    return ms;
  });
  const peakBytes = peakMemoryBytes(); // before the product, whose matrices are larger than some models
  const peak = await productGflops(engine, count, Math.max(1, repeats));
  note(`product ${peak.toFixed(0)} GFLOP/s`);
  const { layers, modules, vocabSize, width } = architecture;
  const linear = layers * modules.reduce((sum, { inSize, outSize }) => sum + inSize * outSize, 0);
  // Layers: forward, recomputation, gradient of the input. The head: forward and gradient.
  const flops = 2 * count * (3 * linear + 2 * vocabSize * width);
  const result: FamilyBench = {
    ...{ model: name, parameters: model.numParameters(), stepSeconds: stepMs / 1000, tokenMs, peakBytes },
    shareOfPeak: flops / (stepMs * 1e6) / peak,
    epochMinutes: (stepMs * (1000 / ROWS)) / 60_000,
  };
  await model.dispose();
  console.log(JSON.stringify(result));
}

/** The best of the repeats, after one that compiles and counts only where there are none. */
async function fastest(repeats: number, run: () => Promise<number>): Promise<number> {
  const first = await run();
  let ms = repeats === 0 ? first : Infinity;
  for (let repeat = 0; repeat < repeats; repeat++) ms = Math.min(ms, await run());
  return ms;
}

if (require.main === module && process.argv[2] !== undefined)
  void measured(process.argv[2], Number(process.argv[3]), Number(process.argv[4]));
