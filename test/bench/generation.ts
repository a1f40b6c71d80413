/**
 * Batch-1 generation against the machine: a token must read every weight once, so memory bandwidth, measured
 * through the same engine in the same run, bounds tokens per second.
 */
import { linear } from '../../lib/engine';
import type { TensorFunction } from '../../lib/engine';
import { streamGenerate } from '../../lib/generation';
import { signatureOf } from '../../lib/models';
import type { CausalLM } from '../../lib/models';

export interface GenerationBenchOptions {
  model: CausalLM;
  /** Default 16. */
  promptTokens?: number;
  /** Tokens per round; default 24. */
  newTokens?: number;
  /** Rounds of bandwidth and generation in turn, of which the best of each counts; default 10. */
  rounds?: number;
}

export interface GenerationBench {
  /** Of the best round, prefill not included; batch 1, greedy, float32. */
  readonly tokensPerSecond: number;
  /** Median time of a token over all rounds. */
  readonly medianTokenMs: number;
  /** Time to the first token of a prompt, functions already compiled; best round. */
  readonly firstTokenMs: number;
  /** Bytes of weights that one token reads. */
  readonly weightBytes: number;
  /** Fastest reading of a matrix, a vector times it, through the engine; 1e9 bytes per second. */
  readonly bandwidthGBs: number;
  /** tokensPerSecond * weightBytes / bandwidth: 1 is what reading the weights allows. */
  readonly shareOfBandwidth: number;
  /** Making the functions of prefill and step. */
  readonly compileMs: number;
}

export async function benchGeneration(options: GenerationBenchOptions): Promise<GenerationBench> {
  const { model, promptTokens = 16, newTokens = 24, rounds = 10 } = options;
  const compiledBefore = model.engine.compileMs;
  await timedGeneration(model, promptTokens, newTokens);
  const compileMs = model.engine.compileMs - compiledBefore;
  let [bandwidthGBs, tokensPerSecond, firstTokenMs] = [0, 0, Infinity];
  const all: number[] = [];
  for (let round = 0; round < rounds; round++) {
    bandwidthGBs = Math.max(bandwidthGBs, await readingGBs(model));
    const { firstMs, stepsMs } = await timedGeneration(model, promptTokens, newTokens);
    const totalMs = stepsMs.reduce((sum, ms) => sum + ms, 0);
    tokensPerSecond = Math.max(tokensPerSecond, (1000 * stepsMs.length) / totalMs);
    firstTokenMs = Math.min(firstTokenMs, firstMs);
    all.push(...stepsMs);
  }
  const weightBytes = 4 * weightsPerToken(model);
  return {
    tokensPerSecond,
    medianTokenMs: all.sort((a, b) => a - b)[Math.floor(all.length / 2)],
    firstTokenMs,
    weightBytes,
    bandwidthGBs,
    shareOfBandwidth: (tokensPerSecond * weightBytes) / (bandwidthGBs * 1e9),
    compileMs,
  };
}

/** Every weight but the position table, of which a token reads one row; a tied head is read once, as head. */
function weightsPerToken({ architecture, parameters }: CausalLM): number {
  const { positionEmbedding, tokenEmbedding, head } = architecture;
  const tables = [positionEmbedding, head === tokenEmbedding ? undefined : tokenEmbedding];
  let count = 0;
  for (const { name, data } of parameters.byName.values()) if (!tables.includes(name)) count += data.length;
  return count;
}

async function timedGeneration(
  model: CausalLM,
  promptTokens: number,
  newTokens: number,
): Promise<{ firstMs: number; stepsMs: number[] }> {
  const prompt = Array.from({ length: promptTokens }, (_, t) => (t * 7919) % model.architecture.vocabSize);
  const times: number[] = [];
  let before = performance.now();
  const stream = streamGenerate(model, { inputIds: [prompt], maxNewTokens: newTokens, eosTokenId: null });
  for await (const event of stream) {
    const now = performance.now();
    times[event.index] = now - before;
    before = now;
  }
  return { firstMs: times[0], stepsMs: times.slice(1) };
}

const byRows: TensorFunction = ({ x, w }) => ({ y: linear(x, w, undefined, { transposeWeight: true }) });
const byColumns: TensorFunction = ({ x, w }) => ({ y: linear(x, w) });

/** The head's weights, read as [V, C] and as [C, V]: the faster of the two, best of eight. */
async function readingGBs(model: CausalLM): Promise<number> {
  const { data, shape } = model.feed(model.architecture.head);
  const [V, C] = shape;
  const x = { data: new Float32Array(C).fill(1), shape: [1, C] };
  const y = new Float32Array(V);
  let bestMs = Infinity;
  for (const [fn, wShape] of [
    [byRows, [V, C]],
    [byColumns, [C, V]],
  ] as const) {
    const feeds = { x, w: { data, shape: wShape } };
    const compiled = await model.engine.compile(fn, signatureOf(feeds));
    for (let run = 0; run < 8; run++) {
      const started = performance.now();
      await compiled.run(feeds, { into: { y } });
      bestMs = Math.min(bestMs, performance.now() - started);
    }
  }
  return (4 * data.length) / bestMs / 1e6;
}
