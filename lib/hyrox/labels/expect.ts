/**
 * What a finish time should have been, without looking at the answer. Ability is the median of an athlete's scores
 * against peers; each segment is expected from the ability in the *other* segments, by a model that has not seen the
 * athlete, and the sum of the segments is calibrated, because a noisy measure of ability draws it to the mean.
 *
 * A median, not a mean: one bad segment hardly moves it, so the time lost there stays in the residual. Nor are two
 * halves of a race held against one another: the residual is then a multiple of the finish time (less the peers'), and
 * says no more than who is fast.
 * Where it stands: before the corrected verdicts. The published model had all parts of the sum as its features.
 */
import { TunebookError, requireObject } from '../../types';
import { fitBoosted } from '../statistics/boosting';
import type { LabelTable } from '../tables/label-table';
import { requireLabels } from '../tables/label-table';
import { peerScores } from './peers';
import { fitQuality } from '../statistics/regression';
import type { FitQuality } from '../statistics/regression';
import { seededRandom } from '../../random';

export interface Expectation {
  /** Expected total of each row, out of fold. */
  predicted: Float64Array;
  quality: FitQuality;
}

export interface ExpectOptions {
  /**
   * 'linear' expects a segment's score from the ability in the others, in seconds for 170,000 rows; 'boosted' has trees
   * look at each of the other scores as well, and takes minutes. Default 'linear'.
   */
  model?: 'linear' | 'boosted';
  /** Parts of the data; each is predicted from the others. Default 5, fewer below 50 rows: one for each ten. */
  folds?: number;
  /** For the folds. Default 42. */
  seed?: number;
}

/** Expected totals. */
export function expectTotals(table: LabelTable, options: ExpectOptions = {}): Expectation {
  requireLabels(table, 'expectTotals');
  requireObject(options, { where: 'expectTotals', what: 'options' });
  const { model = 'linear', seed = 42 } = options;
  const { folds = Math.max(2, Math.min(5, Math.floor(table.size / 10))) } = options;
  if (table.size < 10 * folds) {
    throw new TunebookError(
      `expectTotals: expected at least ${10 * folds} rows for ${folds} folds, got ${table.size}. Give more rows.`,
    );
  }
  const random = seededRandom(seed);
  const fold = Uint8Array.from({ length: table.size }, () => random.integer(0, folds - 1));
  const predicted = new Float64Array(table.size);
  for (let f = 0; f < folds; f++) {
    const expected = expectFrom(
      table,
      fold.map((own) => (own === f ? 0 : 1)),
      model === 'linear' ? line : trees,
    );
    for (let i = 0; i < table.size; i++) if (fold[i] === f) predicted[i] = expected[i];
  }
  return { predicted, quality: fitQuality(table.target, predicted) };
}

/** Expected totals of all rows, by models that learn from the rows where seen is 1. */
function expectFrom(table: LabelTable, seen: Uint8Array, expectScore: ScoreModel): Float64Array {
  const { z, behind, sd } = peerScores(table, { seen });
  const scores = Object.values(z);
  const ability = abilities(scores);
  const sum = new Float64Array(table.size);
  Object.entries(table.segments).forEach(([name, values], s) => {
    const others = [ability[s], ...scores.filter((_, other) => other !== s)];
    const expected = expectScore(others, scores[s], seen);
    // What the peers need, and what the athlete's ability makes of it.
    for (let i = 0; i < table.size; i++) sum[i] += values[i] - behind[name][i] + sd[name][i] * expected[i];
  });
  // Slope and intercept, so that the residual does not follow the expectation.
  return line([sum], table.target, seen);
}

/** Of each segment and row, the median score of the other segments; 0 where there is only one segment. */
function abilities(scores: readonly Float64Array[]): Float64Array[] {
  const result = scores.map((column) => new Float64Array(column.length));
  const others = scores.length - 1;
  if (others === 0) return result;
  const low = (others - 1) >> 1;
  const high = others >> 1;
  const sorted = new Float64Array(scores.length);
  for (let i = 0; i < scores[0].length; i++) {
    scores.forEach((column, s) => (sorted[s] = column[i]));
    sorted.sort();
    scores.forEach((column, s) => {
      const own = sorted.indexOf(column[i]);
      result[s][i] = (sorted[low < own ? low : low + 1] + sorted[high < own ? high : high + 1]) / 2;
    });
  }
  return result;
}

/** Learns y from features, [feature][rows], over the rows where seen is 1, and predicts all rows. */
type ScoreModel = (features: readonly Float64Array[], y: Float64Array, seen: Uint8Array) => Float64Array;

/** Least squares on the first feature. */
const line: ScoreModel = ([x], y, seen) => {
  let [count, sumX, sumY] = [0, 0, 0];
  for (let i = 0; i < y.length; i++) {
    count += seen[i];
    sumX += seen[i] * x[i];
    sumY += seen[i] * y[i];
  }
  const [meanX, meanY] = [sumX / count, sumY / count];
  let [xx, xy] = [0, 0];
  for (let i = 0; i < y.length; i++) {
    xx += seen[i] * (x[i] - meanX) ** 2;
    xy += seen[i] * (x[i] - meanX) * (y[i] - meanY);
  }
  const slope = xx === 0 ? 0 : xy / xx;
  return x.map((value) => meanY + slope * (value - meanX));
};

/** Boosted trees on all features. */
const trees: ScoreModel = (features, y, seen) => {
  const rows = Array.from(y, (_, i) => Float64Array.from(features, (column) => column[i]));
  const train = rows.map((_, i) => i).filter((i) => seen[i] === 1);
  const model = fitBoosted(
    train.map((i) => rows[i]),
    Float64Array.from(train, (i) => y[i]),
  );
  return Float64Array.from(rows, (row) => model.predict(row));
};
