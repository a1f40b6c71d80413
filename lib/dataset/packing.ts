/**
 * Packing: several short examples in one sequence, so that next to nothing is padding. Tokens attend inside
 * their own document only (`segmentIds`), so packing changes the speed and not the loss.
 */
import { requireOptions } from '../options';
import { IGNORED, kindOf, requireList, requireObject, TunebookError } from '../types';
import type { EncodedExample } from '../types';

/**
 * Packs examples into sequences of at most `maxLength` tokens: best fit, longest first. The label of each
 * document's first token is ignored, since the token before it belongs to another document.
 *
 * @throws TunebookError where an example is too long, or is packed already.
 * @example
 * ```ts
 * import { packExamples } from 'tunebook/dataset';
 *
 * const [row] = packExamples(
 *   [
 *     { inputIds: [1, 2], labels: [1, 2] },
 *     { inputIds: [3, 4, 5], labels: [3, 4, 5] },
 *   ],
 *   { maxLength: 8 },
 * );
 * console.log(row?.segmentIds); // [ 0, 0, 1, 1, 1 ]
 * ```
 */
export function packExamples(
  examples: readonly EncodedExample[],
  options: { maxLength: number },
): EncodedExample[] {
  return packingBins(examples, options).map((bin) => join(bin.flatMap((index) => examples[index] ?? [])));
}

/**
 * Which examples `packExamples` puts into which sequence: their numbers, ascending.
 *
 * @throws TunebookError as `packExamples`
 */
export function packingBins(examples: readonly EncodedExample[], options: { maxLength: number }): number[][] {
  requireList(examples, {
    ...{ where: 'packExamples', what: 'a list of examples', remedy: 'Pass encodeRecords(...).examples.' },
  });
  requireObject(options, { where: 'packExamples', what: 'options { maxLength }' });
  requireOptions<{ maxLength: number }>(options, { where: 'packExamples', names: { maxLength: true } });
  const { maxLength } = options;
  if (!Number.isInteger(maxLength) || maxLength < 1) {
    throw new TunebookError(`packExamples: expected a positive maxLength, got ${kindOf(maxLength)}.`);
  }
  const order = examples
    .map((_, index) => index)
    .sort((a, b) => lengthOf(examples, b) - lengthOf(examples, a) || a - b);
  const bins: number[][] = [];
  // binsByFree[r]: the bins with exactly r tokens free.
  const binsByFree: number[][][] = Array.from({ length: maxLength + 1 }, () => []);
  for (const index of order) {
    const example = examples[index];
    const length = lengthOf(examples, index);
    if (length > maxLength) {
      throw new TunebookError(
        `packExamples: expected examples of at most ${maxLength} tokens, got ${length} in example ${index}. ` +
          'Encode with this maxLength.',
      );
    }
    if (example?.segmentIds !== undefined) {
      throw new TunebookError(
        `packExamples: expected single documents, got example ${index} packed already.`,
      );
    }
    if (example?.rejected !== undefined) {
      throw new TunebookError(
        `packExamples: expected examples with one answer, got a preference pair in example ${index}. Leave packing out.`,
      );
    }
    let free = length;
    while (free <= maxLength && binsByFree[free]?.length === 0) free++;
    let bin = binsByFree[free]?.pop();
    if (bin === undefined) {
      bin = [];
      bins.push(bin);
      free = maxLength;
    }
    bin.push(index);
    binsByFree[free - length]?.push(bin);
  }
  return bins.map((bin) => bin.sort((a, b) => a - b));
}

function join(documents: readonly EncodedExample[]): EncodedExample {
  return {
    inputIds: documents.flatMap((document) => document.inputIds),
    labels: documents.flatMap((document) => document.labels.map((label, i) => (i === 0 ? IGNORED : label))),
    segmentIds: documents.flatMap((document, segment) => document.inputIds.map(() => segment)),
  };
}

function lengthOf(examples: readonly EncodedExample[], index: number): number {
  return examples[index]?.inputIds.length ?? 0;
}
