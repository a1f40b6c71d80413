/**
 * Rows that are wanted of the last layer: only they go through what follows the mixing of tokens.
 */
import { tf } from '../../../engine';
import type { NamedTensors, Tensor } from '../../../engine';

/**
 * The rows of x that a block's input `rows`, int32 [R], names among [B * T]; all of them, as they lie, where it is absent.
 * @param x float32 [B, T, C]
 * @returns float32 [1, R, C], or x
 */
export function chosenRows({ rows }: NamedTensors, x: Tensor): Tensor {
  if (rows === undefined) return x;
  const flat = tf.reshape(x, [-1, x.shape[2] ?? 0]);
  return tf.expandDims(tf.gather(flat, rows as tf.Tensor1D), 0);
}
