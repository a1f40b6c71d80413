/**
 * The few statistics that the analysis needs: moments, quantiles, ranks, correlations.
 * Where it stands: under features, calibration and the sample generator.
 */
import { requireList } from '../../types';

/** Mean, standard deviation (population) and skewness of the finite values. */
export interface Moments {
  count: number;
  mean: number;
  sd: number;
  skewness: number;
}

/** Moments of the finite values; zeros where there are none. */
export function moments(values: ArrayLike<number>): Moments {
  requireList(values, { where: 'moments', what: 'numbers' });
  let count = 0;
  let sum = 0;
  for (let i = 0; i < values.length; i++) {
    if (Number.isFinite(values[i])) {
      count++;
      sum += values[i];
    }
  }
  if (count === 0) return { count, mean: 0, sd: 0, skewness: 0 };
  const mean = sum / count;
  let m2 = 0;
  let m3 = 0;
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i])) continue;
    const d = values[i] - mean;
    m2 += d * d;
    m3 += d * d * d;
  }
  const sd = Math.sqrt(m2 / count);
  return { count, mean, sd, skewness: sd === 0 ? 0 : m3 / count / (sd * sd * sd) };
}

/**
 * The q-quantile, linear between order statistics (type 7 of Hyndman and Fan, 1996).
 *
 * @param sorted ascending, not empty
 * @param q in [0, 1]
 */
export function quantile(sorted: ArrayLike<number>, q: number): number {
  requireList(sorted, { where: 'quantile', what: 'numbers' });
  const at = q * (sorted.length - 1);
  const low = Math.floor(at);
  const high = Math.ceil(at);
  return sorted[low] + (sorted[high] - sorted[low]) * (at - low);
}

/** A sorted copy of the finite values. */
export function sortedFinite(values: ArrayLike<number>): Float64Array {
  return Float64Array.from(Array.from(values).filter(Number.isFinite)).sort();
}

/** Median of the finite values, NaN where there are none. */
export function median(values: ArrayLike<number>): number {
  const sorted = sortedFinite(values);
  return sorted.length === 0 ? NaN : quantile(sorted, 0.5);
}

/** Pearson correlation of two equally long arrays without gaps. */
export function pearson(a: ArrayLike<number>, b: ArrayLike<number>): number {
  requireList(a, { where: 'pearson', what: 'numbers' });
  requireList(b, { where: 'pearson', what: 'numbers' });
  const ma = moments(a);
  const mb = moments(b);
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] - ma.mean) * (b[i] - mb.mean);
  return ma.sd === 0 || mb.sd === 0 ? 0 : sum / a.length / (ma.sd * mb.sd);
}

/** Ranks from 1, ties sharing their mean rank. */
export function ranks(values: ArrayLike<number>): Float64Array {
  const order = Array.from({ length: values.length }, (_, i) => i).sort((x, y) => values[x] - values[y]);
  const result = new Float64Array(values.length);
  for (let start = 0; start < order.length;) {
    let end = start;
    while (end + 1 < order.length && values[order[end + 1]] === values[order[start]]) end++;
    for (let i = start; i <= end; i++) result[order[i]] = (start + end) / 2 + 1;
    start = end + 1;
  }
  return result;
}

/** Spearman correlations of every pair of columns: [columns][columns]. */
export function spearmanMatrix(columns: readonly ArrayLike<number>[]): number[][] {
  requireList(columns, { where: 'spearmanMatrix', what: 'columns of numbers' });
  const ranked = columns.map(ranks);
  return ranked.map((a, i) => ranked.map((b, j) => (i === j ? 1 : pearson(a, b))));
}
