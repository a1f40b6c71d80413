/**
 * What a finish time should have been, without looking at the answer. The segments are put in two halves of about
 * equal spread (for race results: the running, and the stations); each half is expected from the *other* half (ability)
 * and from the groups, by a model that has not seen the athlete; the two expectations add up to the expected total.
 * Halves, and not each segment from all others: a small segment is strong evidence of how able someone is, and a
 * slow row would raise the expected running time by more than the row cost, so that the slow looked fast.
 * Where it stands: before the corrected verdicts. The published model had all parts of the sum as its features.
 */
import { Matrix, solve } from 'ml-matrix';
import { TunebookError } from '../../types.js';
import { fitBoosted } from './boosting.js';
import { ageRange } from './columns.js';
import type { LabelTable } from './label-table.js';
import { fitQuality, type FitQuality } from './regression.js';
import { seededRandom } from './random.js';
import { moments } from './statistics.js';

export interface Expectation {
  /** Expected total of each row, out of fold. */
  predicted: Float64Array;
  quality: FitQuality;
}

export interface ExpectOptions {
  /** 'linear' takes a second for 170,000 rows, 'boosted' minutes. Default 'linear'. */
  model?: 'linear' | 'boosted';
  /** Parts of the data; each is predicted from the others. Default 5. */
  folds?: number;
  /** For the folds. Default 42. */
  seed?: number;
}

/** Expected totals. */
export function expectTotals(table: LabelTable, options: ExpectOptions = {}): Expectation {
  const { model = 'linear', folds = 5, seed = 42 } = options;
  const times = balancedHalves(Object.values(table.segments));
  const halves = times.map(standardized);
  const others = times.map((own) =>
    standardized(own.map((value, i) => times.reduce((sum, column) => sum + column[i], -value))),
  );
  const groups = Object.values(table.groups).flatMap(encodeGroup).map(standardized);
  const width = 2 + groups.length;
  if (table.size < Math.max(10 * folds, 3 * width)) {
    throw new TunebookError(
      `expectTotals: expected at least ${Math.max(10 * folds, 3 * width)} rows for ${width} features in ${folds} folds, ` +
        `got ${table.size}. Give more rows.`,
    );
  }
  const random = seededRandom(seed);
  const fold = Uint8Array.from({ length: table.size }, () => random.integer(0, folds - 1));
  const design: Design = { size: table.size, groups, parts: halves, others, fold, folds };
  const expected = model === 'linear' ? linearParts(design) : boostedParts(design);
  const predicted = new Float64Array(table.size);
  const rest = restMeans(table, design);
  for (let i = 0; i < table.size; i++) {
    let sum = rest[fold[i]];
    halves.forEach((half, h) => (sum += half.mean + half.sd * expected[h][i]));
    predicted[i] = sum;
  }
  return { predicted, quality: fitQuality(table.target, predicted) };
}

/** Two sums of columns whose spreads are as even as a greedy choice makes them, the widest column first. */
function balancedHalves(columns: readonly Float64Array[]): Float64Array[] {
  const size = columns[0].length;
  const halves = [new Float64Array(size), new Float64Array(size)];
  const bySpread = columns.map((values) => ({ values, sd: moments(values).sd })).sort((a, b) => b.sd - a.sd);
  for (const { values } of bySpread) {
    const half = moments(halves[0]).sd <= moments(halves[1]).sd ? halves[0] : halves[1];
    for (let i = 0; i < size; i++) half[i] += values[i];
  }
  return halves;
}

interface Standardized {
  values: Float64Array;
  mean: number;
  sd: number;
}

interface Design {
  size: number;
  groups: readonly Standardized[];
  /** The halves. */
  parts: readonly Standardized[];
  /** Of each half, the other one: how able the athlete is elsewhere. */
  others: readonly Standardized[];
  fold: Uint8Array;
  folds: number;
}

function standardized(values: Float64Array): Standardized {
  const { mean, sd } = moments(values);
  const spread = sd === 0 ? 1 : sd;
  return { values: values.map((value) => (value - mean) / spread), mean, sd: spread };
}

/** Ages and numbers as a number, other groups as one column per value but the first. */
function encodeGroup(values: readonly string[]): Float64Array[] {
  const kinds = [...new Set(values)].sort();
  const numbers = kinds.map((kind) => {
    const range = ageRange(kind);
    return range ? (range[0] + range[1]) / 2 : kind.trim() === '' ? NaN : Number(kind);
  });
  if (numbers.every(Number.isFinite)) {
    const value = new Map(kinds.map((kind, k) => [kind, numbers[k]]));
    return [Float64Array.from(values, (text) => value.get(text) ?? 0)];
  }
  return kinds.slice(1, 50).map((kind) => Float64Array.from(values, (text) => (text === kind ? 1 : 0)));
}

/** Features of one half's expectation: 1, the groups, and the other half. */
function featuresOf({ size, groups, others }: Design, half: number): Float64Array[] {
  const ones = new Float64Array(size).fill(1);
  return [ones, ...groups.map(({ values }) => values), others[half].values];
}

/** Expected standardized halves by least squares; the normal equations of a fold are the total's less its own. */
function linearParts(design: Design): Float64Array[] {
  const { size, parts, fold, folds } = design;
  return parts.map((part, half) => {
    const columns = featuresOf(design, half);
    const width = columns.length;
    const products = (x: Float64Array, y: Float64Array): Float64Array => {
      const sums = new Float64Array(folds);
      for (let i = 0; i < size; i++) sums[fold[i]] += x[i] * y[i];
      const total = sums.reduce((sum, own) => sum + own, 0);
      return sums.map((own) => total - own);
    };
    const left = columns.map((x, a) => columns.map((y, b) => (b < a ? undefined : products(x, y))));
    const right = columns.map((x) => products(x, part.values));
    const weights = Array.from({ length: folds }, (_, f) => {
      // A trace of ridge keeps columns that depend on one another solvable.
      const gram = Matrix.zeros(width, width);
      for (let a = 0; a < width; a++) {
        for (let b = 0; b < width; b++) {
          gram.set(a, b, (left[Math.min(a, b)][Math.max(a, b)]?.[f] ?? 0) + (a === b ? 1e-6 : 0));
        }
      }
      return solve(gram, Matrix.columnVector(right.map((values) => values[f]))).to1DArray();
    });
    const result = new Float64Array(size);
    columns.forEach((column, c) => {
      for (let i = 0; i < size; i++) result[i] += weights[fold[i]][c] * column[i];
    });
    return result;
  });
}

function boostedParts(design: Design): Float64Array[] {
  const { size, parts, fold, folds } = design;
  return parts.map((part, half) => {
    const columns = featuresOf(design, half).slice(1);
    const rows = Array.from({ length: size }, (_, i) => Float64Array.from(columns, (column) => column[i]));
    const result = new Float64Array(size);
    for (let f = 0; f < folds; f++) {
      const train = rows.map((_, i) => i).filter((i) => fold[i] !== f);
      const model = fitBoosted(
        train.map((i) => rows[i]),
        Float64Array.from(train, (i) => part.values[i]),
      );
      for (let i = 0; i < size; i++) if (fold[i] === f) result[i] = model.predict(rows[i]);
    }
    return result;
  });
}

/** Mean of what the total has beyond its segments, out of fold; 0 where it is their sum. */
function restMeans(table: LabelTable, { fold, folds }: Design): number[] {
  const columns = Object.values(table.segments);
  const sums = new Array<number>(folds).fill(0);
  const counts = new Array<number>(folds).fill(0);
  for (let i = 0; i < table.size; i++) {
    sums[fold[i]] += table.target[i] - columns.reduce((sum, column) => sum + column[i], 0);
    counts[fold[i]]++;
  }
  const total = sums.reduce((a, b) => a + b, 0);
  return sums.map((sum, f) => (total - sum) / Math.max(1, table.size - counts[f]));
}
