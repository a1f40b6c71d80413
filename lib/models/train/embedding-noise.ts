/**
 * NEFTune (Jain et al. 2023): uniform noise on the token embeddings in training, at most alpha / sqrt(L d), where L is
 * the length of the sequence and d the model's width.
 */
import { uniformNoise } from '../../engine';
import type { Batch } from '../../types';

export interface EmbeddingNoise {
  readonly alpha: number;
  readonly seed: number;
  /** Counts micro-batches over the whole run. */
  readonly step: number;
}

/** A random stream apart from the embeddings' dropout (site 0 of the same layer). */
const SITE = 1;

/**
 * @param width the model's width, C
 * @returns noise to add to the embeddings, float32 [B * T * C]; L counts the real tokens of a row, or of a document
 * where documents are packed, so that padding and packing change nothing; padding gets none
 */
export function embeddingNoise(
  batch: Batch,
  width: number,
  { alpha, seed, step }: EmbeddingNoise,
): Float32Array {
  const lengths = documentLengths(batch);
  const noise = uniformNoise({ seed, step, layer: -1, site: SITE }, lengths.length * width);
  for (const [token, length] of lengths.entries()) {
    const largest = length === 0 ? 0 : alpha / Math.sqrt(length * width);
    for (let i = token * width; i < (token + 1) * width; i++) noise[i] *= largest;
  }
  return noise;
}

/** Length of each token's document; 0 for padding. */
function documentLengths({ shape: [B, T], attentionMask, segmentIds }: Batch): Int32Array {
  const lengths = new Int32Array(B * T);
  for (let b = 0; b < B; b++) {
    const counts = new Map<number, number>();
    const documentOf = (token: number): number => segmentIds?.[token] ?? 0;
    const real = Array.from({ length: T }, (_, t) => b * T + t).filter((token) => attentionMask[token] === 1);
    for (const token of real) counts.set(documentOf(token), (counts.get(documentOf(token)) ?? 0) + 1);
    for (const token of real) lengths[token] = counts.get(documentOf(token)) ?? 0;
  }
  return lengths;
}
