/**
 * From examples to a padded batch. A compiled step is compiled per shape, so batches are padded to a few
 * bucket lengths: little padding, and few shapes.
 */
import { requireOptions } from '../options';
import { IGNORED, kindOf, requireList, requireObject, TunebookError } from '../types';
import type { Batch, EncodedExample } from '../types';
import type { CollatorOptions, DataCollator } from './types';

/** No document: padding. */
const NO_SEGMENT = -1;

/**
 * The default bucket lengths: 32, 64, 96, 128, 160, 192, 224, 256, 320, ... (powers of two and, from 128 on, the
 * quarters between them), the last one `maxLength` itself. At most a fifth of a longer batch is padding.
 */
export function bucketLengths(maxLength: number): number[] {
  if (!Number.isInteger(maxLength) || maxLength < 1) {
    throw new TunebookError(`bucketLengths: expected a positive number of tokens, got ${kindOf(maxLength)}.`);
  }
  const buckets: number[] = [];
  for (let power = 32; power < maxLength; power *= 2)
    for (let bucket = power; bucket < Math.min(2 * power, maxLength); bucket += Math.max(32, power / 4))
      buckets.push(bucket);
  return [...buckets, maxLength];
}

/**
 * Makes a collator: pads to the smallest bucket that holds the longest example. What is padding is decided by
 * length alone, so an end-of-text token that is real keeps its label even where it is the pad token too. A preference
 * pair is two rows: the first half of a batch's rows is chosen, the second rejected.
 *
 * @throws TunebookError where an option is wrong; the collator throws where an example is too long or uneven.
 * @example
 * ```ts
 * import { createDataCollator } from 'tunebook/dataset';
 *
 * const collate = createDataCollator({ padTokenId: 0, maxLength: 64 });
 * const batch = collate([{ inputIds: [5, 6, 7], labels: [-100, 6, 7] }]);
 * console.log(batch.shape); // [ 1, 32 ]
 * ```
 */
export function createDataCollator(options: CollatorOptions): DataCollator {
  requireObject(options, { where: 'createDataCollator', what: 'options { padTokenId, maxLength }' });
  requireOptions<CollatorOptions>(options, {
    where: 'createDataCollator',
    names: { padTokenId: true, maxLength: true, buckets: true, paddingSide: true },
  });
  const { padTokenId, maxLength, paddingSide = 'right' } = options;
  if (!Number.isInteger(maxLength) || maxLength < 1 || !Number.isInteger(padTokenId) || padTokenId < 0) {
    throw new TunebookError(
      `createDataCollator: expected a positive maxLength and a pad token id, got ${maxLength} and ${padTokenId}.`,
    );
  }
  const buckets = (options.buckets ?? bucketLengths(maxLength)).filter((length) => length < maxLength);
  buckets.push(maxLength);
  if (
    buckets.some((length, i) => !Number.isInteger(length) || length < 1 || length <= (buckets[i - 1] ?? 0))
  ) {
    throw new TunebookError(
      `createDataCollator: expected ascending positive buckets, got ${options.buckets?.join(', ')}.`,
    );
  }
  return (examples) => collate(examples, { padTokenId, maxLength, paddingSide, buckets });
}

/** The rows of examples: of preference pairs all chosen answers, then all rejected ones. */
function rowsOf(examples: readonly EncodedExample[]): readonly EncodedExample[] {
  const rejected = examples.flatMap((example) => example.rejected ?? []);
  if (rejected.length === 0) return examples;
  if (rejected.length === examples.length) return [...examples, ...rejected];
  throw new TunebookError(
    `collator: expected preference pairs only, or none, got ${rejected.length} among ${examples.length} examples.`,
  );
}

function collate(given: readonly EncodedExample[], options: Required<CollatorOptions>): Batch {
  const { padTokenId, maxLength, paddingSide, buckets } = options;
  requireList(given, { where: 'collator', what: 'a list of examples' });
  if (given.length === 0)
    throw new TunebookError('collator: expected at least one example, got none. Leave out empty batches.');
  const examples = rowsOf(given);
  const longest = Math.max(...examples.map((example) => example.inputIds.length));
  const length = buckets.find((bucket) => bucket >= longest);
  if (length === undefined) {
    throw new TunebookError(
      `collator: expected examples of at most ${maxLength} tokens, got ${longest}. Encode with this maxLength.`,
    );
  }
  const size = examples.length * length;
  const inputIds = new Int32Array(size).fill(padTokenId);
  const attentionMask = new Int32Array(size);
  const labels = new Int32Array(size).fill(IGNORED);
  const packed = examples.some((example) => example.segmentIds !== undefined);
  const segmentIds = packed ? new Int32Array(size).fill(NO_SEGMENT) : undefined;
  for (const [row, example] of examples.entries()) {
    const real = example.inputIds.length;
    if (example.labels.length !== real || (example.segmentIds ?? example.labels).length !== real) {
      throw new TunebookError(
        `collator: expected as many labels (and segment ids) as the ${real} tokens, got ${example.labels.length} ` +
          `labels in example ${row} of the batch.`,
      );
    }
    const start = row * length + (paddingSide === 'left' ? length - real : 0);
    inputIds.set(example.inputIds, start);
    labels.set(example.labels, start);
    attentionMask.fill(1, start, start + real);
    if (example.segmentIds !== undefined) segmentIds?.set(example.segmentIds, start);
    else segmentIds?.fill(0, start, start + real);
  }
  return {
    ...{ shape: [examples.length, length], inputIds, attentionMask, labels },
    ...(segmentIds === undefined ? {} : { segmentIds }),
    ...(examples === given ? {} : { pairs: { answerStarts: answerStarts(given) } }),
  };
}

/** Where the answers of pairs begin: both have the same prompt before them, which has no labels in the rejected row. */
function answerStarts(pairs: readonly EncodedExample[]): Int32Array {
  const starts = pairs.map(({ inputIds, rejected }) => {
    const first = rejected?.labels.findIndex((label) => label !== IGNORED) ?? -1;
    return first < 0 ? inputIds.length : first;
  });
  return Int32Array.from([...starts, ...starts]);
}
