/** How long an example is where it may be a preference pair, two rows. */
import { requireObject } from '../types';
import type { EncodedExample } from '../types';

/** Refuses what is no example, in words that name the function. */
function requireExample(example: EncodedExample, where: string): void {
  requireObject(example, { where, what: 'an example of encodeRecords or encodePairs', fields: ['inputIds'] });
}

/** Rows that an example takes in a batch: two for a preference pair. */
export function rowCount(example: EncodedExample): number {
  requireExample(example, 'rowCount');
  return example.rejected === undefined ? 1 : 2;
}

/** Tokens of its longest row. */
export function rowLength(example: EncodedExample): number {
  requireExample(example, 'rowLength');
  const { inputIds, rejected } = example;
  return Math.max(inputIds.length, rejected?.inputIds.length ?? 0);
}

/** Tokens of all its rows, without padding. */
export function tokenCount(example: EncodedExample): number {
  requireExample(example, 'tokenCount');
  const { inputIds, rejected } = example;
  return inputIds.length + (rejected?.inputIds.length ?? 0);
}

/** The first tokens of each of its rows. */
export function firstTokens(example: EncodedExample, tokens: number): EncodedExample {
  requireExample(example, 'firstTokens');
  const { inputIds, labels, segmentIds, rejected } = example;
  return {
    ...{ inputIds: inputIds.slice(0, tokens), labels: labels.slice(0, tokens) },
    segmentIds: segmentIds?.slice(0, tokens),
    rejected: rejected === undefined ? undefined : firstTokens(rejected, tokens),
  };
}
