/**
 * The rows that a run trains on: single examples, or several packed into each.
 */
import { packExamples, packingBins } from '../../dataset';
import type { ExampleStream } from '../../dataset';
import { TunebookError } from '../../types';
import type { EncodedExample } from '../../types';
import type { CheckedArguments } from '../arguments/schema';
import { isExampleStream, StreamRows } from './stream-steps';

export interface TrainingRows {
  readonly rows: readonly EncodedExample[];
  /** Numbers of the examples in a row. */
  examplesOf(row: number): readonly number[];
}

/**
 * @param context the model's longest sequence, in tokens
 * @throws TunebookError where rows would be longer than that, or an example longer than a row
 */
export function trainingRows(
  values: CheckedArguments,
  examples: readonly EncodedExample[] | ExampleStream,
  context: number,
): TrainingRows {
  if (isExampleStream(examples)) return new StreamRows();
  if (!values.packing) return { rows: examples, examplesOf: (row) => [row] };
  const maxLength = values.maxLength ?? context;
  if (maxLength > context) {
    throw new TunebookError(
      `Trainer: expected a maxLength of at most the model's ${context} tokens, got ${maxLength}.`,
    );
  }
  const bins = packingBins(examples, { maxLength });
  return { rows: packExamples(examples, { maxLength }), examplesOf: (row) => bins[row] };
}
