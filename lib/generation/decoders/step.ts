/**
 * One token per row, or a few, on top of a key-value cache. Where all weights are plain float32 in memory, all layers and
 * the head are one compiled function; where layers are quantized or on disk, they run one after the other, so
 * that only one of them needs be restored at a time.
 */
import { memoized, signatureOf, tf } from '../../engine';
import type { TensorFunction } from '../../engine';
import { embed, headLogits, headOf, stepMode, walk } from '../../models';
import type { Architecture, LayerCache, Runtime, SharedFeeds } from '../../models';
import type { HostTensor } from '../../types';
import type { KeyValueCache } from './key-value-cache';
import type { CodedModel } from '../passes/coded-model';
import { layersOf, positionFeeds, scoped, scopedFeeds, sharedBy } from '../passes/scopes';

export interface StepResult {
  /** float32 [B * T, V] */
  readonly logits: Float32Array;
  /** Keys and values of the step's tokens, float32 [B, H, T, D] each. */
  readonly layers: readonly LayerStep[];
}

export interface LayerStep {
  readonly key: Float32Array;
  readonly value: Float32Array;
}

/** Runs a step: tokens and their positions, int32 [B * T]. Results may be written again by the next step. */
export type StepRunner = (ids: Int32Array, positions: Int32Array) => Promise<StepResult>;

/** What a runner is made for. */
interface StepRequest {
  readonly cache: KeyValueCache;
  /** Tokens of each row, T. */
  readonly tokens: number;
}

/** A runner for this cache, which it reads but does not fill. */
export async function stepRunner(
  runtime: Runtime,
  { coded, ...request }: StepRequest & { readonly coded?: CodedModel },
): Promise<StepRunner> {
  if (coded !== undefined) return codedStep(runtime.architecture, coded, request);
  return runtime.weights.frozen === undefined ? wholeStep(runtime, request) : layeredStep(runtime, request);
}

/** Arrays for a step's results, by their names in a function of all layers; each step writes them anew. */
function stepBuffers(
  { layers, vocabSize }: Architecture,
  { cache, tokens }: StepRequest,
): Record<string, Float32Array> {
  const { rows, heads, headSize } = cache.shape;
  const buffers: Record<string, Float32Array> = { logits: new Float32Array(rows * tokens * vocabSize) };
  for (let layer = 0; layer < layers; layer++)
    for (const name of ['key', 'value'])
      buffers[scoped(layer, name)] = new Float32Array(rows * heads * tokens * headSize);
  return buffers;
}

/**
 * One session instead of one per layer: reading the weights is nearly all that a token costs, and nothing waits
 * between layers.
 */
async function wholeStep(runtime: Runtime, { cache, tokens }: StepRequest): Promise<StepRunner> {
  const { architecture } = runtime;
  const { rows } = cache.shape;
  const feeds: Record<string, HostTensor> = {
    ...runtime.weights.finalNormFeeds(),
    head: runtime.weights.tableFeed('head'),
    ...runtime.weights.headFeeds(),
  };
  const into = stepBuffers(architecture, { cache, tokens });
  const layers: LayerStep[] = [];
  for (let layer = 0; layer < architecture.layers; layer++) {
    const inputs = { ...(await runtime.weights.layerFeeds(layer)), ...pastFeeds(cache.layer(layer)) };
    Object.assign(feeds, scopedFeeds(layer, inputs));
    layers.push({ key: into[scoped(layer, 'key')], value: into[scoped(layer, 'value')] });
  }
  const tokenFeeds = async (ids: Int32Array, positions: Int32Array): Promise<Record<string, HostTensor>> => {
    const shape = [rows, tokens] as const;
    const byKind = positionFeeds(architecture, positions, shape);
    const biases = cache.biasesOf(tokens);
    const scopes = byKind.map((own, kind) => scopedFeeds(sharedBy(kind), { bias: biases[kind], ...own }));
    return Object.assign({ x: await embed(runtime, { ids, positions, shape }) }, ...scopes) as Record<
      string,
      HostTensor
    >;
  };
  const none = new Int32Array(rows * tokens);
  const compiled = await runtime.engine.compile(
    wholeFunction(architecture),
    signatureOf({ ...feeds, ...(await tokenFeeds(none, none)) }),
  );
  return async (ids, positions) => {
    await compiled.run({ ...feeds, ...(await tokenFeeds(ids, positions)) }, { into });
    return { logits: into.logits, layers };
  };
}

/** All layers by codes of 8 bits; nothing is compiled for the cache's sizes. */
function codedStep(
  architecture: Architecture,
  coded: CodedModel,
  { cache, tokens }: StepRequest,
): StepRunner {
  const { rows } = cache.shape;
  const places = Int32Array.from({ length: rows * tokens }, (_, place) => place);
  const shape = [rows, tokens] as const;
  const into = stepBuffers(architecture, { cache, tokens });
  return async (ids, positions) => {
    const past = (layer: number): LayerCache => cache.layer(layer);
    const byKind = positionFeeds(architecture, positions, shape);
    const shared = cache.biasesOf(tokens).map((bias, kind) => ({ bias, ...byKind[kind] }));
    const { logits, caches } = await coded.pass({ ids, positions, shape, shared, past, places, into });
    const layers = caches.map(({ key, value }) => ({
      key: key.data as Float32Array,
      value: value.data as Float32Array,
    }));
    return { logits, layers };
  };
}

function layeredStep(runtime: Runtime, { cache, tokens }: StepRequest): StepRunner {
  const { architecture } = runtime;
  const shape: [number, number] = [cache.shape.rows, tokens];
  return async (ids, positions) => {
    const biases = cache.biasesOf(tokens);
    const byKind = positionFeeds(architecture, positions, shape);
    const shared: SharedFeeds = (layer) => {
      const kind = architecture.kindOf(layer);
      return { bias: biases[kind], ...byKind[kind] };
    };
    const layers: LayerStep[] = [];
    const mode = stepMode(runtime, shared, {
      past: (layer) => cache.layer(layer),
      append: (_, { key, value }) => {
        layers.push({ key: key.data as Float32Array, value: value.data as Float32Array });
      },
    });
    const x = await walk(runtime, await embed(runtime, { ids, positions, shape }), mode);
    const { data } = await headLogits(runtime, x);
    return { logits: data as Float32Array, layers };
  };
}

function pastFeeds({ key, value }: LayerCache): Record<string, HostTensor> {
  return { 'past.key': key, 'past.value': value };
}

/** All layers, the last normalization and the head. */
const wholeFunction = memoized((architecture: Architecture): TensorFunction => (inputs) => {
  const { x, outputs } = layersOf(architecture, inputs, { first: 0, count: architecture.layers });
  // Rows as a matrix, so that the logits need no reshaping, which would copy them.
  const last = tf.reshape(x, [-1, architecture.width]);
  const { y } = architecture.finalNorm({ ...inputs, x: last });
  outputs.logits = headOf(architecture, inputs, y);
  return outputs;
});
