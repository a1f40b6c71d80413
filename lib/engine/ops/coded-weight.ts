/**
 * Weights that are dequantized inside a function: bytes of codes, a table of each byte's values, and a scale per block.
 * For hardware without operators on codes: it gets or holds an eighth of the bytes, and values exist only while in use.
 */
import { tf } from '../graph/tf';
import type { Tensor } from '../graph/tf';

/** A quantized weight as inputs of a function. */
export interface CodedWeight {
  /** uint8 [n] */
  readonly codes: Tensor;
  /** Values of each byte: float32 [256, 2] where a byte holds two codes, [256, 1] where it holds one. */
  readonly table: Tensor;
  /** Scale of each block, float32 [blocks]; whole blocks in row-major order. */
  readonly scales: Tensor;
  /** The code of 0 of each block, float32 [blocks]. */
  readonly zeros?: Tensor;
  /** What is added to each block's values, float32 [blocks]. */
  readonly biases?: Tensor;
}

/** Dequantizes. @returns float32 [outSize, in]. */
export function restoreCoded(weight: CodedWeight, outSize: number): Tensor {
  const { codes, table, scales, zeros, biases } = weight;
  const size = codes.size * (table.shape[1] ?? 1);
  const byBlock = (tensor: Tensor): Tensor => tf.reshape(tensor, [-1, 1]);
  const steps = tf.reshape(tf.gather(table, codes as tf.Tensor1D), [scales.size, size / scales.size]);
  const scaled = tf.mul(zeros === undefined ? steps : tf.sub(steps, byBlock(zeros)), byBlock(scales));
  const values = biases === undefined ? scaled : tf.add(scaled, byBlock(biases));
  return tf.reshape(values, [outSize, size / outSize]);
}
