/**
 * The Universal Sentence Encoder lite (Cer et al. 2018) as a function: token embeddings with sinusoidal positions, two
 * transformer layers with normalization before each block, the mean over tokens, a tanh layer. Reproduces the published
 * graph.
 */
import { attention, layerNorm, linear, MASKED, mergeHeads, splitHeads, tf } from '../../engine';
import type { Feeds, TensorFunction } from '../../engine';
import type { HostTensor } from '../../types';

/** Most tokens; the rest is ignored. */
export const MAX_TOKENS = 128;
/** Numbers per embedding. */
export const WIDTH = 512;
const HEADS = 4;
const LAYERS = 2;
const EPSILON = 1e-6;

/** Weights by name, in float32. */
export type UseLiteWeights = Readonly<Record<string, HostTensor>>;

/** Weights used on the host only: the embedding table, and the frequencies of the positions. */
const HOST_ONLY = ['embeddings.weight', 'timing.frequencies'];

/**
 * x: embedded tokens [B, T, C]; bias [B, 1, 1, T]: MASKED for padding; share [B, T, 1]: each token's part of the mean,
 * 0 for padding. Gives embeddings [B, WIDTH] of length 1.
 */
export const useLite: TensorFunction = ({ x, bias, share, ...weights }) => {
  const dense = (input: tf.Tensor, name: string): tf.Tensor =>
    linear(input, weights[`${name}.weight`], weights[`${name}.bias`]);
  const normed = (input: tf.Tensor, name: string): tf.Tensor =>
    layerNorm(input, weights[`${name}.norm.weight`], weights[`${name}.norm.bias`], EPSILON);
  let hidden = x;
  for (let layer = 0; layer < LAYERS; layer++) {
    const at = `layer.${layer}`;
    const [query, key, value] = tf
      .split(dense(normed(hidden, `${at}.attention`), `${at}.attention.qkv`), 3, -1)
      .map((part) => splitHeads(part, HEADS));
    const attended = dense(mergeHeads(attention({ query, key, value, bias })), `${at}.attention.out`);
    // The first layer widens the residual.
    const residual = layer === 0 ? dense(hidden, `${at}.residual`) : hidden;
    hidden = tf.add(attended, residual);
    const fed = tf.relu(dense(normed(hidden, `${at}.feed`), `${at}.feed.in`));
    hidden = tf.add(dense(fed, `${at}.feed.out`), hidden);
  }
  const y = tf.tanh(dense(tf.sum(tf.mul(hidden, share), 1), 'head'));
  return { y: tf.mul(y, tf.rsqrt(tf.sum(tf.square(y), -1, true))) };
};

/** The inputs of `useLite` for rows of token ids, padded to [B, T]. */
export function useLiteFeeds(
  rows: readonly (readonly number[])[],
  { weights, shape: [B, T] }: { readonly weights: UseLiteWeights; readonly shape: readonly [number, number] },
): Feeds {
  const table = weights['embeddings.weight'];
  const frequencies = weights['timing.frequencies'].data;
  const C = table.shape[1];
  const x = new Float32Array(B * T * C);
  const bias = new Float32Array(B * T).fill(MASKED);
  const share = new Float32Array(B * T);
  rows.forEach((row, b) => {
    const ids = row.slice(0, T);
    ids.forEach((id, t) => {
      const at = b * T + t;
      share[at] = 1 / ids.length;
      bias[at] = 0;
      for (let c = 0; c < C; c++) {
        const angle = Math.fround(t * frequencies[c % frequencies.length]);
        const position = c < frequencies.length ? Math.sin(angle) : Math.cos(angle);
        x[at * C + c] = 2 * table.data[id * C + c] + position; // the graph adds embeddings twice
      }
    });
  });
  const fed = Object.entries(weights).filter(([name]) => !HOST_ONLY.includes(name));
  return {
    x: { data: x, shape: [B, T, C] },
    bias: { data: bias, shape: [B, 1, 1, T] },
    share: { data: share, shape: [B, T, 1] },
    ...Object.fromEntries(fed),
  };
}
