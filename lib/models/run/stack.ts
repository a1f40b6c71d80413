/**
 * The walk through a model's layers: embeddings, one block after the other, the head. What a pass does at each layer
 * is its mode: hidden states alone, keys and values for a cache, a step on top of one; training adds its own
 * (`train/training.ts`).
 */
import { memoized, run, TILE } from '../../engine';
import type { TensorFunction } from '../../engine';
import { sizeOf } from '../../tensor';
import type { HostTensor } from '../../types';
import type { Architecture } from '../families/architecture';
import { headOf } from './adapted-head';
import { attentionBias, contextLengths, positionIds } from './attention-bias';
import type { MaskedBatch } from './attention-bias';
import { embed } from './embedding';
import type { Runtime } from './runtime';
import type { Workspace } from './workspace';

/** Keys and values of one layer, float32 [B, KV, S, D] each. */
export interface LayerCache {
  readonly key: HostTensor;
  readonly value: HostTensor;
}

/** What happens at each layer of a walk. */
export interface LayerMode {
  /** One block on x; returns its output, float32 [B, T, C]. */
  layer(layer: number, x: HostTensor): Promise<HostTensor>;
}

/** The one loop over the layers of a forward pass. @param x embeddings, float32 [B, T, C] */
export async function walk({ architecture }: Runtime, x: HostTensor, mode: LayerMode): Promise<HostTensor> {
  for (let layer = 0; layer < architecture.layers; layer++) x = await mode.layer(layer, x);
  return x;
}

/** What a layer takes besides x and its weights: alike for all layers of a kind, and `rows` for the last one. */
export type SharedFeeds = (layer: number) => Readonly<Record<string, HostTensor>>;

/** Shape of a block's output, [B, T, C], or [1, R, C] where only some rows are wanted. */
export function outputShape({
  x,
  rows,
}: Readonly<Record<string, HostTensor | undefined>>): readonly number[] {
  if (x === undefined) throw new Error('internal: a block needs x');
  return rows === undefined ? x.shape : [1, rows.shape[0], x.shape[2]];
}

/**
 * The attention's bias and the inputs by position of a whole batch, pinned in the workspace.
 * @param given.lastRows rows of [B * T] that are wanted of the last layer, int32 [R]; default: all
 */
export function sharedFeeds(
  { architecture }: Runtime,
  batch: MaskedBatch,
  { workspace, lastRows }: { workspace: Workspace; lastRows?: Int32Array },
): { positions: Int32Array; shared: SharedFeeds } {
  const positions = positionIds(batch);
  const contexts = contextLengths(batch, positions);
  const byKind = architecture.layerKinds.map((kind) =>
    workspace.pin({
      bias: attentionBias(batch, kind.slidingWindow),
      ...kind.positionFeeds(positions, batch.shape, contexts),
    }),
  );
  const last = architecture.layers - 1;
  const cut =
    lastRows === undefined ? {} : workspace.pin({ rows: { data: lastRows, shape: [lastRows.length] } });
  const shared: SharedFeeds = (layer) => {
    const feeds = byKind[architecture.kindOf(layer)];
    return layer === last ? { ...feeds, ...cut } : feeds;
  };
  return { positions, shared };
}

/** Hidden states alone: each layer's input is released as its output is there. */
export function hiddenMode(runtime: Runtime, shared: SharedFeeds, workspace: Workspace): LayerMode {
  return {
    async layer(layer, x) {
      const feeds = { x, ...shared(layer) };
      const { y } = await runtime.runBlock(layer, feeds, {
        into: { y: workspace.output(outputShape(feeds)) },
      });
      workspace.free(x.data);
      return y;
    },
  };
}

/** Hidden states, and each layer's keys and values into `caches`, all left in the workspace. */
export function cacheMode(
  runtime: Runtime,
  shared: SharedFeeds,
  { workspace, caches, past }: Pick<HiddenRequest, 'workspace' | 'past'> & { caches: LayerCache[] },
): LayerMode {
  const { architecture } = runtime;
  return {
    async layer(layer, x) {
      const [B, T] = x.shape;
      const cacheShape = [B, architecture.keyValueHeads, T, architecture.headSize];
      const before = past?.(layer);
      const feeds = {
        ...{ x, ...shared(layer) },
        ...(before === undefined ? {} : { 'past.key': before.key, 'past.value': before.value }),
      };
      const into = {
        y: workspace.output(outputShape(feeds)),
        key: workspace.output(cacheShape),
        value: workspace.output(cacheShape),
      };
      const { y, key, value } = await runtime.runBlock(layer, feeds, { fn: architecture.block, into });
      caches.push({ key, value });
      workspace.free(x.data);
      return y;
    },
  };
}

/** Where a step finds a layer's keys and values, and what becomes of its own. */
export interface StepCache {
  /** Default: the architecture's block, which gives the step's own keys and values. */
  readonly fn?: TensorFunction;
  past(layer: number): LayerCache;
  /** Buffers of the block's outputs; default: new ones. */
  into?(layer: number, x: HostTensor): Record<string, Float32Array>;
  append(layer: number, own: LayerCache): void;
}

/** One token per row on top of a cache. */
export function stepMode(runtime: Runtime, shared: SharedFeeds, cache: StepCache): LayerMode {
  const fn = cache.fn ?? runtime.architecture.block;
  return {
    async layer(layer, x) {
      const past = cache.past(layer);
      const feeds = { x, ...shared(layer), 'past.key': past.key, 'past.value': past.value };
      const { y, key, value } = await runtime.runBlock(layer, feeds, { fn, into: cache.into?.(layer, x) });
      cache.append(layer, { key, value });
      return y;
    },
  };
}

/**
 * Awaited when so many more layers have run: others may use the model meanwhile, who leave its adapter as it was.
 */
export type BetweenLayers = (layers: number) => Promise<void>;

/** What `hiddenStates` takes. */
export interface HiddenRequest {
  readonly batch: MaskedBatch;
  /** Token ids, int32 [B * T]. */
  readonly ids: Int32Array;
  /** Rows of [B * T] that are wanted of the last layer, int32 [R]; default: all. */
  readonly rows?: Int32Array;
  readonly workspace: Workspace;
  /** Receives each layer's keys and values, left in the workspace as well. */
  readonly caches?: LayerCache[];
  /** With `caches`: keys and values of the tokens that the batch names as past, float32 [B, KV, P, D]. */
  readonly past?: (layer: number) => LayerCache;
  readonly between?: BetweenLayers;
}

/**
 * Hidden states after the last block, before the last normalization.
 * @returns float32 [B, T, C], or [1, R, C] of `rows`, left in the workspace
 */
export async function hiddenStates(runtime: Runtime, request: HiddenRequest): Promise<HostTensor> {
  runtime.assertAlive();
  const { batch, ids, rows, workspace, caches, between, past } = request;
  const { positions, shared } = sharedFeeds(runtime, batch, { workspace, lastRows: rows });
  await workspace.upload();
  const x = await embed(runtime, { ids, positions, shape: batch.shape, workspace });
  const mode =
    caches === undefined
      ? hiddenMode(runtime, shared, workspace)
      : cacheMode(runtime, shared, { workspace, caches, past });
  if (between === undefined) return walk(runtime, x, mode);
  return walk(runtime, x, {
    layer: async (layer, input) => {
      const y = await mode.layer(layer, input);
      await between(1);
      return y;
    },
  });
}

/**
 * The last normalization and the head: float32 [..., C] -> [..., V], on the host.
 * @param into receives the logits; default: a new array
 */
export async function headLogits(runtime: Runtime, x: HostTensor, into?: Float32Array): Promise<HostTensor> {
  const { engine, weights, architecture } = runtime;
  // A device holds what it trains: parts of it cannot be cut on the host.
  const isWhole = engine.device !== undefined && weights.adapter?.head !== undefined;
  const head = isWhole ? weights.tableFeed('head') : weights.table('head');
  const [count, V] = [sizeOf(x.shape) / architecture.width, architecture.vocabSize];
  // Rows as a matrix: logits would be copied to be given another shape.
  const rows = engine.device === undefined ? { data: x.data, shape: [count, architecture.width] } : x;
  const shape = [...x.shape.slice(0, -1), V];
  if ('data' in head) {
    const { data } = await someLogits(runtime, rows, { head, ...weights.headFeeds() }, into);
    return { data, shape };
  }
  // A head of 16 bits is restored some rows at a time.
  const data = into ?? new Float32Array(count * V);
  for (let start = 0; start < V; start += TILE) {
    const end = Math.min(V, start + TILE);
    const tile = { data: head.rows(start, end), shape: [end - start, architecture.width] };
    const part = await someLogits(runtime, rows, { head: tile, ...weights.headFeeds(start, end) });
    for (let i = 0; i < count; i++) {
      data.set(part.data.subarray(i * (end - start), (i + 1) * (end - start)), i * V + start);
    }
  }
  return { data, shape };
}

async function someLogits(
  runtime: Runtime,
  x: HostTensor,
  head: Record<string, HostTensor>,
  into?: Float32Array,
): Promise<HostTensor> {
  const feeds = { x, ...runtime.weights.finalNormFeeds(), ...head };
  const options = into === undefined ? {} : { into: { logits: into } };
  return (await run(runtime.engine, headFunction(runtime.architecture), feeds, options)).logits;
}

const headFunction = memoized((architecture: Architecture): TensorFunction => (inputs) => {
  const { y } = architecture.finalNorm(inputs);
  return { logits: headOf(architecture, inputs, y) };
});
