/** Heads that config.json ties to the embedding although the checkpoint has other values for them. */
import type { Checkpoint } from '../checkpoint';
import { architectureOf, isTied } from '../models';
import { sizeOf } from '../tensor';

const HEAD = 'lm_head.weight';
/** Values compared at a time. */
const PIECE = 1 << 20;

/**
 * The configuration, untied if the checkpoint's head differs from the embedding, as in transformers; a warning says
 * so.
 */
export async function untiedWhereHeadDiffers(
  config: Readonly<Record<string, unknown>>,
  checkpoint: Checkpoint,
): Promise<Record<string, unknown>> {
  const architecture = architectureOf({ ...config });
  const { tokenEmbedding, prefix } = architecture;
  if (!isTied(architecture) || !checkpoint.has(HEAD)) return { ...config };
  const embedding = [prefix + tokenEmbedding, tokenEmbedding].find((name) => checkpoint.has(name));
  if (embedding === undefined || (await isSame(checkpoint, HEAD, embedding))) return { ...config };
  console.warn(
    `${checkpoint.folder}: config.json ties the head to the embedding, but ${HEAD} has other values: it is used as it is. ` +
      'Set tie_word_embeddings to false there.',
  );
  return { ...config, tie_word_embeddings: false };
}

async function isSame(checkpoint: Checkpoint, a: string, b: string): Promise<boolean> {
  const size = sizeOf(checkpoint.info(a).shape);
  if (size !== sizeOf(checkpoint.info(b).shape)) return false;
  for (let start = 0; start < size; start += PIECE) {
    const range = { start, count: Math.min(PIECE, size - start) };
    const [one, other] = [await checkpoint.read(a, range), await checkpoint.read(b, range)];
    if (one.some((value, i) => value !== other[i])) return false;
  }
  return true;
}
