/**
 * The additive attention bias and the positions of a batch, made on the host: one small array carries the
 * causal mask, padding, packed documents and a sliding window, so blocks know nothing of any of them.
 */
import { MASKED } from '../../engine';
import type { HostTensor } from '../../types';

export interface MaskedBatch {
  readonly shape: readonly [number, number];
  /** 1 where a token is real, [B, T]; absent: all are. */
  readonly attentionMask?: ArrayLike<number>;
  /** Document number of each token, [B, T]; tokens see only their own document. */
  readonly segmentIds?: ArrayLike<number>;
  /** Real tokens before these in each row, of the same document; default 0. */
  readonly past?: number;
}

/**
 * The causal mask of a batch as a bias on attention scores, within documents and windows.
 * @returns float32 [B, 1, T, P + T] with P tokens before: 0 where row i may attend to column j, MASKED elsewhere.
 */
export function attentionBias(batch: MaskedBatch, slidingWindow = Infinity): HostTensor {
  const [B, T] = batch.shape;
  const { attentionMask: mask, segmentIds: segments, past = 0 } = batch;
  const width = past + T;
  const data = new Float32Array(B * T * width).fill(MASKED);
  for (let b = 0; b < B; b++) {
    for (let i = 0; i < T; i++) {
      const start = (b * T + i) * width;
      const first = Math.max(0, past + i - slidingWindow + 1);
      data.fill(0, start + first, Math.max(start + first, start + past));
      for (let j = Math.max(0, first - past); j <= i; j++) {
        if (mask !== undefined && mask[b * T + j] === 0) continue;
        if (segments !== undefined && segments[b * T + j] !== segments[b * T + i]) continue;
        data[start + past + j] = 0;
      }
    }
  }
  return { data, shape: [B, 1, T, width] };
}

/**
 * Position of each token: counted from the first real token of its row, and from the start of each document
 * where documents are packed, after what is past. Row-major [B, T].
 */
export function positionIds(batch: MaskedBatch): Int32Array {
  const [B, T] = batch.shape;
  const positions = new Int32Array(B * T);
  for (let b = 0; b < B; b++) {
    let start = 0;
    while (start < T - 1 && batch.attentionMask !== undefined && batch.attentionMask[b * T + start] === 0)
      start++;
    for (let t = 0; t < T; t++) {
      const at = b * T + t;
      if (batch.segmentIds !== undefined && t > 0 && batch.segmentIds[at] !== batch.segmentIds[at - 1])
        start = t;
      positions[at] = Math.max(0, t - start) + (batch.past ?? 0);
    }
  }
  return positions;
}

/**
 * Tokens of each token's context: its document's last position and one, as far as there are real tokens. Row-major
 * [B, T].
 */
export function contextLengths(batch: MaskedBatch, positions: Int32Array): Int32Array {
  const [B, T] = batch.shape;
  const lengths = new Int32Array(B * T);
  for (let b = 0; b < B; b++) {
    let length = 0;
    for (let at = (b + 1) * T - 1; at >= b * T; at--) {
      const isLast = at === (b + 1) * T - 1 || batch.segmentIds?.[at] !== batch.segmentIds?.[at + 1];
      if (isLast) length = 0;
      if (batch.attentionMask?.[at] !== 0) length = Math.max(length, positions[at] + 1);
      lengths[at] = length;
    }
  }
  return lengths;
}
