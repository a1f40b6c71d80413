/**
 * Predicts a finish time without looking at the answer. Ability is the median of an athlete's scores
 * against peers; each segment is expected from the ability in the *other* segments, by a model that has not seen the
 * athlete, and the sum of the segments is calibrated, because a noisy measure of ability draws it to the mean.
 *
 * A median, not a mean: one bad segment hardly moves it, so the time lost there stays in the residual. Nor are two
 * halves of a race held against one another: the residual is then a multiple of the finish time (less the peers'), and
 * says no more than who is fast.
 * Where it stands: before the corrected verdicts. The published model had all parts of the sum as its features.
 */
import { requireOptions } from '../../options';
import { TunebookError, requireObject } from '../../types';
import { fitBoosted, predictBoosted } from '../statistics/boosting';
import type { BoostedForest } from '../statistics/boosting';
import type { LabelTable } from '../tables/label-table';
import { requireLabels } from '../tables/label-table';
import { fitPeers, scoreAgainst } from './peers';
import type { PeerModel, PeerScores } from './peers';
import { fitQuality } from '../statistics/regression';
import type { FitQuality } from '../statistics/regression';
import { seededRandom } from '../../random';

/** What each athlete could be expected to finish in. */
export interface Expectation {
  /** Expected total of each row, out of fold. */
  predicted: Float64Array;
  quality: FitQuality;
}

/** How expected totals are fitted. */
export interface ExpectOptions {
  /**
   * 'linear' predicts a segment's score from the ability in the others and takes seconds for 170,000 rows; 'boosted'
   * trees use each of the other scores too and take minutes. Default 'linear'.
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
  requireOptions<ExpectOptions>(options, {
    where: 'expectTotals',
    names: { model: true, folds: true, seed: true },
  });
  const { model = 'linear', seed = 42 } = options;
  const { folds = Math.max(2, Math.min(5, Math.floor(table.size / 10))) } = options;
  if (table.size < 10 * folds) {
    throw new TunebookError(
      `expectTotals: expected at least ${10 * folds} rows for ${folds} folds, got ${table.size}. Give more rows or ` +
        'fewer folds; or label these by the state that a build of a larger table wrote (dataset build --state FILE), ' +
        'for which one row is enough.',
    );
  }
  const random = seededRandom(seed);
  const fold = Uint8Array.from({ length: table.size }, () => random.integer(0, folds - 1));
  const predicted = new Float64Array(table.size);
  for (let f = 0; f < folds; f++) {
    const seen = fold.map((own) => (own === f ? 0 : 1));
    const { totals } = fitExpectation(table, { model, seen });
    for (let i = 0; i < table.size; i++) if (fold[i] === f) predicted[i] = totals[i];
  }
  return { predicted, quality: fitQuality(table.target, predicted) };
}

/** A fitted expectation: plain data, so that it can be written as JSON. */
export interface ExpectationModel {
  peers: PeerModel;
  /** Expected score of each segment, in the peers' order, from the ability in the others. */
  scores: ScoreModel[];
  /** Calibration of the sum of the segments. */
  total: Line;
}

/** y = meanY + slope * (x - meanX) */
export interface Line {
  meanX: number;
  meanY: number;
  slope: number;
}

type ScoreModel = Line | BoostedForest;

/**
 * Fits to the rows where seen is 1, and predicts the totals of all rows.
 * @param options.seen [rows]. Default: all
 */
export function fitExpectation(
  table: LabelTable,
  { model = 'linear', seen }: { model?: 'linear' | 'boosted'; seen?: Uint8Array } = {},
): ExpectedTotals & { learned: ExpectationModel } {
  const rows = seen ?? new Uint8Array(table.size).fill(1);
  const peerModel = fitPeers(table, { seen: rows });
  const peers = scoreAgainst(peerModel, table);
  const features = featuresOf(peers.z);
  const scores = features.map(({ own, others }) =>
    model === 'linear' ? fitLine(others[0], own, rows) : fitTrees(others, own, rows),
  );
  const sums = expectedSums(table, { peers, features, scores });
  const total = fitLine(sums, table.target, rows);
  return {
    learned: { peers: peerModel, scores, total },
    totals: sums.map((value) => onLine(total, value)),
    peers,
  };
}

/** Expected totals of any rows, in the table's unit, and their scores. */
export function expectedTotals(
  { peers: peerModel, scores, total }: ExpectationModel,
  table: LabelTable,
): ExpectedTotals {
  const peers = scoreAgainst(peerModel, table);
  const sums = expectedSums(table, { peers, features: featuresOf(peers.z), scores });
  return { totals: sums.map((value) => onLine(total, value)), peers };
}

export interface ExpectedTotals {
  /** [rows] */
  totals: Float64Array;
  peers: PeerScores;
}

/** Sum over all segments of the peers' mean plus the expected deviation. */
function expectedSums(
  table: LabelTable,
  { peers, features, scores }: { peers: PeerScores; features: SegmentFeatures[]; scores: ScoreModel[] },
): Float64Array {
  const sums = new Float64Array(table.size);
  features.forEach(({ name, others }, s) => {
    const expected = applyScores(scores[s], others);
    const values = table.segments[name];
    for (let i = 0; i < table.size; i++)
      sums[i] += values[i] - peers.behind[name][i] + peers.sd[name][i] * expected[i];
  });
  return sums;
}

/** A segment's scores and the features that predict them: the ability in the others, then each other score. */
interface SegmentFeatures {
  name: string;
  own: Float64Array;
  others: readonly Float64Array[];
}

function featuresOf(z: Readonly<Record<string, Float64Array>>): SegmentFeatures[] {
  const columns = Object.values(z);
  const ability = abilities(columns);
  return Object.entries(z).map(([name, own], s) => ({
    ...{ name, own },
    others: [ability[s], ...columns.filter((_, other) => other !== s)],
  }));
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

/** Least squares over the rows where seen is 1. */
function fitLine(x: Float64Array, y: Float64Array, seen: Uint8Array): Line {
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
  return { meanX, meanY, slope: xx === 0 ? 0 : xy / xx };
}

function onLine({ meanX, meanY, slope }: Line, value: number): number {
  return meanY + slope * (value - meanX);
}

/** Boosted trees on all features, over the rows where seen is 1. */
function fitTrees(features: readonly Float64Array[], y: Float64Array, seen: Uint8Array): BoostedForest {
  const train = Array.from(y, (_, i) => i).filter((i) => seen[i] === 1);
  return fitBoosted(
    train.map((i) => rowOf(features, i)),
    Float64Array.from(train, (i) => y[i]),
  ).forest;
}

function rowOf(features: readonly Float64Array[], i: number): Float64Array {
  return Float64Array.from(features, (column) => column[i]);
}

/** @param features [feature][rows] */
function applyScores(model: ScoreModel, features: readonly Float64Array[]): Float64Array {
  if ('slope' in model) return features[0].map((value) => onLine(model, value));
  return features[0].map((_, i) => predictBoosted(model, rowOf(features, i)));
}
