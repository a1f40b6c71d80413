/**
 * The way through a model without gradients: embeddings, layer after layer, and the head.
 */
import { linear, memoized, signatureOf, TILE } from '../../engine';
import type { TensorFunction } from '../../engine';
import type { HostTensor } from '../../types';
import type { Architecture } from '../families/architecture';
import { attentionBias, positionIds } from './attention-bias';
import type { MaskedBatch } from './attention-bias';
import type { CausalLM, LayerCache } from './causal-lm';
import { sizeOf } from '../../tensor';
import type { Workspace } from './workspace';

/**
 * @returns hidden states after the last block, float32 [B, T, C], left in the room
 */
export async function allLayers(
  model: CausalLM,
  asked: {
    batch: MaskedBatch;
    ids: Int32Array;
    room: Workspace;
    /** Receives each layer's keys and values, left in the room as well. */
    caches?: LayerCache[];
  },
): Promise<HostTensor> {
  const { batch, ids, room, caches } = asked;
  const { architecture } = model;
  const [B, T] = batch.shape;
  const bias = attentionBias(batch, architecture.slidingWindow);
  const positions = positionIds(batch);
  const shared = room.keep({ bias, ...architecture.positionFeeds(positions, batch.shape) });
  await room.send();
  let x = await model.embed(ids, positions, batch.shape, room);
  const cacheShape = [B, architecture.keyValueHeads, T, architecture.headSize];
  for (let layer = 0; layer < architecture.layers; layer++) {
    const into: Record<string, Float32Array> = { y: room.output(x.shape) };
    for (const name of caches === undefined ? [] : ['key', 'value']) into[name] = room.output(cacheShape);
    const fn = caches === undefined ? architecture.trainingBlock : architecture.block;
    const { y, key, value } = await model.runBlock(layer, { x, ...shared }, { fn, into });
    caches?.push({ key, value });
    room.giveBack(x.data);
    x = y;
  }
  return x;
}

/** The last normalization and the head: float32 [..., C] -> [..., V], on the host. */
export async function headLogits(model: CausalLM, x: HostTensor): Promise<HostTensor> {
  const head = model.table(model.architecture.head);
  if ('data' in head) return someLogits(model, x, head);
  // A head of 16 bits is restored some rows at a time.
  const [V, width] = head.shape;
  const count = sizeOf(x.shape) / width;
  const data = new Float32Array(count * V);
  for (let start = 0; start < V; start += TILE) {
    const end = Math.min(V, start + TILE);
    const part = await someLogits(model, x, { data: head.rows(start, end), shape: [end - start, width] });
    for (let i = 0; i < count; i++) {
      data.set(part.data.subarray(i * (end - start), (i + 1) * (end - start)), i * V + start);
    }
  }
  return { data, shape: [...x.shape.slice(0, -1), V] };
}

async function someLogits(model: CausalLM, x: HostTensor, head: HostTensor): Promise<HostTensor> {
  const feeds = { x, ...model.finalNormFeeds(), head };
  const compiled = await model.engine.compile(headFunction(model.architecture), signatureOf(feeds));
  return (await compiled.run(feeds)).logits;
}

const headFunction = memoized((architecture: Architecture): TensorFunction => (inputs) => {
  const { y } = architecture.finalNorm(inputs);
  return { logits: linear(y, inputs.head, undefined, { transposeWeight: true }) };
});
