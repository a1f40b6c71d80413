/**
 * Batch-1 generation against the machine: a token must read every weight once, so memory bandwidth, measured
 * through the same engine between the tokens, bounds tokens per second.
 */
import { linear, signatureOf } from '../../lib/engine';
import type { TensorFunction } from '../../lib/engine';
import { streamGenerate } from '../../lib/generation';
import type { GenerationDtype } from '../../lib/generation';
import type { CausalLM } from '../../lib/pretrained';
import { median } from './median';

export interface GenerationBenchOptions {
  model: CausalLM;
  /** Default 16. */
  promptTokens?: number;
  /** Default 96. */
  newTokens?: number;
}

/** Batch 1, greedy, float32. Times are medians: other programs disturb tokens and readings alike. */
export interface GenerationBench {
  /** 1000 / tokenMs. */
  readonly tokensPerSecond: number;
  /** One token: all layers, head and choice. */
  readonly tokenMs: number;
  /** The fastest token. */
  readonly bestTokenMs: number;
  /** From the call to the first token, functions already compiled. */
  readonly firstTokenMs: number;
  /** Bytes of weights that one token reads. */
  readonly weightBytes: number;
  /** Reading of all parameters, a vector times one matrix, through the engine; 1e9 bytes per second. */
  readonly bandwidthGBs: number;
  /** What reading the weights takes over what a token takes: 1 is the bound. */
  readonly shareOfBandwidth: number;
  /** Making the functions of prefill and step. */
  readonly compileMs: number;
  /** Tokens by codes (`dtype: 'q8'`), in turn with tokens of float32; undefined where there are none. */
  readonly coded: CodedTokens | undefined;
}

/** Medians, in milliseconds. */
interface CodedTokens {
  readonly tokenMs: number;
  /** What a token of float32 takes over one by codes. */
  readonly speedup: number;
  /** All threads' time of a token, float32 and by codes: what other programs disturb least. */
  readonly processorMs: readonly [number, number];
}

/** A row a figure, with what is wished. */
export function generationRows(result: GenerationBench): [name: string, value: string][] {
  const { tokenMs, tokensPerSecond, shareOfBandwidth, bandwidthGBs, firstTokenMs } = result;
  const rows: [string, string][] = [
    ['generation, batch 1', `${tokensPerSecond.toFixed(1)} tokens/s, ${tokenMs.toFixed(1)} ms`],
    [
      '  share of reading its weights once',
      `${(100 * shareOfBandwidth).toFixed(0)} % of ${bandwidthGBs.toFixed(1)} GB/s (wished 80 %)`,
    ],
    ['  first token', `${firstTokenMs.toFixed(0)} ms`],
  ];
  const { coded } = result;
  if (coded === undefined) return rows;
  const processor = coded.processorMs;
  return [
    ...rows,
    [
      "  by codes (dtype: 'q8')",
      `${coded.tokenMs.toFixed(1)} ms, ${coded.speedup.toFixed(2)} times as fast (wished 2.5)`,
    ],
    [
      '    processor time of a token, float32 and codes',
      processor.map((ms) => `${ms.toFixed(1)} ms`).join(', '),
    ],
  ];
}

/** Tokens between two readings. */
const TOKENS_PER_READING = 3;

export async function benchGeneration(options: GenerationBenchOptions): Promise<GenerationBench> {
  const { model, promptTokens = 16, newTokens = 96 } = options;
  const compiledBefore = model.engine.compileMs;
  const nothing = async (): Promise<void> => {};
  await timedGeneration(model, { promptTokens, newTokens, between: nothing });
  const compileMs = model.engine.compileMs - compiledBefore;

  const reading = await readingOf(model);
  const times = await timedGeneration(model, { promptTokens, newTokens, between: reading.run });
  const tokenMs = median(times.stepsMs);
  const bandwidthGBs = reading.bytes / reading.ms() / 1e6;
  const weightBytes = 4 * weightsPerToken(model);
  const coded = model.engine.name === 'compiled:cpu' ? await benchCoded(model, promptTokens) : undefined;
  return {
    coded,
    tokensPerSecond: 1000 / tokenMs,
    tokenMs,
    bestTokenMs: Math.min(...times.stepsMs),
    firstTokenMs: times.firstMs,
    weightBytes,
    bandwidthGBs,
    shareOfBandwidth: weightBytes / (bandwidthGBs * 1e6) / tokenMs,
    compileMs,
  };
}

/** Tokens of both types in turn. */
async function benchCoded(model: CausalLM, promptTokens: number): Promise<CodedTokens> {
  const options = { promptTokens, newTokens: 24, between: async (): Promise<void> => {} };
  await timedGeneration(model, { ...options, newTokens: 2, dtype: 'q8' }); // codes are made
  const [exact, coded]: { stepsMs: number[]; processorMs: number[] }[] = [
    { stepsMs: [], processorMs: [] },
    { stepsMs: [], processorMs: [] },
  ];
  for (let round = 0; round < 4; round++)
    for (const [all, dtype] of [
      [exact, 'float32'],
      [coded, 'q8'],
    ] as const) {
      const { stepsMs, processorMs } = await timedGeneration(model, { ...options, dtype });
      all.stepsMs.push(...stepsMs);
      all.processorMs.push(...processorMs);
    }
  const tokenMs = median(coded.stepsMs);
  return {
    tokenMs,
    speedup: median(exact.stepsMs) / tokenMs,
    processorMs: [median(exact.processorMs), median(coded.processorMs)],
  };
}

/** Every weight but the position table, of which a token reads one row; a tied head is read once, as head. */
function weightsPerToken({ architecture, weights }: CausalLM): number {
  const { positionEmbedding, tokenEmbedding, head } = architecture;
  const tables = [positionEmbedding, head === tokenEmbedding ? undefined : tokenEmbedding];
  let count = 0;
  for (const { name, data } of weights.parameters.byName.values())
    if (!tables.includes(name)) count += data.length;
  return count;
}

/** Times each token, and calls `between` after every few of them. */
async function timedGeneration(
  model: CausalLM,
  options: { promptTokens: number; newTokens: number; between: () => Promise<void>; dtype?: GenerationDtype },
): Promise<{ firstMs: number; stepsMs: number[]; processorMs: number[] }> {
  const { promptTokens, newTokens, between, dtype } = options;
  const prompt = Array.from({ length: promptTokens }, (_, t) => (t * 7919) % model.architecture.vocabSize);
  const times: number[] = [];
  const processor: number[] = [];
  const processorTime = (): number => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  };
  let before = performance.now();
  let processorBefore = processorTime();
  const stream = streamGenerate(model, {
    ...{ inputIds: [prompt], maxNewTokens: newTokens, eosTokenId: null, dtype },
  });
  for await (const { index } of stream) {
    times.push(performance.now() - before);
    processor.push(processorTime() - processorBefore);
    if (index % TOKENS_PER_READING === 0) await between();
    before = performance.now();
    processorBefore = processorTime();
  }
  return { firstMs: times[0], stepsMs: times.slice(1), processorMs: processor.slice(1) };
}

const byRows: TensorFunction = ({ x, w }) => ({ y: linear(x, w, undefined, { transposeWeight: true }) });
const byColumns: TensorFunction = ({ x, w }) => ({ y: linear(x, w) });

/**
 * A vector times all parameters as one matrix, by rows and by columns, of which the faster counts. As large as
 * what a token reads, since caches make smaller matrices look faster than memory is.
 */
async function readingOf(
  model: CausalLM,
): Promise<{ bytes: number; run: () => Promise<void>; ms: () => number }> {
  const { width } = model.architecture;
  const rows = Math.floor(model.weights.parameters.flat.length / width);
  const data = model.weights.parameters.flat.subarray(0, rows * width);
  const x = { data: new Float32Array(width).fill(1), shape: [1, width] };
  const y = new Float32Array(rows);
  const ways: { run: () => Promise<unknown>; times: number[] }[] = [];
  for (const [fn, shape] of [
    [byRows, [rows, width]],
    [byColumns, [width, rows]],
  ] as const) {
    const feeds = { x, w: { data, shape } };
    const compiled = await model.engine.compile(fn, signatureOf(feeds));
    ways.push({ run: () => compiled.run(feeds, { into: { y } }), times: [] });
  }
  return {
    bytes: 4 * data.length,
    run: async () => {
      for (const { run, times } of ways) {
        const started = performance.now();
        await run();
        times.push(performance.now() - started);
      }
    },
    ms: () => Math.min(...ways.map(({ times }) => median(times))),
  };
}
