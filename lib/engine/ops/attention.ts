/**
 * Scaled dot-product attention (Vaswani et al. 2017) with an additive bias, which carries every mask:
 * causal, padding, packed documents, sliding window.
 */
import { tf } from '../tf';
import type { Tensor } from '../tf';

/** What a forbidden position gets: far below any score, and finite, so that a fully masked row stays finite. */
export const MASKED = -1e9;

export interface AttentionInputs {
  /** float32 [B, H, T, D] */
  readonly query: Tensor;
  /** float32 [B, H, S, D] */
  readonly key: Tensor;
  /** float32 [B, H, S, D] */
  readonly value: Tensor;
  /** float32 [B, 1, T, S]: 0 where attending is allowed, MASKED elsewhere. */
  readonly bias: Tensor;
  /** float32 [B, H, T, S]: 0 or 1 / (1 - rate), optional dropout of the attention weights. */
  readonly dropout?: Tensor;
}

/** @returns float32 [B, H, T, D] */
export function attention({ query, key, value, bias, dropout }: AttentionInputs): Tensor {
  const headSize = query.shape[query.shape.length - 1];
  const scores = tf.mul(tf.matMul(query, key, false, true), 1 / Math.sqrt(headSize));
  const weights = tf.softmax(tf.add(scores, bias));
  return tf.matMul(dropout === undefined ? weights : tf.mul(weights, dropout), value);
}

/** [B, T, H * D] -> [B, H, T, D] */
export function splitHeads(x: Tensor, heads: number): Tensor {
  const [B, T, C] = x.shape;
  return tf.transpose(tf.reshape(x, [B, T, heads, C / heads]), [0, 2, 1, 3]);
}

/** [B, H, T, D] -> [B, T, H * D] */
export function mergeHeads(x: Tensor): Tensor {
  const [B, H, T, D] = x.shape;
  return tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [B, T, H * D]);
}
