/**
 * Tokens of 4-bit models, one after the other: random weights of real shapes, by codes and exactly, against what copying as
 * many bytes takes on both cores beside it, and against the product of codes alone. Each model in a process of its own, so
 * that the peak memory is its own.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { createEngine, linearCodes } from '../../lib/engine';
import type { NamedTensors } from '../../lib/engine';
import { codesPeakBytes } from '../../lib/generation/passes/coded-plan';
import { architectureOf, layerCodes, peakMemoryBytes } from '../../lib/models';
import { AutoModelForCausalLM, savePretrained } from '../../lib/pretrained';
import type { CausalLM } from '../../lib/pretrained';
import { median } from './median';
import { randomModel } from './mistral';
import type { RandomForm } from './mistral';
import type { HostTensor } from '../../lib/types';

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

/** What issue 18 asks for on two cores: seconds a token, of a prompt of 64 tokens, and to load. */
const WISHES: Record<Shape, { token: Partial<Record<Form, number>>; prompt?: number; load?: number }> = {
  '1B': { token: { 'nf4 by 8-bit codes': 1 / 12, int4: 1 / 20 }, prompt: 0.8, load: 3 },
  '7B': { token: { 'nf4 by 8-bit codes': 0.45, int4: 0.25 } },
};

/** Rows times the largest matrix of some layers, which no cache holds: milliseconds, medians. */
interface ProductTimes {
  /** By number of rows. */
  readonly rowsMs: Readonly<Record<1 | 8 | 64, number>>;
  /** Weights of these matrices. */
  readonly weights: number;
}

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
  /** The same of the product of codes alone. */
  readonly productBatch8Ratio: number | undefined;
  /** The first token of a prompt of 64, functions compiled, all layers. */
  readonly promptMs: number;
  /** What the product of codes alone takes of it. */
  readonly promptProductShare: number | undefined;
  /** Bytes of weights that a token reads, all layers. */
  readonly readBytes: number;
  /** Copied on two threads, 1e9 bytes a second. */
  readonly copyGBs: number;
  /** What copying the bytes takes over what a token takes. */
  readonly shareOfCopy: number;
  /** Opening the saved checkpoint; of whole models. */
  readonly loadMs: number | undefined;
  /** What making the codes of the layers was planned to add to the process, and what it did (Linux). */
  readonly codesBytes: { readonly planned: number; readonly taken: number } | undefined;
  readonly peakBytes: number;
  /** Of the machine, one minute. */
  readonly load: number;
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
    const child = spawnSync(process.execPath, ['--expose-gc', __filename, ...pair], {
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
  const newTokens = dtype === 'q8' ? 24 : 4;
  const ask = async (rows: number, tokens: number, prompt: number): Promise<number> => {
    const inputIds = Array.from({ length: rows }, (_, row) =>
      Array.from({ length: prompt }, (_, i) => (row * 31 + i * 7) % 1000),
    );
    const started = performance.now();
    await model.generate({ inputIds, maxNewTokens: tokens, eosTokenId: null, dtype });
    return performance.now() - started;
  };
  const codesBytes = await addedBytes(dtype === 'q8' ? codesPeakBytes(model.runtime) : undefined, () =>
    ask(1, 2, 8),
  ); // codes are made, functions compiled
  const step = async (rows: number): Promise<number> => {
    await ask(rows, 2, 8);
    const long = median(await times(3, () => ask(rows, newTokens + 1, 8)));
    return (long - median(await times(3, () => ask(rows, 1, 8)))) / newTokens;
  };
  const one = await step(1);
  const eight = dtype === 'q8' ? await step(8) : NaN;
  await ask(1, 1, 64);
  const promptMs = (median(await times(3, () => ask(1, 1, 64))) * all) / measuredLayers;
  const peakBytes = peakMemoryBytes();
  const { modules, vocabSize, width } = architecture;
  const perLayer = modules.reduce((sum, { inSize, outSize }) => sum + inSize * outSize, 0);
  const perWeight = form === 'int4' ? 0.5 + 4.5 / 64 : dtype === 'q8' ? 1 + 4 / 64 : 0.5 + 4 / 64;
  const headBytes = vocabSize * width * (dtype === 'q8' ? 1 + 4 / 32 : 4);
  const made = measuredLayers * perLayer * perWeight + headBytes;
  const readBytes = all * perLayer * perWeight + headBytes;
  const tokenMs = one * (readBytes / made);
  const product = dtype === 'q8' ? await productTimes(model) : undefined;
  // Last: what a checkpoint's saving and reading leave free would be taken by the codes.
  const loadMs = measuredLayers === all ? await loadTime(model, (loaded) => (model = loaded)) : undefined;
  await model.dispose();
  const copyGBs = await copySpeed();
  return {
    ...{ shape, form, layers: [measuredLayers, all], tokenMs, batch8Ratio: eight / one, promptMs },
    productBatch8Ratio: product && product.rowsMs[8] / product.rowsMs[1],
    promptProductShare: product && (product.rowsMs[64] * all * perLayer) / product.weights / promptMs,
    ...{ readBytes, copyGBs, shareOfCopy: readBytes / (copyGBs * 1e6) / tokenMs, loadMs, codesBytes },
    ...{ peakBytes, load: os.loadavg()[0] },
  };
}

/** A row a figure, with what is wished. */
export function decodeRows(one: DecodeBench): [name: string, value: string][] {
  const { shape, form, tokenMs, batch8Ratio, promptMs, loadMs, codesBytes } = one;
  const { token, prompt, load } = WISHES[shape];
  const percent = (share: number | undefined): string => `${(100 * (share ?? NaN)).toFixed(0)} %`;
  const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(2)} GB`;
  const wished = (most: number | undefined): string =>
    most === undefined ? '' : ` (wished ${most.toFixed(2)})`;
  const rows: [string, string | undefined][] = [
    [
      `${shape}, ${form}, a token`,
      `${(tokenMs / 1000).toFixed(3)} s${wished(token[form])}, ${(1000 / tokenMs).toFixed(1)} a second`,
    ],
    ['  layers made', one.layers.join(' of ')],
    [
      '  share of a copy of its bytes',
      `${percent(one.shareOfCopy)} of ${one.copyGBs.toFixed(1)} GB/s (wished 50 %)`,
    ],
    [
      '  eight rows',
      Number.isNaN(batch8Ratio ?? NaN) ? undefined : `${batch8Ratio.toFixed(2)} times one (wished 3)`,
    ],
    [
      '    by the product alone',
      one.productBatch8Ratio === undefined ? undefined : `${one.productBatch8Ratio.toFixed(2)} times`,
    ],
    ['  first token of 64', `${(promptMs / 1000).toFixed(2)} s${wished(prompt)}`],
    [
      '    of it the product alone',
      one.promptProductShare === undefined ? undefined : percent(one.promptProductShare),
    ],
    ['  load', loadMs === undefined ? undefined : `${(loadMs / 1000).toFixed(1)} s${wished(load)}`],
    [
      '  codes',
      codesBytes &&
        `${gigabytes(codesBytes.taken)}, ${percent(codesBytes.taken / codesBytes.planned)} of the plan (wished 90 to 110 %)`,
    ],
    ['  peak memory', gigabytes(one.peakBytes)],
    ['  load of the machine', one.load.toFixed(1)],
  ];
  return rows.filter((row): row is [string, string] => row[1] !== undefined);
}

/** What `run` adds to the process's memory at most. */
async function addedBytes(
  planned: number | undefined,
  run: () => Promise<unknown>,
): Promise<DecodeBench['codesBytes']> {
  const isMeasured = planned !== undefined && process.platform === 'linux';
  globalThis.gc?.();
  const before = process.memoryUsage.rss();
  if (isMeasured) writeFileSync('/proc/self/clear_refs', '5'); // the peak is counted anew
  await run();
  return isMeasured ? { planned, taken: peakMemoryBytes() - before } : undefined;
}

/** Layers whose matrices the product is measured with. */
const PRODUCT_LAYERS = 4;

async function productTimes({ runtime, architecture, engine }: CausalLM): Promise<ProductTimes> {
  const { name, inSize, outSize } = architecture.modules.reduce((largest, one) =>
    one.inSize * one.outSize > largest.inSize * largest.outSize ? one : largest,
  );
  const constants: Record<string, HostTensor> = {};
  let bits: 4 | 8 = 8;
  for (let layer = 0; layer < PRODUCT_LAYERS; layer++)
    for (const [input, tensor] of Object.entries(layerCodes(runtime.weights, layer) ?? {})) {
      const [, form, part] = input.startsWith(`${name}.weight.`)
        ? input.slice(name.length + 1).split('.')
        : [];
      if (part === undefined) continue;
      bits = form === 'q4' ? 4 : 8;
      constants[`${layer}.${part}`] = tensor;
    }
  const fn = ({ x, ...inputs }: NamedTensors): NamedTensors =>
    Object.fromEntries(
      Array.from({ length: PRODUCT_LAYERS }, (_, layer) => {
        const [codes, scales, zeros] = ['codes', 'scales', 'zeros'].map((part) => inputs[`${layer}.${part}`]);
        return [`y${layer}`, linearCodes(x, { codes, scales, zeros, bits })];
      }),
    );
  const ROWS = 100_003;
  const signature = { x: { shape: [ROWS, inSize], dtype: 'float32' as const } };
  const product = await engine.build({ fn, signature, constants, dynamicSizes: [ROWS] });
  const timed = async (rows: number): Promise<number> => {
    const x = {
      data: Float32Array.from({ length: rows * inSize }, (_, i) => Math.sin(i)),
      shape: [rows, inSize],
    };
    const run = async (): Promise<number> => {
      const started = performance.now();
      await product.run({ x });
      return performance.now() - started;
    };
    await run();
    return median(await times(9, run));
  };
  const rowsMs = { 1: await timed(1), 8: await timed(8), 64: await timed(64) };
  await product.dispose();
  return { rowsMs, weights: PRODUCT_LAYERS * inSize * outSize };
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
