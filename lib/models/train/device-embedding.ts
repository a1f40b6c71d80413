/**
 * Embeddings where a GPU keeps their tables: rows are gathered there, and gradients added there. The tables' host
 * arrays are behind during a run; elsewhere, and for tables of 16 bits without a copy there, `CausalLM.embed` and
 * `training-embedding.ts` read and write the host's.
 */
import { dropout, memoized, signatureOf, tf } from '../../engine';
import type { NamedTensors, TensorFunction } from '../../engine';
import type { HostTensor } from '../../types';
import type { CausalLM } from '../run/causal-lm';
import { tableOnDevice } from './device-head';
import type { Gradients } from './gradients';
import type { EmbeddingPass } from './embedding';
import type { Workspace } from '../run/workspace';

interface Embedded {
  /** Token ids and their positions, int32 [B * T]. */
  readonly ids: Int32Array;
  readonly positions: Int32Array;
  /** [B, T] */
  readonly shape: readonly [number, number];
  /** Key of the dropout mask, int32 [2]. */
  readonly mask?: HostTensor;
  /** float32 [B, T, C] */
  readonly noise?: HostTensor;
  readonly room: Workspace;
}

/** Rows of the tables, float32 [B, T, C], on the device. */
export async function deviceEmbed(model: CausalLM, embedded: Embedded): Promise<HostTensor> {
  return run(model, feedsOf(model, embedded), embedded.room);
}

/** The embeddings' way forward and back on the device. */
export function deviceEmbedding(model: CausalLM, embedded: Embedded): EmbeddingPass {
  const { room } = embedded;
  const feeds = feedsOf(model, embedded);
  const sums = sumFeeds(model, embedded);
  return {
    forward: () => run(model, feeds, room),
    backward: (upstream, gradients, accumulate) =>
      addGradients(model, gradients, { ...{ upstream, accumulate, mask: feeds.mask }, ...sums }),
  };
}

function feedsOf(model: CausalLM, embedded: Embedded): Record<string, HostTensor> {
  const { ids, positions, shape, mask, noise, room } = embedded;
  const { tokenEmbedding, positionEmbedding } = model.architecture;
  const written: Record<string, HostTensor> = { ids: { data: ids, shape } };
  if (positionEmbedding !== undefined) written.positions = { data: positions, shape };
  if (mask !== undefined) written.mask = mask;
  if (noise !== undefined) written.noise = noise;
  const feeds: Record<string, HostTensor> = {
    tokens: tableOnDevice(model, tokenEmbedding),
    ...room.keep(written),
  };
  if (positionEmbedding !== undefined) feeds.places = model.feed(positionEmbedding);
  return feeds;
}

async function run(model: CausalLM, feeds: Record<string, HostTensor>, room: Workspace): Promise<HostTensor> {
  const compiled = await model.engine.compile(embedding, signatureOf(feeds));
  const shape = [...feeds.ids.shape, model.architecture.width];
  return (await compiled.run(feeds, { into: { x: room.output(shape) } })).x;
}

function embedding({ tokens, places, ids, positions, noise, mask }: NamedTensors): NamedTensors {
  const rows = tf.gather(tokens, ids as tf.Tensor2D); // [B, T, C]
  const placed = places === undefined ? rows : tf.add(rows, tf.gather(places, positions as tf.Tensor2D));
  return { x: dropout(noise === undefined ? placed : tf.add(placed, noise), mask) };
}

interface SumFeeds {
  /** Ids that occur, each once, int32 [B * T]; what is left is filled with the first. */
  readonly unique: HostTensor;
  /** Where in `unique` each position's id is, int32 [B * T]. */
  readonly slots: HostTensor;
  readonly positions: HostTensor;
}

/**
 * Rows with the same id are added up by a product with zeros and ones, so that scattering meets each row of the table
 * once: where several writers add to one row, a GPU adds in an order of its own, and the same seed would not give the
 * same bytes.
 */
function sumFeeds(model: CausalLM, { ids, positions, room }: Embedded): SumFeeds {
  const slotOf = new Map<number, number>();
  const slots = Int32Array.from(ids, (id) => {
    const slot = slotOf.get(id) ?? slotOf.size;
    slotOf.set(id, slot);
    return slot;
  });
  const unique = new Int32Array(ids.length).fill(ids[0]);
  unique.set([...slotOf.keys()]);
  const vector = (data: Int32Array): HostTensor => ({ data, shape: [data.length] });
  const sums = { unique: vector(unique), slots: vector(slots) };
  if (model.architecture.positionEmbedding === undefined)
    return { ...room.keep(sums), positions: sums.slots };
  return room.keep({ ...sums, positions: vector(positions) });
}

async function addGradients(
  model: CausalLM,
  gradients: Gradients,
  asked: SumFeeds & { upstream: HostTensor; accumulate: boolean; mask: HostTensor | undefined },
): Promise<void> {
  const { tokenEmbedding, positionEmbedding, head, vocabSize, maxPositions } = model.architecture;
  const { upstream, accumulate, mask, unique, slots, positions } = asked;
  const masked: Record<string, HostTensor> = mask === undefined ? { upstream } : { upstream, mask };
  const add = async (fn: TensorFunction, name: string, feeds: Record<string, HostTensor>): Promise<void> => {
    const sum = gradients.byName.get(name);
    if (sum === undefined) return;
    const { shape } = model.parameter(name);
    // A tied head has written the whole token table already.
    const isThere = accumulate || name === head;
    const all: Record<string, HostTensor> = { ...masked, ...feeds };
    if (isThere) all.sum = { data: sum, shape };
    const compiled = await model.engine.compile(fn, signatureOf(all));
    await compiled.run(all, { into: { sum } });
  };
  await add(tokenGradient(vocabSize), tokenEmbedding, { unique, slots });
  if (positionEmbedding !== undefined)
    await add(placeGradient(maxPositions), positionEmbedding, { positions });
}

/** Sums of the rows that have the same number, [count, C]. */
function summed(numbers: tf.Tensor, count: number, rows: tf.Tensor2D): tf.Tensor2D {
  const column = tf.reshape(tf.range(0, count, 1, 'int32'), [count, 1]);
  return tf.matMul(tf.cast(tf.equal(column, tf.reshape(numbers, [1, -1])), 'float32'), rows);
}

function upstreamRows({ upstream, mask }: NamedTensors): tf.Tensor2D {
  return tf.reshape(dropout(upstream, mask), [-1, upstream.shape[upstream.shape.length - 1]]);
}

const onto = (sum: tf.Tensor | undefined, added: tf.Tensor): NamedTensors => ({
  sum: sum === undefined ? added : tf.add(sum, added),
});

const tokenGradient = memoized((vocabSize: number): TensorFunction => (inputs) => {
  const { unique, slots, sum } = inputs;
  const rows = summed(slots, slots.size, upstreamRows(inputs));
  return onto(sum, tf.unsortedSegmentSum(rows, unique as tf.Tensor1D, vocabSize));
});

const placeGradient = memoized((maxPositions: number): TensorFunction => (inputs) => {
  return onto(inputs.sum, summed(inputs.positions, maxPositions, upstreamRows(inputs)));
});
