/**
 * Gradient-boosted regression trees on histograms (Friedman 2001; the histogram method of LightGBM, Ke et al. 2017).
 *
 * Why here: of the packages on npm, `lightgbm` and `xgboost` compile native code at install, `ml-xgboost` is an
 * unmaintained port, and `ml-cart` needs seconds for one tree of 4,000 rows.
 * Where it stands: beside `regression.ts`, for comparison with the linear expectation.
 */
import { requireOptions } from '../../options';
import { TunebookError, requireList } from '../../types';
import { quantile, sortedFinite } from './statistics';

/** What gradient boosting takes. */
export interface BoostingOptions {
  /** Default 80. */
  trees?: number;
  /** Levels of splits. Default 4. */
  depth?: number;
  /** Shrinkage of each tree. Default 0.1. */
  learningRate?: number;
  /** Fewest rows in a leaf. Default 20. */
  minLeafRows?: number;
}

/** Fitted gradient-boosted trees. */
export interface BoostedModel {
  /** The trees as plain data, which JSON can hold; `predictBoosted` reads it. */
  readonly forest: BoostedForest;
  predict(row: ArrayLike<number>): number;
}

/** A prediction is `base` plus `learningRate` times the leaf of each tree. */
export interface BoostedForest {
  base: number;
  learningRate: number;
  trees: BoostedNode[][];
}

/** A node as saved: rows with value <= cut go left, a leaf has feature -1. */
export type BoostedNode = Omit<Node, 'bin'>;

const BINS = 64;

/** A node: a split (rows with value <= cut go left), or a leaf where `feature` is -1. */
interface Node {
  feature: number;
  cut: number;
  bin: number;
  left: number;
  right: number;
  value: number;
}

/**
 * Fits trees to y by squared error.
 *
 * @param rows [rows][features], finite
 * @param y [rows]
 */
export function fitBoosted(
  rows: readonly ArrayLike<number>[],
  y: ArrayLike<number>,
  options: BoostingOptions = {},
): BoostedModel {
  requireList(rows, { where: 'fitBoosted', what: 'rows of numbers' });
  requireList(y, { where: 'fitBoosted', what: 'a number of each row' });
  requireOptions<BoostingOptions>(options, {
    where: 'fitBoosted',
    names: { trees: true, depth: true, learningRate: true, minLeafRows: true },
  });
  const { trees = 80, depth = 4, learningRate = 0.1, minLeafRows = 20 } = options;
  if (rows.length === 0 || rows.length !== y.length) {
    throw new TunebookError(
      `fitBoosted: expected as many rows as values, got ${rows.length} and ${y.length}. ` +
        (rows.length === 0 ? 'Give more rows.' : 'Pass both of the same table.'),
    );
  }
  const width = rows[0].length;
  const cuts = Array.from({ length: width }, (_, j) => binCuts(rows, j));
  const binned = cuts.map((edges, j) => Uint8Array.from(rows, (row) => binOf(edges, row[j])));
  let base = 0;
  for (let i = 0; i < y.length; i++) base += y[i] / y.length;
  const residual = Float64Array.from(y, (value) => value - base);
  const forest: BoostedNode[][] = [];
  for (let t = 0; t < trees; t++) {
    const tree = growTree({ binned, cuts, residual, depth, minLeafRows });
    for (let i = 0; i < residual.length; i++) {
      let node = tree[0];
      while (node.feature >= 0) node = tree[binned[node.feature][i] <= node.bin ? node.left : node.right];
      residual[i] -= learningRate * node.value;
    }
    forest.push(tree.map(({ feature, cut, left, right, value }) => ({ feature, cut, left, right, value })));
  }
  const fitted = { base, learningRate, trees: forest };
  return { forest: fitted, predict: (row) => predictBoosted(fitted, row) };
}

/** The prediction of fitted trees for one row of features. */
export function predictBoosted({ base, learningRate, trees }: BoostedForest, row: ArrayLike<number>): number {
  let sum = base;
  for (const tree of trees) {
    let node = tree[0];
    while (node.feature >= 0) node = tree[row[node.feature] <= node.cut ? node.left : node.right];
    sum += learningRate * node.value;
  }
  return sum;
}

/** Distinct quantiles of one feature: upper edges of all bins but the last. */
function binCuts(rows: readonly ArrayLike<number>[], feature: number): Float64Array {
  const sorted = sortedFinite(Float64Array.from(rows, (row) => row[feature]));
  const edges = new Set<number>();
  for (let b = 1; b < BINS; b++) edges.add(quantile(sorted, b / BINS));
  return Float64Array.from(edges);
}

function binOf(edges: Float64Array, value: number): number {
  let low = 0;
  let high = edges.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (edges[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

interface Growing {
  binned: readonly Uint8Array[];
  cuts: readonly Float64Array[];
  residual: Float64Array;
  depth: number;
  minLeafRows: number;
}

function growTree(growing: Growing): Node[] {
  const tree: Node[] = [];
  const grow = (rows: Int32Array, level: number): number => {
    let sum = 0;
    for (const i of rows) sum += growing.residual[i];
    const at = tree.length;
    tree.push({ feature: -1, cut: 0, bin: 0, left: -1, right: -1, value: sum / rows.length });
    const split = level < growing.depth ? bestSplit(growing, rows, sum) : undefined;
    if (split) {
      const column = growing.binned[split.feature];
      const left = grow(
        rows.filter((i) => column[i] <= split.bin),
        level + 1,
      );
      const right = grow(
        rows.filter((i) => column[i] > split.bin),
        level + 1,
      );
      Object.assign(tree[at], { ...split, cut: growing.cuts[split.feature][split.bin], left, right });
    }
    return at;
  };
  grow(
    Int32Array.from(growing.residual, (_, i) => i),
    0,
  );
  return tree;
}

/** The split that lowers the squared error most, if any does. */
function bestSplit(
  { binned, cuts, residual, minLeafRows }: Growing,
  rows: Int32Array,
  sum: number,
): { feature: number; bin: number } | undefined {
  const count = rows.length;
  let best: { feature: number; bin: number } | undefined;
  let bestGain = (sum * sum) / count + 1e-9;
  const sums = new Float64Array(BINS + 1);
  const counts = new Int32Array(BINS + 1);
  binned.forEach((column, feature) => {
    sums.fill(0);
    counts.fill(0);
    for (const i of rows) {
      sums[column[i]] += residual[i];
      counts[column[i]]++;
    }
    let leftSum = 0;
    let leftCount = 0;
    for (let bin = 0; bin < cuts[feature].length; bin++) {
      leftSum += sums[bin];
      leftCount += counts[bin];
      if (leftCount < minLeafRows || count - leftCount < minLeafRows) continue;
      const rightSum = sum - leftSum;
      const gain = (leftSum * leftSum) / leftCount + (rightSum * rightSum) / (count - leftCount);
      if (gain > bestGain) {
        bestGain = gain;
        best = { feature, bin };
      }
    }
  });
  return best;
}
