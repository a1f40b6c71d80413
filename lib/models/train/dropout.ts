/**
 * Dropout of one pass: for each site of a layer a mask made on the host when the layer runs, or, on an engine with a
 * device, the key from which the layer draws its mask, so that no mask is transferred.
 */
import { dropoutMask, packedKey } from '../../engine';
import type { DropoutKey } from '../../engine';
import type { HostTensor } from '../../types';
import { HEAD } from '../lora/lora-targets';
import type { Runtime } from '../run/runtime';
import type { Workspace } from '../run/workspace';

/** `step` counts micro-batches over the whole run. */
export type DropoutRequest = Readonly<Pick<DropoutKey, 'seed' | 'step'>>;

/** Layer number of the embeddings' dropout and noise. */
export const EMBEDDING_LAYER = -1;

export interface PassDropout {
  /** Block inputs `dropout.<site>` of a layer; call `done` after use. */
  layer(layer: number): Record<string, HostTensor>;
  /** Releases a layer's masks; they are redrawn when needed again. */
  done(feeds: Readonly<Record<string, HostTensor>>): void;
  /** Input `dropout.lm_head` in front of the head's adapter. @param shape [R, C] */
  head(shape: readonly number[]): Record<string, HostTensor>;
  /** The embeddings' mask of this shape, or its key; undefined without dropout. */
  embedding(form: 'mask' | 'key', shape: readonly number[]): HostTensor | undefined;
}

/**
 * @param given.request absent: no dropout
 * @param given.lastRows rows that the last layer is cut to; absent: none
 */
export function passDropout(
  runtime: Runtime,
  [B, T]: readonly [number, number],
  given: { request: DropoutRequest | undefined; lastRows: number | undefined; workspace: Workspace },
): PassDropout {
  const { request, lastRows, workspace } = given;
  if (request === undefined) {
    return { layer: () => ({}), done: () => {}, head: () => ({}), embedding: () => undefined };
  }
  const { architecture, weights } = runtime;
  const { adapter } = weights;
  const onDevice = workspace.device !== undefined;

  const draw = (
    form: 'mask' | 'key',
    { layer, site, rate, shape }: { layer: number; site: number; rate: number; shape: readonly number[] },
  ): HostTensor => {
    const key = { ...request, layer, site };
    if (form === 'key') return { data: packedKey(key, rate), shape: [2] };
    return { data: dropoutMask(key, workspace.output(shape), rate), shape };
  };
  const ofLayer = (layer: number): Record<string, HostTensor> => {
    const cut = layer === architecture.layers - 1 ? lastRows : undefined;
    const leading = (onRows: boolean): [number, number] => (onRows && cut !== undefined ? [1, cut] : [B, T]);
    const sites = architecture.dropoutSites.map(({ name, rate, onRows, shape }) => ({
      ...{ name, rate },
      shape: shape(...leading(onRows)),
    }));
    for (const { name, onRows, inSize } of adapter?.modulesOf(layer) ?? []) {
      const rate = adapter?.config.loraDropout ?? 0;
      sites.push({ name, rate, shape: [...leading(onRows), inSize] });
    }
    const feeds: Record<string, HostTensor> = {};
    for (const [site, { name, rate, shape }] of sites.entries()) {
      if (rate === 0) continue;
      feeds[`dropout.${name}`] = draw(onDevice ? 'key' : 'mask', { layer, site, rate, shape });
    }
    return feeds;
  };
  const rate = architecture.embeddingDropout;
  const embedding: PassDropout['embedding'] = (form, shape) =>
    rate === 0 ? undefined : draw(form, { layer: EMBEDDING_LAYER, site: 0, rate, shape });
  const head: PassDropout['head'] = (shape) => {
    const headRate = adapter?.head === undefined ? 0 : adapter.config.loraDropout;
    if (headRate === 0) return {};
    const site = { layer: architecture.layers, site: 0, rate: headRate, shape };
    return workspace.pin({ [`dropout.${HEAD}`]: draw(onDevice ? 'key' : 'mask', site) });
  };
  const done: PassDropout['done'] = (feeds) => {
    for (const [name, { data }] of Object.entries(feeds))
      if (name.startsWith('dropout.')) workspace.free(data);
  };
  if (!onDevice) return { layer: ofLayer, done, head, embedding };
  // Small enough to be made together: one transfer, and the same arrays in forward and backward pass.
  const keys = Array.from({ length: architecture.layers }, (_, layer) => workspace.pin(ofLayer(layer)));
  return { layer: (layer) => keys[layer], done: () => {}, head, embedding };
}
