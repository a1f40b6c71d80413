/**
 * What a finish time should have been, without looking at the answer: each segment is expected from the *other*
 * segments and from the groups, by a model that has not seen the athlete; the sum of the expectations is the
 * expected total.
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
  const segments = Object.values(table.segments).map(standardized);
  const groups = Object.values(table.groups).flatMap(encodeGroup).map(standardized);
  const width = 1 + groups.length + segments.length;
  if (table.size < Math.max(10 * folds, 3 * width)) {
    throw new TunebookError(
      `expectTotals: expected at least ${Math.max(10 * folds, 3 * width)} rows for ${width} features in ${folds} folds, ` +
        `got ${table.size}. Give more rows.`,
    );
  }
  const random = seededRandom(seed);
  const fold = Uint8Array.from({ length: table.size }, () => random.integer(0, folds - 1));
  const design: Design = { size: table.size, groups, segments, fold, folds };
  const parts = model === 'linear' ? linearParts(design) : boostedParts(design);
  const predicted = new Float64Array(table.size);
  const rest = restMeans(table, design);
  for (let i = 0; i < table.size; i++) {
    let sum = rest[fold[i]];
    segments.forEach((segment, s) => (sum += segment.mean + segment.sd * parts[s][i]));
    predicted[i] = sum;
  }
  return { predicted, quality: fitQuality(table.target, predicted) };
}

interface Standardized {
  values: Float64Array;
  mean: number;
  sd: number;
}

interface Design {
  size: number;
  groups: readonly Standardized[];
  segments: readonly Standardized[];
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

/** Expected standardized segments by least squares; the normal equations of a fold are the total's less its own. */
function linearParts({ size, groups, segments, fold, folds }: Design): Float64Array[] {
  const columns = [new Float64Array(size).fill(1), ...[...groups, ...segments].map(({ values }) => values)];
  const width = columns.length;
  const grams = Array.from({ length: folds }, () => new Float64Array(width * width));
  for (let a = 0; a < width; a++) {
    for (let b = a; b < width; b++) {
      const [x, y] = [columns[a], columns[b]];
      for (let i = 0; i < size; i++) grams[fold[i]][a * width + b] += x[i] * y[i];
    }
  }
  const first = width - segments.length;
  return segments.map((_, s) => {
    const own = first + s;
    const others = columns.map((_, c) => c).filter((c) => c !== own);
    const weights = grams.map((_, f) => {
      const at = (a: number, b: number): number =>
        grams.reduce(
          (sum, gram, g) => sum + (g === f ? 0 : gram[Math.min(a, b) * width + Math.max(a, b)]),
          0,
        );
      // A trace of ridge keeps columns that depend on one another solvable.
      const left = new Matrix(others.map((a) => others.map((b) => at(a, b) + (a === b ? 1e-6 : 0))));
      return solve(left, Matrix.columnVector(others.map((a) => at(a, own)))).to1DArray();
    });
    const result = new Float64Array(size);
    others.forEach((c, k) => {
      for (let i = 0; i < size; i++) result[i] += weights[fold[i]][k] * columns[c][i];
    });
    return result;
  });
}

function boostedParts({ size, groups, segments, fold, folds }: Design): Float64Array[] {
  return segments.map((segment, s) => {
    const others = [...groups, ...segments.filter((_, o) => o !== s)].map(({ values }) => values);
    const rows = Array.from({ length: size }, (_, i) => Float64Array.from(others, (column) => column[i]));
    const result = new Float64Array(size);
    for (let f = 0; f < folds; f++) {
      const train = rows.map((_, i) => i).filter((i) => fold[i] !== f);
      const model = fitBoosted(
        train.map((i) => rows[i]),
        Float64Array.from(train, (i) => segment.values[i]),
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
