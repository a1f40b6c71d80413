/**
 * Tokens of 4-bit models, one after the other: random weights of real shapes, by codes and exactly, against what copying as
 * many bytes takes on both cores beside it. Each model in a process of its own, so that the peak memory is its own.
 */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { createEngine } from '../../lib/engine';
import { architectureOf, peakMemoryBytes } from '../../lib/models';
import { AutoModelForCausalLM, savePretrained } from '../../lib/pretrained';
import type { CausalLM } from '../../lib/pretrained';
import { median } from './median';
import { randomModel } from './mistral';
import type { RandomForm } from './mistral';

const LLAMA = { model_type: 'llama', rms_norm_eps: 1e-5, tie_word_embeddings: false, rope_theta: 10_000 };

/** `measuredLayers` of a model that would take minutes to make; its token's time is that of all layers by the same. */
const SHAPES = {
  '1B': {
    measuredLayers: 22,
    config: {
      ...{ ...LLAMA, vocab_size: 32_000, hidden_size: 2048, intermediate_size: 5632, num_hidden_layers: 22 },
      ...{ num_attention_heads: 32, num_key_value_heads: 4, max_position_embeddings: 2048 },
    },
  },
  '7B': {
    measuredLayers: 6,
    config: {
      ...{
        ...LLAMA,
        vocab_size: 32_000,
        hidden_size: 4096,
        intermediate_size: 14_336,
        num_hidden_layers: 32,
      },
      ...{ num_attention_heads: 32, num_key_value_heads: 8, max_position_embeddings: 2048 },
    },
  },
} as const;

/** How a token is computed: by codes made of NF4's, by int4's own, or from NF4 exactly. */
const FORMS = {
  'nf4 by 8-bit codes': ['nf4', 'q8'],
  int4: ['int4', 'q8'],
  'nf4 exactly': ['nf4', 'float32'],
} as const;

type Shape = keyof typeof SHAPES;
type Form = keyof typeof FORMS;

/** Figures of a shape and form; times are medians in milliseconds. */
export interface DecodeBench {
  readonly shape: Shape;
  readonly form: Form;
  /** Layers that were made, of how many. */
  readonly layers: readonly [number, number];
  /** A token of one row, all layers. */
  readonly tokenMs: number;
  /** A step of eight rows over one of one row. */
  readonly batch8Ratio: number;
  /** The first token of a prompt of 64, functions compiled. */
  readonly promptMs: number;
  /** Bytes of weights that a token reads, all layers. */
  readonly readBytes: number;
  /** Copied on two threads, 1e9 bytes a second. */
  readonly copyGBs: number;
  /** What copying the bytes takes over what a token takes. */
  readonly shareOfCopy: number;
  /** Opening the saved checkpoint; of whole models. */
  readonly loadMs: number | undefined;
  readonly peakBytes: number;
}

/** Measures shapes and forms whose names begin so. */
export function benchDecode(shape = '', form = ''): DecodeBench[] {
  const pairs = (Object.keys(SHAPES) as Shape[])
    .filter((one) => one.startsWith(shape))
    .flatMap((one) =>
      (Object.keys(FORMS) as Form[]).filter((f) => f.startsWith(form)).map((f) => [one, f] as const),
    );
  if (pairs.length === 0)
    throw new Error(`bench decode: expected one of ${Object.keys(SHAPES).join(', ')}, got ${shape}`);
  return pairs.map((pair) => {
    const child = spawnSync(process.execPath, [__filename, ...pair], {
      ...{ encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
    });
    if (child.status !== 0) throw new Error(`bench decode: ${pair.join(', ')} failed`);
    return JSON.parse(child.stdout.trim().split('\n').at(-1) ?? '') as DecodeBench;
  });
}

async function measured(shape: Shape, form: Form): Promise<DecodeBench> {
  const { config, measuredLayers } = SHAPES[shape];
  const [weights, dtype] = FORMS[form];
  const all = config.num_hidden_layers;
  const architecture = architectureOf({ ...config, num_hidden_layers: measuredLayers });
  let model = await randomModel(await createEngine({ provider: 'cpu' }), architecture, weights as RandomForm);
  const loadMs = measuredLayers === all ? await loadTime(model, (loaded) => (model = loaded)) : undefined;
  const newTokens = dtype === 'q8' ? 24 : 4;
  const ask = async (rows: number, tokens: number, prompt: number): Promise<number> => {
    const inputIds = Array.from({ length: rows }, (_, row) =>
      Array.from({ length: prompt }, (_, i) => (row * 31 + i * 7) % 1000),
    );
    const started = performance.now();
    await model.generate({ inputIds, maxNewTokens: tokens, eosTokenId: null, dtype });
    return performance.now() - started;
  };
  await ask(1, 2, 8); // codes are made, functions compiled
  const step = async (rows: number): Promise<number> => {
    await ask(rows, 2, 8);
    const long = median(await times(3, () => ask(rows, newTokens + 1, 8)));
    return (long - median(await times(3, () => ask(rows, 1, 8)))) / newTokens;
  };
  const one = await step(1);
  const eight = dtype === 'q8' ? await step(8) : NaN;
  await ask(1, 1, 64);
  const promptMs = median(await times(3, () => ask(1, 1, 64)));
  const peakBytes = peakMemoryBytes();
  const { modules, vocabSize, width } = architecture;
  const perLayer = modules.reduce((sum, { inSize, outSize }) => sum + inSize * outSize, 0);
  const perWeight = form === 'int4' ? 0.5 + 4.5 / 64 : dtype === 'q8' ? 1 + 4 / 64 : 0.5 + 4 / 64;
  const headBytes = vocabSize * width * (dtype === 'q8' ? 1 + 4 / 32 : 4);
  const made = measuredLayers * perLayer * perWeight + headBytes;
  const readBytes = all * perLayer * perWeight + headBytes;
  const tokenMs = one * (readBytes / made);
  await model.dispose();
  const copyGBs = await copySpeed();
  return {
    ...{ shape, form, layers: [measuredLayers, all], tokenMs, batch8Ratio: eight / one, promptMs },
    ...{ readBytes, copyGBs, shareOfCopy: readBytes / (copyGBs * 1e6) / tokenMs, loadMs, peakBytes },
  };
}

/** Saves the model, and opens what was saved in its place. */
async function loadTime(model: CausalLM, take: (loaded: CausalLM) => void): Promise<number> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'tunebook-decode-'));
  try {
    await savePretrained(model, folder, { dtype: 'BF16' });
    await model.dispose();
    const started = performance.now();
    take(await AutoModelForCausalLM.fromPretrained(folder, { engine: { provider: 'cpu' } }));
    return performance.now() - started;
  } finally {
    await rm(folder, { recursive: true });
  }
}

const COPIER = `
  const { parentPort } = require('node:worker_threads');
  const [from, to] = [new Uint8Array(256 << 20).fill(1), new Uint8Array(256 << 20)];
  parentPort.on('message', (n) => {
    for (let i = 0; i < n; i++) to.set(from);
    parentPort.postMessage(n * from.length);
  });`;

/** Copies on two threads at once. @returns 1e9 bytes a second, both together, the best of five */
async function copySpeed(): Promise<number> {
  const workers = [1, 2].map(() => new Worker(COPIER, { eval: true }));
  const copy = async (): Promise<number> => {
    const started = performance.now();
    const bytes = await Promise.all(
      workers.map(
        (worker) =>
          new Promise<number>((resolve) => {
            worker.once('message', resolve);
            worker.postMessage(4);
          }),
      ),
    );
    return (bytes[0] + bytes[1]) / (performance.now() - started) / 1e6;
  };
  await copy();
  const speeds = await times(5, copy);
  await Promise.all(workers.map((worker) => worker.terminate()));
  return Math.max(...speeds);
}

async function times(repeats: number, run: () => Promise<number>): Promise<number[]> {
  const results: number[] = [];
  for (let i = 0; i < repeats; i++) results.push(await run());
  return results;
}

if (require.main === module)
  void measured(process.argv[2] as Shape, process.argv[3] as Form).then((result) =>
    console.log(JSON.stringify(result)),
  );
