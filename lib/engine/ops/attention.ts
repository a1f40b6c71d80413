/**
 * Scaled dot-product attention (Vaswani et al. 2017) with an additive bias for every mask: causal, padding, packed
 * documents, sliding window.
 */
import { tf } from '../graph/tf';
import type { Tensor } from '../graph/tf';
import { dropout } from './dropout';

/** Bias of a masked position: far below any score, and finite, so that a fully masked row stays finite. */
export const MASKED = -1e9;

/** Inputs of `attention`. */
export interface AttentionInputs {
  /** float32 [B, H, T, D] */
  readonly query: Tensor;
  /** float32 [B, KV, S, D]; each KV head serves H / KV adjacent query heads. */
  readonly key: Tensor;
  /** float32 [B, KV, S, D] */
  readonly value: Tensor;
  /** float32 [B, 1, T, P + S]: 0 where a token may attend, MASKED elsewhere. */
  readonly bias: Tensor;
  /** Dropout mask of the attention weights, float32 [B, H, T, P + S], or its key. */
  readonly mask?: Tensor;
  /** Cached keys and values of earlier tokens, float32 [B, KV, P, D]. */
  readonly pastKey?: Tensor;
  readonly pastValue?: Tensor;
  /** Factor on the scores; default 1 / sqrt(D). */
  readonly scale?: number;
  /** Scores s become softcap * tanh(s / softcap); default: they stay. */
  readonly softcap?: number;
}

type KeysAndValues = Pick<AttentionInputs, 'key' | 'value' | 'pastKey' | 'pastValue'>;

/** Attends. @returns float32 [B, H, T, D]. */
export function attention(inputs: AttentionInputs): Tensor {
  const { bias, mask, softcap } = inputs;
  const [B, H, T, D] = inputs.query.shape;
  const scale = inputs.scale ?? 1 / Math.sqrt(D);
  const KV = inputs.key.shape[1] ?? H;
  const S = bias.shape[bias.shape.length - 1];
  const { key, value, pastKey, pastValue }: KeysAndValues = (H / KV) * T > D ? withPast(inputs) : inputs;
  // Query heads that share a key are stacked, so that grouped queries (Ainslie et al. 2023) copy no keys.
  const query = tf.reshape(inputs.query, [B, KV, (H / KV) * T, D]);
  const scores = tf.matMul(query, key, false, true);
  // Few tokens: scores and results are concatenated, not the cache, which would be copied at each step.
  const all =
    pastKey === undefined ? scores : tf.concat([tf.matMul(query, pastKey, false, true), scores], -1);
  const perHead = tf.reshape(capped(tf.mul(all, scale), softcap), [B, H, T, S]);
  const softened = tf.softmax(tf.add(perHead, bias));
  const weights = tf.reshape(dropout(softened, mask), [B, KV, (H / KV) * T, S]);
  const joined = (): Tensor => {
    if (pastKey === undefined || pastValue === undefined) return tf.matMul(weights, value);
    const [past, own] = tf.split(weights, [pastKey.shape[2] ?? 0, key.shape[2] ?? 0], -1);
    return tf.add(tf.matMul(past, pastValue), tf.matMul(own, value));
  };
  return tf.reshape(joined(), [B, H, T, D]);
}

/** The cache in front of the keys and values of many tokens, whose scores would be more to copy. */
function withPast({ key, value, pastKey, pastValue }: AttentionInputs): KeysAndValues {
  if (pastKey === undefined || pastValue === undefined) return { key, value };
  return { key: tf.concat([pastKey, key], 2), value: tf.concat([pastValue, value], 2) };
}

/** Keeps values within a limit, smoothly: limit * tanh(x / limit); without one they stay. */
export function capped(x: Tensor, limit: number | undefined): Tensor {
  return limit === undefined ? x : tf.mul(tf.tanh(tf.div(x, limit)), limit);
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
