/** Scales columns to mean 0 and standard deviation 1, like scikit-learn's StandardScaler. */
import { requireList, TunebookError } from '../../types';

/** Rows of numbers, [rows][columns]. */
export type Rows = readonly ArrayLike<number>[];

/**
 * Fits mean and (population) standard deviation of each column, and standardizes rows; a constant column is only
 * centred.
 * @example
 * ```ts
 * import { StandardScaler } from 'tunebook/retrieval';
 *
 * const scaler = new StandardScaler().fit([[1, 10], [3, 30]]);
 * console.log(scaler.transform([[2, 40]])); // [Float64Array [0, 2]]
 * ```
 */
export class StandardScaler {
  /** [columns]; empty before `fit`. */
  mean: Float64Array = new Float64Array(0);
  /** [columns]: standard deviations, 1 for constant columns. */
  scale: Float64Array = new Float64Array(0);

  /** @throws TunebookError where there are no rows, or rows of several widths */
  fit(rows: Rows): this {
    const width = widthOf(rows, 'StandardScaler.fit');
    const mean = new Float64Array(width);
    const scale = new Float64Array(width);
    for (const row of rows) for (let j = 0; j < width; j++) mean[j] += row[j] / rows.length;
    for (const row of rows) for (let j = 0; j < width; j++) scale[j] += (row[j] - mean[j]) ** 2 / rows.length;
    this.mean = mean;
    this.scale = scale.map((variance) => (variance > 0 ? Math.sqrt(variance) : 1));
    return this;
  }

  /** @throws TunebookError where `fit` was not called, or rows have another width */
  transform(rows: Rows): Float64Array[] {
    const { mean, scale } = this;
    const width = widthOf(rows, 'StandardScaler.transform', mean.length);
    return rows.map((row) => Float64Array.from({ length: width }, (_, j) => (row[j] - mean[j]) / scale[j]));
  }
}

/** The common width of all rows. @throws TunebookError where there is none, or it is not the expected one */
export function widthOf(rows: Rows, where: string, wanted?: number): number {
  requireList(rows, { where, what: 'rows of numbers' });
  if (wanted === 0) throw new TunebookError(`${where}: expected fitted columns, got none. Call fit first.`);
  const width = wanted ?? rows[0]?.length ?? 0;
  if (width === 0) throw new TunebookError(`${where}: expected rows with columns, got none.`);
  const wrong = rows.findIndex((row) => row.length !== width);
  if (wrong >= 0)
    throw new TunebookError(
      `${where}: expected ${width} columns in each row, got ${rows[wrong].length} in row ${wrong}.`,
    );
  return width;
}
