/**
 * Losses as functions: what training minimizes instead of the next token's cross-entropy.
 */
import { tf } from '../../engine';
import type { NamedTensors, Tensor } from '../../engine';
import type { Batch, HostTensor } from '../../types';

/**
 * A loss in TensorFlow.js on the logits of the positions that predict a label; it is compiled with the head and
 * differentiated. R is the padded number of rows: padding has weight 0.
 *
 * Losses of whole sequences' log-probabilities, such as DPO's, need no logits: see `SequenceLoss`.
 * @example
 * ```ts
 * import { tf } from 'tunebook';
 * import type { LossFunction } from 'tunebook';
 *
 * // Focal loss (Lin et al. 2017): rows that are already right count less.
 * const focal: LossFunction = {
 *   name: 'focal',
 *   value: ({ logits, labels, rowWeights }) => {
 *     const isLabel = tf.cast(tf.equal(tf.range(0, logits.shape[1] ?? 0, 1, 'int32'), labels), 'float32');
 *     const logProbability = tf.sub(tf.sum(tf.mul(logits, isLabel), -1), tf.logSumExp(logits, -1));
 *     const focus = tf.square(tf.sub(1, tf.exp(logProbability)));
 *     return tf.neg(tf.sum(tf.mul(rowWeights, tf.mul(focus, logProbability))));
 *   },
 * };
 * ```
 */
export interface LossFunction {
  /** Named in errors; a resumed run must have the same. */
  readonly name: string;
  /**
   * The loss, a scalar. Inputs: logits float32 [R, V]; labels int32 [R, 1]; rowWeights float32 [R], the loss's scale
   * (1 / labelled tokens of the step) on real rows and 0 on padding; sequences int32 [R], the index of each row's
   * sequence in the batch; smoothing float32 [], `labelSmoothingFactor`; and those of `arrays`.
   */
  readonly value: (inputs: NamedTensors) => Tensor;
  /** Further inputs, made from each batch; few shapes, since each set of shapes is compiled. */
  readonly arrays?: (batch: Batch) => Readonly<Record<string, HostTensor>>;
}

/** The default: cross-entropy of the next token, with label smoothing. */
export const CROSS_ENTROPY: LossFunction = {
  name: 'cross_entropy',
  value: (inputs) => tf.sum(tf.mul(inputs.rowWeights, rowLosses(inputs))),
};

/** The cross-entropy of each row, [R]: what a loss of tokens is made of on the host. */
export const ROW_LOSSES: LossFunction = { name: 'row_losses', value: rowLosses };

function rowLosses({ logits, labels, smoothing }: NamedTensors): Tensor {
  const V = logits.shape[logits.shape.length - 1] ?? 0;
  const logProbabilities = tf.sub(logits, tf.logSumExp(logits, -1, true));
  // A comparison instead of a gather, whose gradient would be another [R, V] table.
  const isLabel = tf.cast(tf.equal(tf.range(0, V, 1, 'int32'), labels), 'float32');
  const target = tf.add(tf.mul(isLabel, tf.sub(1, smoothing)), tf.div(smoothing, V));
  return tf.neg(tf.sum(tf.mul(logProbabilities, target), -1));
}
