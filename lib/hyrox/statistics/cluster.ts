/**
 * K-means clusters of athletes, the choice of their number, and scikit-learn's initialization to replay the published
 * run.
 *
 * The iterations are ml-kmeans'. Rows are [athletes][features].
 */
import { createRequire } from 'node:module';
import type * as MlKmeans from 'ml-kmeans';
import { requireOptions } from '../../options';
import { kindOf, TunebookError, requireList, requireObject } from '../../types';
import { legacyRandom } from './numpy-random';
import { seededRandom } from '../../random';

/** Groups of rows, by k-means. */
export interface Clustering {
  k: number;
  /** Group of each row, 0 .. k-1. */
  clusters: Int32Array;
  /** [k][features] */
  centroids: number[][];
  /** Sum of squared distances to the assigned centroid. */
  inertia: number;
  iterations: number;
}

/** What k-means takes. */
export interface ClusterOptions {
  k: number;
  seed: number;
  /** Independent starts, of which the best wins. Default 3. */
  starts?: number;
  /** Default 100. */
  maxIterations?: number;
}

/**
 * K-means with k-means++ starts; groups are numbered by the first feature of their centroid, so that ids are stable.
 */
export function cluster(rows: readonly number[][], options: ClusterOptions): Clustering {
  requireList(rows, { where: 'cluster', what: 'rows of numbers' });
  requireObject(options, { where: 'cluster', what: 'options with a seed' });
  requireOptions<ClusterOptions>(options, {
    where: 'cluster',
    names: { k: true, seed: true, starts: true, maxIterations: true },
  });
  const { k, seed, starts = 3, maxIterations = 100 } = options;
  checkCount(rows.length, k);
  if (!Number.isInteger(seed))
    throw new TunebookError(
      `cluster: expected a whole number as seed, got ${kindOf(seed)}. Choose one, such as 42.`,
    );
  let best: Clustering | undefined;
  for (let start = 0; start < starts; start++) {
    const last = lastStep(rows, k, { seed: seed + start, maxIterations });
    if (!last)
      throw new TunebookError(
        'cluster: expected at least one iteration, got maxIterations 0. Leave it out for 100.',
      );
    const found = assignClusters(rows, last.centroids, last.iterations);
    if (!best || found.inertia < best.inertia) best = found;
  }
  if (!best) throw new TunebookError('cluster: expected starts of at least 1, got 0. Leave it out for 3.');
  const order = best.centroids
    .map((_, i) => i)
    .sort((a, b) => sumOf(best.centroids[a]) - sumOf(best.centroids[b]));
  const newId = new Int32Array(k);
  order.forEach((old, id) => (newId[old] = id));
  return {
    ...best,
    clusters: best.clusters.map((id) => newId[id]),
    centroids: order.map((old) => best.centroids[old]),
  };
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

function checkCount(rows: number, k: number): void {
  if (!Number.isInteger(k))
    throw new TunebookError(`cluster: expected a whole number of groups as k, got ${kindOf(k)}.`);
  if (rows < k || k < 1) {
    throw new TunebookError(
      `cluster: expected at least as many rows as groups, got ${rows} rows and k=${k}. ` +
        (k < 1 ? 'Choose a k of at least 1.' : 'Choose fewer groups, or give more rows.'),
    );
  }
}

/** Loaded on first use: it would cost every import of the package 70 ms. */
const steps: typeof MlKmeans.kmeansGenerator = (...args) =>
  (createRequire(__filename)('ml-kmeans') as typeof MlKmeans).kmeansGenerator(...args);

function lastStep(
  rows: readonly number[][],
  k: number,
  options: { seed: number; maxIterations: number },
): { centroids: number[][]; iterations: number } | undefined {
  let last: { centroids: number[][]; iterations: number } | undefined;
  for (const step of steps(rows as number[][], k, { ...options, tolerance: 1e-6 })) last = step;
  return last;
}

/** Rows to their nearest centroid, and the inertia. */
export function assignClusters(
  rows: readonly number[][],
  centroids: number[][],
  iterations: number,
): Clustering {
  const clusters = new Int32Array(rows.length);
  let inertia = 0;
  rows.forEach((row, i) => {
    const { id, distance } = nearest(row, centroids);
    clusters[i] = id;
    inertia += distance;
  });
  return { k: centroids.length, clusters, centroids, inertia, iterations };
}

function nearest(row: readonly number[], centroids: readonly number[][]): { id: number; distance: number } {
  let id = 0;
  let distance = Infinity;
  centroids.forEach((centroid, c) => {
    const d = squaredDistance(row, centroid);
    if (d < distance) {
      id = c;
      distance = d;
    }
  });
  return { id, distance };
}

function squaredDistance(a: readonly number[], b: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

/**
 * The published k-means: scikit-learn's `KMeans(k, random_state=seed)` with one start, centre for centre:
 * greedy k-means++ (Arthur and Vassilvitskii 2007) drawn from NumPy's legacy generator, and scikit-learn's
 * stopping rule (labels unchanged, or squared centre shift at most 1e-4 of the mean variance).
 */
export function publishedCluster(
  rows: readonly number[][],
  options: { k: number; seed: number },
): Clustering {
  const { k, seed } = options;
  checkCount(rows.length, k);
  const width = rows[0].length;
  const means = columnMeans(rows, width);
  const centred = rows.map((row) => row.map((value, j) => value - means[j]));
  const variance =
    sumOf(
      columnMeans(
        centred.map((row) => row.map((v) => v * v)),
        width,
      ),
    ) / width;
  const tolerance = 1e-4 * variance;
  let before = greedyStart(centred, k, seed);
  let labels: number[] = [];
  let iterations = 0;
  for (const step of steps(centred, k, {
    initialization: before,
    tolerance: 0,
    maxIterations: 300,
  })) {
    iterations = step.iterations;
    const shift = sumOf(step.centroids.map((centroid, c) => squaredDistance(centroid, before[c])));
    const unchanged = labels.length > 0 && step.clusters.every((id, i) => id === labels[i]);
    before = step.centroids;
    labels = [...step.clusters];
    if (unchanged || shift <= tolerance) break;
  }
  const found = assignClusters(centred, before, iterations);
  return { ...found, centroids: before.map((centroid) => centroid.map((value, j) => value + means[j])) };
}

function columnMeans(rows: readonly number[][], width: number): number[] {
  const sums = new Array<number>(width).fill(0);
  for (const row of rows) for (let j = 0; j < width; j++) sums[j] += row[j];
  return sums.map((sum) => sum / rows.length);
}

/** Greedy k-means++: of 2 + floor(ln k) candidates per centre, the one that lowers the potential most. */
function greedyStart(rows: readonly number[][], k: number, seed: number): number[][] {
  const random = legacyRandom(seed);
  const trials = 2 + Math.floor(Math.log(k));
  const first = Math.min(rows.length - 1, Math.floor(random.double() * rows.length));
  const centres = [[...rows[first]]];
  let closest = Float64Array.from(rows, (row) => squaredDistance(row, rows[first]));
  let potential = closest.reduce((sum, d) => sum + d, 0);
  while (centres.length < k) {
    const wanted = Array.from({ length: trials }, () => random.double() * potential);
    let best: { id: number; closest: Float64Array<ArrayBuffer>; potential: number } | undefined;
    for (const mark of wanted) {
      const id = searchSum(closest, mark);
      const next = closest.map((d, i) => Math.min(d, squaredDistance(rows[i], rows[id])));
      const total = next.reduce((sum, d) => sum + d, 0);
      if (!best || total < best.potential) best = { id, closest: next, potential: total };
    }
    if (!best) throw new Error('internal: k-means++ drew no candidate');
    centres.push([...rows[best.id]]);
    closest = best.closest;
    potential = best.potential;
  }
  return centres;
}

/** First index at which the running sum reaches `mark`. */
function searchSum(values: Float64Array, mark: number): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) {
    sum += values[i];
    if (sum >= mark) return i;
  }
  return values.length - 1;
}

/** Scores of a number of groups. */
export interface GroupCount {
  k: number;
  inertia: number;
  /** Mean silhouette (Rousseeuw 1987) of a seeded sample of rows, in -1 .. 1. */
  silhouette: number;
}

/** How many groups fit, and what was tried. */
export interface GroupChoice {
  candidates: GroupCount[];
  /** Largest distance of the inertia curve from the line between its ends. */
  elbow: number;
  /** The count with the best silhouette among those within one of the elbow. */
  chosen: number;
}

/** Tries each number of groups, on at most `sample` rows. */
export function chooseGroups(
  rows: readonly number[][],
  options: { from?: number; to?: number; seed: number; sample?: number },
): GroupChoice {
  requireList(rows, { where: 'chooseGroups', what: 'rows of numbers' });
  requireObject(options, { where: 'chooseGroups', what: 'options with a seed' });
  requireOptions<{ from?: number; to?: number; seed: number; sample?: number }>(options, {
    where: 'chooseGroups',
    names: { from: true, to: true, seed: true, sample: true },
  });
  const { from = 2, to = 9, seed, sample = 4000 } = options;
  const chosenRows = sampleRows(rows, sample, seed);
  const candidates: GroupCount[] = [];
  for (let k = from; k <= Math.min(to, chosenRows.length - 1); k++) {
    const found = cluster(chosenRows, { k, seed, starts: 2 });
    candidates.push({ k, inertia: found.inertia, silhouette: silhouette(chosenRows, found.clusters, seed) });
  }
  if (candidates.length === 0) {
    throw new TunebookError(
      `cluster: expected more than ${from} rows to choose k from, got ${rows.length}. Give more rows, or a k (k: 1 is one group).`,
    );
  }
  const elbow = elbowOf(candidates);
  const near = candidates.filter(({ k }) => Math.abs(k - elbow) <= 1);
  const chosen = near.reduce((best, one) => (one.silhouette > best.silhouette ? one : best)).k;
  return { candidates, elbow, chosen };
}

function sampleRows(rows: readonly number[][], size: number, seed: number): readonly number[][] {
  if (rows.length <= size) return rows;
  const random = seededRandom(seed);
  return Array.from({ length: size }, () => rows[random.integer(0, rows.length - 1)]);
}

/** The k whose point lies farthest below the line between the first and the last. */
export function elbowOf(curve: readonly { k: number; inertia: number }[]): number {
  requireList(curve, { where: 'elbowOf', what: 'a list of { k, inertia }' });
  if (curve.length === 0)
    throw new TunebookError(
      'elbowOf: expected at least one { k, inertia }, got none. Pass the candidates of chooseGroups.',
    );
  const first = curve[0];
  const last = curve[curve.length - 1];
  const below = ({ k, inertia }: { k: number; inertia: number }): number => {
    const share = last.k === first.k ? 0 : (k - first.k) / (last.k - first.k);
    return first.inertia + share * (last.inertia - first.inertia) - inertia;
  };
  return curve.reduce((best, point) => (below(point) > below(best) ? point : best)).k;
}

/** Mean silhouette of at most `limit` rows against as many. */
export function silhouette(
  rows: readonly number[][],
  clusters: ArrayLike<number>,
  seed: number,
  limit = 800,
): number {
  requireList(rows, { where: 'silhouette', what: 'rows of numbers' });
  requireList(clusters, { where: 'silhouette', what: 'the group of each row' });
  const random = seededRandom(seed);
  const all = random.shuffle(rows.map((_, i) => i)).slice(0, limit);
  let sum = 0;
  for (const i of all) {
    const totals = new Map<number, { sum: number; count: number }>();
    for (const j of all) {
      if (i === j) continue;
      const entry = totals.get(clusters[j]) ?? { sum: 0, count: 0 };
      entry.sum += Math.sqrt(squaredDistance(rows[i], rows[j]));
      entry.count++;
      totals.set(clusters[j], entry);
    }
    const own = totals.get(clusters[i]);
    if (!own) continue; // alone in its group: silhouette 0 by definition
    let other = Infinity;
    for (const [id, entry] of totals)
      if (id !== clusters[i]) other = Math.min(other, entry.sum / entry.count);
    const a = own.sum / own.count;
    if (Number.isFinite(other)) sum += (other - a) / Math.max(a, other, Number.MIN_VALUE);
  }
  return all.length === 0 ? 0 : sum / all.length;
}
