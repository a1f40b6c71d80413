/**
 * Weights that are restored inside a function: bytes of codes, a table of what each byte stands for, and a scale per
 * block. How quantized weights reach hardware that does not read codes itself: an eighth of the bytes travels or
 * stays there, and the values exist while they are used.
 */
import { tf } from '../graph/tf';
import type { Tensor } from '../graph/tf';

export interface CodedWeight {
  /** uint8 [n] */
  readonly codes: Tensor;
  /** Values of each byte: float32 [256, 2] where a byte holds two codes, [256, 1] where it holds one. */
  readonly table: Tensor;
  /** Factor of each block, float32 [blocks]; blocks are whole and follow each other in row-major order. */
  readonly scales: Tensor;
}

/** @returns float32 [outSize, in] */
export function restoreCoded({ codes, table, scales }: CodedWeight, outSize: number): Tensor {
  const size = codes.size * (table.shape[1] ?? 1);
  const values = tf.reshape(tf.gather(table, codes as tf.Tensor1D), [scales.size, size / scales.size]);
  return tf.reshape(tf.mul(values, tf.reshape(scales, [-1, 1])), [outSize, size / outSize]);
}
