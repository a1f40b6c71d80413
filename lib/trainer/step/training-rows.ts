/**
 * The rows that a run trains on: single examples, or several packed into each.
 */
import { packExamples, packingBins } from '../../dataset';
import type { ExampleStream } from '../../dataset';
import { TunebookError } from '../../types';
import type { EncodedExample } from '../../types';
import type { CheckedArguments } from '../arguments/schema';

export interface TrainingRows {
  readonly rows: readonly EncodedExample[];
  /** Numbers of the examples in a row. */
  examplesOf(row: number): readonly number[];
}

/** The rows of a stream: those of the step in progress, or the first ones before it. */
export class StreamRows implements TrainingRows {
  rows: readonly EncodedExample[] = [];
  private before = 0;

  /** @param before examples of the run before these */
  hold(rows: readonly EncodedExample[], before: number): void {
    this.rows = rows;
    this.before = before;
  }

  examplesOf(row: number): readonly number[] {
    return [this.before + row];
  }
}

/** Whether a data set is a stream of examples. */
export function isExampleStream(data: unknown): data is ExampleStream {
  // What encodeRecords gives has `examples` too, a list.
  return (
    typeof data === 'object' && data !== null && 'examples' in data && typeof data.examples === 'function'
  );
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
