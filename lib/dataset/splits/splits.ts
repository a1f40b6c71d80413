/**
 * Seeded splits: which records train, which are looked at while training, which are kept for the end.
 */
import { requireOptions } from '../../options';
import { requireList, requireObject, TunebookError } from '../../types';
import { createRandom } from '../../random';
import type { SplitOptions, Splits } from '../files/record-types';

/** Sums of shares are compared within this. */
const TOLERANCE = 1e-9;

/** What a split is made with where nothing else is said. */
export const SPLIT_DEFAULTS = { ratios: { train: 0.8, validation: 0.1, test: 0.1 }, seed: 42 };

/**
 * Shuffles and cuts in three. The train share is rounded down, and what is left is shared out between
 * validation (rounded down) and test, so 5,256 records at 0.8 / 0.1 / 0.1 give 4,204 / 526 / 526.
 *
 * @throws TunebookError where the ratios are no shares.
 * @example
 * ```ts
 * import { splitRecords } from 'tunebook';
 *
 * const { train, validation, test } = splitRecords([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], { seed: 7 });
 * console.log(train.length, validation.length, test.length); // 8 1 1
 * ```
 */
export function splitRecords<R>(records: readonly R[], options: SplitOptions = {}): Splits<R> {
  requireList(records, { where: 'splitRecords', what: 'a list of records' });
  requireObject(options, { where: 'splitRecords', what: 'options { ratios, seed }' });
  requireOptions<SplitOptions>(options, { where: 'splitRecords', names: { ratios: true, seed: true } });
  const { ratios = SPLIT_DEFAULTS.ratios, seed = SPLIT_DEFAULTS.seed } = options;
  requireObject(ratios, { where: 'splitRecords', what: 'ratios { train, validation, test }' });
  const { train, validation, test } = ratios;
  const sum = train + validation + test;
  if (!(train >= 0 && validation >= 0 && test >= 0) || Math.abs(sum - 1) > TOLERANCE) {
    throw new TunebookError(
      `splitRecords: expected shares that are not negative and sum to 1, got ${train} + ${validation} + ${test} = ${sum}. For instance { train: 0.8, validation: 0.1, test: 0.1 }.`,
    );
  }
  const shuffled = createRandom('split', seed).shuffle(records);
  const trainCount = wholeOf(records.length * train);
  const rest = records.length - trainCount;
  const held = validation + test;
  const validationCount = held === 0 ? 0 : wholeOf((rest * validation) / held);
  return {
    train: shuffled.slice(0, trainCount),
    validation: shuffled.slice(trainCount, trainCount + validationCount),
    test: shuffled.slice(trainCount + validationCount),
  };
}

/**
 * Shuffles and cuts in two; the test share (default 0.2) is rounded up.
 *
 * @throws TunebookError where testSize is not between 0 and 1.
 * @example
 * ```ts
 * import { trainTestSplit } from 'tunebook/dataset';
 *
 * const { train, test } = trainTestSplit([1, 2, 3, 4, 5], { testSize: 0.4 });
 * console.log(train.length, test.length); // 3 2
 * ```
 */
export function trainTestSplit<R>(
  records: readonly R[],
  options: { testSize?: number; seed?: number } = {},
): { train: R[]; test: R[] } {
  requireList(records, { where: 'trainTestSplit', what: 'a list of records' });
  requireObject(options, { where: 'trainTestSplit', what: 'options { testSize, seed }' });
  requireOptions<{ testSize?: number; seed?: number }>(options, {
    where: 'trainTestSplit',
    names: { testSize: true, seed: true },
  });
  const { testSize = 0.2, seed = SPLIT_DEFAULTS.seed } = options;
  if (!(testSize >= 0 && testSize <= 1)) {
    throw new TunebookError(`trainTestSplit: expected testSize between 0 and 1, got ${testSize}.`);
  }
  const ratios = { train: 1 - testSize, validation: 0, test: testSize };
  const { train, test } = splitRecords(records, { ratios, seed });
  return { train, test };
}

/** Rounds down, but takes 6.999999999 for the 7 that was meant (10 * 0.7). */
function wholeOf(value: number): number {
  return Math.floor(value + TOLERANCE);
}
