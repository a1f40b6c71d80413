/** How long an example is where it may be a preference pair, two rows. */
import type { EncodedExample } from '../types';

/** Rows that an example takes in a batch: two for a preference pair. */
export function rowCount({ rejected }: EncodedExample): number {
  return rejected === undefined ? 1 : 2;
}

/** Tokens of its longest row. */
export function rowLength({ inputIds, rejected }: EncodedExample): number {
  return Math.max(inputIds.length, rejected?.inputIds.length ?? 0);
}

/** Tokens of all its rows, without padding. */
export function tokenCount({ inputIds, rejected }: EncodedExample): number {
  return inputIds.length + (rejected?.inputIds.length ?? 0);
}

/** The first tokens of each of its rows. */
export function firstTokens(example: EncodedExample, tokens: number): EncodedExample {
  const { inputIds, labels, segmentIds, rejected } = example;
  return {
    ...{ inputIds: inputIds.slice(0, tokens), labels: labels.slice(0, tokens) },
    segmentIds: segmentIds?.slice(0, tokens),
    rejected: rejected === undefined ? undefined : firstTokens(rejected, tokens),
  };
}
