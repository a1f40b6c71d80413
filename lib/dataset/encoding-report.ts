/** What became of the records of a call, in figures and in words. */
import type { RecordKind } from '../prompts';
import { firstOf, IGNORED } from '../types';
import type { EncodedExample } from '../types';
import type { ConversationReport, Encoded } from './conversations/types';
import type { EncodingReport, LengthSummary } from './types';

/** Records that a warning names. */
const NAMED = 3;

/** The report of a call. */
export function encodingReport(
  encoded: Encoded & { readonly conversations?: ConversationReport },
  { total, format }: { total: number; format: RecordKind },
): EncodingReport {
  const { examples, truncated, dropped, sourceIndex, responseLengths, conversations } = encoded;
  const sequenceLengths = examples.map((example) => example.inputIds.length);
  return {
    ...{ format, total, kept: new Set(sourceIndex).size, truncated, dropped, sourceIndex },
    promptTokens: summarize(sequenceLengths.map((length, i) => length - (responseLengths[i] ?? 0))),
    responseTokens: summarize(responseLengths),
    sequenceTokens: summarize(sequenceLengths),
    totalTokens: sum(sequenceLengths),
    lossTokens: examples.reduce((count, example) => count + lossTokens(example), 0),
    ...(conversations === undefined ? {} : { conversations }),
  };
}

/** What a person has to know of it, shown where a person looks: the console, a cell's output. */
export function tellReport(report: EncodingReport, { isFoundOut }: { isFoundOut: boolean }): void {
  const { dropped, total, format, conversations, lossTokens: learned, totalTokens } = report;
  if (isFoundOut && format !== 'fields')
    console.log(
      `encodeRecords: ${total} records taken as ${inWords(report)}; ${learned} of ${totalTokens} tokens are learned.`,
    );
  if (dropped.length > 0) {
    const named = firstOf(
      dropped.map(({ index, reason }) => `record ${index}: ${reason}`),
      { most: NAMED, of: ', in report.dropped' },
    );
    const all = new Set(dropped.map(({ index }) => index)).size;
    console.warn(`encodeRecords: ${all} of ${total} records were left out (${named}).`);
  }
  if (conversations === undefined) return;
  const { droppedTurns, openTurns } = conversations;
  if (droppedTurns > 0)
    console.warn(
      `encodeRecords: ${droppedTurns} turns at the end of conversations did not fit into maxLength and were left out.`,
    );
  if (openTurns > 0)
    console.warn(
      `encodeRecords: the token that ends ${openTurns} turns stands outside of {% generation %}: the model does not learn ` +
        'to stop. Give chatTemplate({ tokenizer, chatTemplate }) a template that encloses it.',
    );
}

function inWords({ format, conversations }: EncodingReport): string {
  if (conversations === undefined) return format;
  const { trainedTurns, untrainedTurns, splitRecords } = conversations;
  const split = splitRecords === 0 ? '' : `, ${splitRecords} records split into an example for each turn`;
  const others = untrainedTurns === 0 ? '' : `, ${untrainedTurns} are not`;
  return `conversations (${format}): ${trainedTurns} turns of the assistant are learned${others}${split}`;
}

/** The first position has nothing before it to be predicted from. */
function lossTokens({ labels }: EncodedExample): number {
  return labels.reduce((count, label, i) => count + (i > 0 && label !== IGNORED ? 1 : 0), 0);
}

/** Spread of numbers of tokens. */
export function summarize(lengths: readonly number[]): LengthSummary {
  if (lengths.length === 0) return { min: 0, mean: 0, median: 0, p95: 0, max: 0 };
  const sorted = [...lengths].sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.ceil(share * sorted.length) - 1] ?? 0;
  return {
    min: sorted[0] ?? 0,
    mean: sum(lengths) / lengths.length,
    median: at(0.5),
    p95: at(0.95),
    max: at(1),
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
