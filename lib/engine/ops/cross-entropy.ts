/**
 * Fused linear map to the vocabulary and softmax cross-entropy, tile by tile of the vocabulary, so that neither [R, V]
 * gradients nor a one-hot matrix ever exist (R rows with a label, V vocabulary).
 *
 * Per tile t: S_t = softmax(x W_t^T) within the tile, l_t = log-sum-exp of the tile. With l = logsumexp of all
 * l_t, the softmax over the vocabulary is P_t = S_t exp(l_t - l): a factor per row, applied to the
 * [R, C] sides of the backward pass's two products. The label's -1 is added row by row on the host.
 */
import type { HostTensor } from '../../types';
import type { Engine } from '../contract/engine-types';
import { memoized } from '../contract/functions';
import type { TensorFunction } from '../contract/functions';
import { tf } from '../graph/tf';
import type { NamedTensors, Tensor } from '../graph/tf';
import { capped } from './attention';

/** Rows of the head that are held at a time, at least. */
export const TILE = 2048;
/** At most, in the loss: more would not be faster. */
const MAX_TILE = 8192;
/** Most numbers in a tile of the head, and in its logits: a small product costs little more than its call. */
const [MAX_TILE_WEIGHTS, MAX_TILE_LOGITS] = [6.3e6, 2e6];

/** Rows of the head per tile, a power of two. */
function tileRows(R: number, C: number): number {
  let rows = TILE;
  while (rows < MAX_TILE && 2 * rows * C <= MAX_TILE_WEIGHTS && 2 * rows * R <= MAX_TILE_LOGITS) rows *= 2;
  return rows;
}

/** A matrix [V, C] that is read a few rows at a time, for instance because it is stored in 16 bits. */
export interface RowTable {
  readonly shape: readonly number[];
  /** Rows from `start` up to `end`, float32, row-major; valid until the next call. */
  rows(start: number, end: number): Float32Array;
}

/** Inputs of `linearCrossEntropy`. */
export interface LinearCrossEntropyRequest<Weight extends HostTensor | RowTable = HostTensor> {
  /** Hidden states, float32 [R, C]. */
  readonly x: HostTensor;
  /** Head, float32 [V, C] (the token embedding if tied). */
  readonly weight: Weight;
  /** Token to predict for each row, int32 [R]. */
  readonly labels: Int32Array;
  /** Weight of each row in the loss, float32 [R]; 0 excludes a row. */
  readonly rowWeights: Float32Array;
  /**
   * Label smoothing e in [0, 1), default 0: the target is 1 - e on the label and e spread over the
   * vocabulary (Szegedy et al. 2016), as in transformers' LabelSmoother.
   */
  readonly smoothing?: number;
  /**
   * Logits l become softcap * tanh(l / softcap); default: they stay. Not together with smoothing, whose mean logit is
   * taken before it.
   */
  readonly softcap?: number;
  /**
   * Another loss of the rows' losses, and its gradient: the weight of each row from there on. Default: the sum of the
   * rows' losses by `rowWeights`, of which those that are 0 stay excluded.
   */
  readonly weigh?: (rowLosses: Float64Array) => { readonly loss: number; readonly rowWeights: Float32Array };
  /** The gradients to compute; without it only the loss. */
  readonly gradients?: {
    /** Receives d weight, float32 [V * C]; omit if the head is frozen. */
    readonly weight?: Float32Array;
    /** Add to `weight` instead of overwriting it. */
    readonly accumulate?: boolean;
  };
}

/** Results of `linearCrossEntropy`. */
export interface LinearCrossEntropyResult {
  /** Sum over rows of rowWeight * (logsumexp(logits) - (1 - e) logits[label] - e mean(logits)). */
  readonly loss: number;
  /** d x, float32 [R * C], if gradients were requested. */
  readonly dX?: Float32Array;
}

/** Most memory of the softmaxes that wait for their gradients. */
const SOFTMAX_BYTES = 200e6;

/**
 * The loss, and gradients if requested; with a large vocabulary some rows at a time. Tested against
 * `plainLinearCrossEntropy`.
 * @param softmaxBytes most memory of the softmaxes between the passes
 */
export async function linearCrossEntropy(
  engine: Engine,
  request: LinearCrossEntropyRequest<HostTensor | RowTable>,
  softmaxBytes = SOFTMAX_BYTES,
): Promise<LinearCrossEntropyResult> {
  const { x, weight, gradients, weigh } = request;
  const [R, C] = x.shape;
  const parts = gradients === undefined ? 1 : Math.ceil((4 * R * weight.shape[0]) / softmaxBytes);
  if (gradients === undefined || parts === 1) return atOnce(engine, request);
  let { rowWeights } = request;
  // A loss of all rows' losses comes first; the sum of them does not need it.
  const first =
    weigh &&
    (await atOnce(engine, {
      ...{ ...request, gradients: undefined },
      weigh: (rowLosses) => {
        const weighed = weigh(rowLosses);
        ({ rowWeights } = weighed);
        return weighed;
      },
    }));
  // As rows are counted elsewhere: few sizes to compile for.
  const step = Math.ceil(R / parts / 16) * 16;
  const dX = new Float32Array(R * C);
  let loss = 0;
  for (let row = 0; row < R; row += step) {
    const end = Math.min(R, row + step);
    const data = (x.data as Float32Array).subarray(row * C, end * C);
    const part = await atOnce(engine, {
      ...{ ...request, weigh: undefined, x: { data, shape: [end - row, C] } },
      labels: request.labels.subarray(row, end),
      rowWeights: rowWeights.subarray(row, end),
      gradients: { ...gradients, accumulate: gradients.accumulate === true || row > 0 },
    });
    loss += part.loss;
    if (part.dX !== undefined) dX.set(part.dX, row * C);
  }
  return { loss: first?.loss ?? loss, dX };
}

async function atOnce(
  engine: Engine,
  request: LinearCrossEntropyRequest<HostTensor | RowTable>,
): Promise<LinearCrossEntropyResult> {
  const { x, labels, gradients, smoothing = 0, softcap } = request;
  if (softcap !== undefined && smoothing > 0) throw new Error('internal: a soft cap with label smoothing');
  const weight = rowTable(request.weight);
  const [R, C] = x.shape;
  const [V] = weight.shape;
  const size = tileRows(R, C);
  const tiles = Array.from({ length: Math.ceil(V / size) }, (_, i) => [
    i * size,
    Math.min(V, (i + 1) * size),
  ]);
  const weightTile = (start: number, end: number): HostTensor => ({
    data: weight.rows(start, end),
    shape: [end - start, C],
  });

  const softmaxes: HostTensor[] = [];
  const tileSums: Float32Array[] = [];
  // The mean of the head's rows: its product with x is the mean logit.
  const meanRow = new Float64Array(C);
  for (const [index, [start, end]] of tiles.entries()) {
    const forward = await engine.compile(
      gradients ? tileForward(softcap ?? 0) : tileForwardSums(softcap ?? 0),
      {
        x: { shape: [R, C], dtype: 'float32' },
        weight: { shape: [end - start, C], dtype: 'float32' },
      },
    );
    const into: Record<string, Float32Array> = {};
    if (gradients) into.softmax = softmaxBuffer(engine, index, R * (end - start));
    const tile = weightTile(start, end);
    const { softmax, logSum } = await forward.run({ x, weight: tile }, { into });
    if (smoothing > 0) addRows(meanRow, tile.data as Float32Array, 1 / V);
    if (gradients) softmaxes.push(softmax);
    tileSums.push(logSum.data as Float32Array);
  }

  const logSums = logSumExp(tileSums, R);
  // What a label's logit passes on of its gradient.
  const slopes = new Float64Array(R).fill(1);
  const rowLosses = new Float64Array(R);
  for (let row = 0; row < R; row++) {
    if (request.rowWeights[row] === 0) continue;
    const logit = rowDot(x, row, weight.rows(labels[row], labels[row] + 1));
    const chosen = softcap === undefined ? logit : softcap * Math.tanh(logit / softcap);
    if (softcap !== undefined) slopes[row] = 1 - (chosen / softcap) ** 2;
    const mean = smoothing > 0 ? rowDot(x, row, meanRow) : 0;
    rowLosses[row] = logSums[row] - (1 - smoothing) * chosen - smoothing * mean;
  }
  const { loss, rowWeights } = (request.weigh ?? weightedSum(request.rowWeights))(rowLosses);
  if (gradients === undefined) return { loss };

  let dX: Float32Array = new Float32Array(R * C);
  for (const [index, [start, end]] of tiles.entries()) {
    const scale = new Float32Array(R);
    for (let row = 0; row < R; row++)
      scale[row] = rowWeights[row] * Math.exp(tileSums[index][row] - logSums[row]);
    const into = gradients.weight?.subarray(start * C, end * C);
    const signature = {
      softmax: { shape: [R, end - start], dtype: 'float32' as const },
      weight: { shape: [end - start, C], dtype: 'float32' as const },
      x: { shape: [R, C], dtype: 'float32' as const },
      scale: { shape: [R, 1], dtype: 'float32' as const },
      dX: { shape: [R, C], dtype: 'float32' as const },
    };
    const feeds = {
      softmax: softmaxes[index],
      weight: weightTile(start, end),
      x,
      scale: { data: scale, shape: [R, 1] },
      dX: { data: dX, shape: [R, C] },
    };
    if (into === undefined) {
      const backward = await engine.compile(tileBackwardFrozen, signature);
      dX = (await backward.run(feeds, { into: { dX } })).dX.data as Float32Array;
    } else if (gradients.accumulate) {
      const dWeight = { shape: [end - start, C], dtype: 'float32' as const };
      const backward = await engine.compile(tileBackwardAccumulate, { ...signature, dWeight });
      await backward.run(
        { ...feeds, dWeight: { data: into, shape: dWeight.shape } },
        { into: { dX, dWeight: into } },
      );
    } else {
      const backward = await engine.compile(tileBackward, signature);
      await backward.run(feeds, { into: { dX, dWeight: into } });
    }
  }
  for (let row = 0; row < R; row++) {
    const share = rowWeights[row] * (1 - smoothing) * slopes[row];
    const spread = rowWeights[row] * smoothing;
    if (rowWeights[row] === 0) continue;
    const [from, to] = [row * C, labels[row] * C];
    const head = weight.rows(labels[row], labels[row] + 1);
    for (let c = 0; c < C; c++) {
      dX[from + c] -= share * head[c] + spread * meanRow[c];
      if (gradients.weight) gradients.weight[to + c] -= share * x.data[from + c];
    }
  }
  if (smoothing > 0 && gradients.weight) spreadOverRows(gradients.weight, { x, rowWeights }, smoothing / V);
  return { loss, dX };
}

/** The default loss: rows by their weights. */
function weightedSum(rowWeights: Float32Array): NonNullable<LinearCrossEntropyRequest['weigh']> {
  return (rowLosses) => ({
    loss: rowLosses.reduce((sum, loss, row) => sum + rowWeights[row] * loss, 0),
    rowWeights,
  });
}

/** The softmax of each tile, reused between steps: allocating it costs more than computing it. */
const softmaxBuffers = new WeakMap<Engine, Float32Array[]>();

function softmaxBuffer(engine: Engine, tile: number, length: number): Float32Array {
  const buffers = softmaxBuffers.get(engine) ?? [];
  softmaxBuffers.set(engine, buffers);
  if (buffers[tile] === undefined || buffers[tile].length < length) buffers[tile] = new Float32Array(length);
  return buffers[tile].subarray(0, length);
}

/** Adds `factor` times every row of `rows` to `sum`. */
function addRows(sum: Float64Array, rows: Float32Array, factor: number): void {
  const C = sum.length;
  for (let start = 0; start < rows.length; start += C) {
    for (let c = 0; c < C; c++) sum[c] += factor * rows[start + c];
  }
}

/** Subtracts the smoothing's part from every row of the head's gradient: `share` of the weighted sum of x. */
function spreadOverRows(
  dWeight: Float32Array,
  { x, rowWeights }: Pick<LinearCrossEntropyRequest, 'x' | 'rowWeights'>,
  share: number,
): void {
  const C = x.shape[1];
  const sum = new Float64Array(C);
  rowWeights.forEach((rowWeight, row) =>
    addRows(sum, (x.data as Float32Array).subarray(row * C, (row + 1) * C), rowWeight * share),
  );
  for (let start = 0; start < dWeight.length; start += C) {
    for (let c = 0; c < C; c++) dWeight[start + c] -= sum[c];
  }
}

/**
 * The reference: the same loss as one TensorFlow.js expression.
 *
 * @param x float32 [R, C].
 * @param weight float32 [V, C].
 * @param labels int32 [R].
 * @param rowWeights float32 [R].
 * @param smoothing As in the request.
 */
export function plainLinearCrossEntropy(
  x: Tensor,
  weight: Tensor,
  labels: Tensor,
  rowWeights: Tensor,
  smoothing = 0,
): Tensor {
  const logProbabilities = tf.logSoftmax(tf.matMul(x as tf.Tensor2D, weight as tf.Tensor2D, false, true));
  const chosen = tf.cast(tf.oneHot(tf.cast(labels, 'int32') as tf.Tensor1D, weight.shape[0]), 'float32');
  const target = tf.add(tf.mul(chosen, 1 - smoothing), smoothing / weight.shape[0]);
  return tf.neg(tf.sum(tf.mul(rowWeights, tf.sum(tf.mul(logProbabilities, target), -1))));
}

/**
 * A tile's softmax, times the slope of the soft cap where there is one (0: none): what its logits' gradient is made of.
 */
const tileForward = memoized((softcap: number): TensorFunction => ({ x, weight }) => {
  const product = tf.matMul(x as tf.Tensor2D, weight as tf.Tensor2D, false, true);
  const logits = capped(product, softcap === 0 ? undefined : softcap);
  const softmax = tf.softmax(logits);
  // The largest probability is exp(max - logsumexp): exact, and two fast reductions instead of a sum of exp.
  const logSum = tf.sub(tf.max(logits, -1), tf.log(tf.max(softmax, -1)));
  if (softcap === 0) return { softmax, logSum };
  return { softmax: tf.mul(softmax, tf.sub(1, tf.square(tf.div(logits, softcap)))), logSum };
});

const tileForwardSums = memoized((softcap: number): TensorFunction => (inputs) => {
  const { softmax, logSum } = tileForward(softcap)(inputs);
  softmax.dispose();
  return { logSum };
});

function inputGradient({ softmax, weight, scale, dX }: NamedTensors): Tensor {
  return tf.add(dX, tf.mul(tf.matMul(softmax as tf.Tensor2D, weight as tf.Tensor2D), scale));
}

function weightGradient({ softmax, x, scale }: NamedTensors): Tensor {
  return tf.matMul(softmax as tf.Tensor2D, tf.mul(x, scale) as tf.Tensor2D, true);
}

function tileBackward(inputs: NamedTensors): NamedTensors {
  return { dX: inputGradient(inputs), dWeight: weightGradient(inputs) };
}

function tileBackwardAccumulate(inputs: NamedTensors): NamedTensors {
  return { dX: inputGradient(inputs), dWeight: tf.add(inputs.dWeight, weightGradient(inputs)) };
}

function tileBackwardFrozen(inputs: NamedTensors): NamedTensors {
  return { dX: inputGradient(inputs) };
}

/** Log-sum-exp over tiles, per row, in double precision. */
function logSumExp(tileSums: readonly Float32Array[], rows: number): Float64Array {
  const total = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    let max = -Infinity;
    for (const sums of tileSums) max = Math.max(max, sums[row]);
    let sum = 0;
    for (const sums of tileSums) sum += Math.exp(sums[row] - max);
    total[row] = max + Math.log(sum);
  }
  return total;
}

function rowDot(x: HostTensor, row: number, head: Float32Array | Float64Array): number {
  let sum = 0;
  for (let c = 0; c < head.length; c++) sum += x.data[row * head.length + c] * head[c];
  return sum;
}

/** A matrix as a `RowTable`. */
export function rowTable(weight: HostTensor | RowTable): RowTable {
  if ('rows' in weight) return weight;
  const { data, shape } = weight;
  const width = shape[1];
  return { shape, rows: (start, end) => (data as Float32Array).subarray(start * width, end * width) };
}
