/**
 * Embeddings in training whose tables are on a GPU: rows are gathered and gradients accumulated there.
 */
import { dropout, memoized, run, tf } from '../../engine';
import type { NamedTensors, TensorFunction } from '../../engine';
import type { HostTensor } from '../../types';
import type { Runtime } from '../run/runtime';
import { deviceEmbeddingFeeds, deviceEmbeddings } from '../run/embedding';
import type { DeviceEmbeddingInputs } from '../run/embedding';
import type { Gradients } from './gradients';
import type { EmbeddingPass } from './pass-types';

/** Forward and backward pass of the embeddings on the device. */
export function deviceEmbedding(runtime: Runtime, embedded: DeviceEmbeddingInputs): EmbeddingPass {
  const { workspace } = embedded;
  const feeds = deviceEmbeddingFeeds(runtime, embedded);
  const sums = sumFeeds(runtime, embedded);
  return {
    forward: () => deviceEmbeddings(runtime, feeds, workspace),
    backward: (upstream, gradients, accumulate) =>
      addGradients(runtime, gradients, { ...{ upstream, accumulate, mask: feeds.mask }, ...sums }),
  };
}

interface SumFeeds {
  /** Ids that occur, each once, int32 [B * T]; padded with the first. */
  readonly unique: HostTensor;
  /** Index into `unique` of each position's id, int32 [B * T]. */
  readonly slots: HostTensor;
  readonly positions: HostTensor;
}

/**
 * Rows with the same id are summed by a matrix product with zeros and ones, so that the scatter writes each row of the
 * table once: a GPU accumulates several writes to one row in no fixed order, and the same seed would give other bytes.
 */
function sumFeeds(runtime: Runtime, { ids, positions, workspace }: DeviceEmbeddingInputs): SumFeeds {
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
  if (runtime.architecture.positionEmbedding === undefined)
    return { ...workspace.pin(sums), positions: sums.slots };
  return workspace.pin({ ...sums, positions: vector(positions) });
}

async function addGradients(
  runtime: Runtime,
  gradients: Gradients,
  request: SumFeeds & { upstream: HostTensor; accumulate: boolean; mask: HostTensor | undefined },
): Promise<void> {
  const { positionEmbedding, vocabSize, maxPositions, embeddingScale = 1 } = runtime.architecture;
  const table = runtime.weights.trainedTable('embedding');
  const head = runtime.weights.trainedTable('head');
  const { upstream, accumulate, mask, unique, slots, positions } = request;
  const masked: Record<string, HostTensor> = mask === undefined ? { upstream } : { upstream, mask };
  const add = async (fn: TensorFunction, name: string, feeds: Record<string, HostTensor>): Promise<void> => {
    const sum = gradients.byName.get(name);
    if (sum === undefined) return;
    const { shape } = runtime.weights.parameter(name);
    // A tied head has already written the gradient of the whole token table.
    const isThere = accumulate || name === head;
    const all: Record<string, HostTensor> = { ...masked, ...feeds };
    if (isThere) all.sum = { data: sum, shape };
    await run(runtime.engine, fn, all, { into: { sum } });
  };
  if (table !== undefined) await add(tokenGradient(vocabSize)(embeddingScale), table, { unique, slots });
  if (positionEmbedding !== undefined)
    await add(placeGradient(maxPositions), positionEmbedding, { positions });
}

/** Sums of the rows with the same number, [count, C]. */
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

const tokenGradient = memoized((vocabSize: number) =>
  memoized((scale: number): TensorFunction => (inputs) => {
    const { unique, slots, sum } = inputs;
    const rows = summed(slots, slots.size, upstreamRows(inputs));
    const scaled = scale === 1 ? rows : tf.mul(rows, scale);
    return onto(sum, tf.unsortedSegmentSum(scaled, unique as tf.Tensor1D, vocabSize));
  }),
);

const placeGradient = memoized((maxPositions: number): TensorFunction => (inputs) => {
  return onto(inputs.sum, summed(inputs.positions, maxPositions, upstreamRows(inputs)));
});
