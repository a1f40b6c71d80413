/** Scaler and neighbours: by hand, against scikit-learn, against a sort of all distances, under filters, and what is refused. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { uniformAt } from '../../lib/random';
import { NearestNeighbors, StandardScaler } from '../../lib/retrieval';
import { assertClose } from '../support/assert-close';
import { ROOT } from '../support/paths';

const rows = Array.from({ length: 500 }, (_, i) =>
  Array.from({ length: 6 }, (__, j) => Math.fround(uniformAt(3, i, j))),
);

/** All distances, sorted; equal ones by row. */
function sorted(point: readonly number[], columns: readonly number[]): { row: number; distance: number }[] {
  return rows
    .map((row, i) => ({ row: i, distance: Math.hypot(...columns.map((j) => row[j] - point[j])) }))
    .sort((a, b) => a.distance - b.distance || a.row - b.row);
}

it('scales and neighbours are those of scikit-learn', () => {
  const golden = JSON.parse(
    fs.readFileSync(path.join(ROOT, 'test', 'golden', 'retrieval', 'golden.json'), 'utf8'),
  ) as Record<'mean' | 'scale' | 'points', number[]> & Record<'indices' | 'distances', number[][]>;
  const made = Array.from({ length: 300 }, (_, i) =>
    Array.from({ length: 6 }, (__, j) => ((i * 7919 + j * 104729 + i * j * 31) % 1009) / 7),
  );
  const scaler = new StandardScaler().fit(made);
  assertClose(scaler.mean, golden.mean, { absolute: 0, relative: 1e-12 }, 'mean');
  assertClose(scaler.scale, golden.scale, { absolute: 0, relative: 1e-12 }, 'scale');
  const scaled = scaler.transform(made);
  const found = new NearestNeighbors({ nNeighbors: 8 }).fit(scaled);
  golden.points.forEach((point, i) => {
    const { indices, distances } = found.kneighbors(scaled[point]);
    assert.deepEqual([...indices], golden.indices[i]);
    assertClose(distances, golden.distances[i], { absolute: 1e-5, relative: 1e-5 }, 'distances');
  });
});

describe('StandardScaler', () => {
  it('centres and scales as by hand, and leaves a column that never changes', () => {
    const scaler = new StandardScaler().fit([
      [1, 5, 0],
      [3, 5, 4],
    ]);
    assert.deepEqual([...scaler.mean], [2, 5, 2]);
    assert.deepEqual([...scaler.scale], [1, 1, 2]);
    assert.deepEqual(
      scaler.transform([[4, 6, 1]]).map((row) => [...row]),
      [[2, 1, -0.5]],
    );
  });

  it('refuses rows of several widths, no rows, and to transform before fit', () => {
    assert.throws(
      () => new StandardScaler().fit([[1], [1, 2]]),
      /expected 1 columns in each row, got 2 in row 1/,
    );
    assert.throws(() => new StandardScaler().fit([]), /expected rows with columns/);
    assert.throws(() => new StandardScaler().transform([[1]]), /Call fit first/);
  });
});

describe('NearestNeighbors', () => {
  const neighbors = new NearestNeighbors({ nNeighbors: 7 }).fit(rows);
  const all = [0, 1, 2, 3, 4, 5];

  it('finds what a sort of all distances finds', () => {
    for (const at of [0, 17, 499]) {
      const { indices, distances } = neighbors.kneighbors(rows[at]);
      const wanted = sorted(rows[at], all).slice(0, 7);
      assert.deepEqual(
        [...indices],
        wanted.map(({ row }) => row),
      );
      distances.forEach((distance, i) => assert.ok(Math.abs(distance - wanted[i].distance) < 1e-6));
      assert.equal(indices[0], at);
    }
  });

  it('uses chosen columns, a filter, and as many neighbours as requested', () => {
    const { indices } = neighbors.kneighbors(rows[3], {
      nNeighbors: 20,
      columns: [1, 4],
      filter: (row) => row % 2 === 0,
    });
    const wanted = sorted(rows[3], [1, 4]).filter(({ row }) => row % 2 === 0);
    assert.deepEqual(
      [...indices],
      wanted.slice(0, 20).map(({ row }) => row),
    );
  });

  it('returns fewer when fewer are there, and equally near ones in order', () => {
    const few = new NearestNeighbors({ nNeighbors: 9 }).fit([[1], [0], [1], [1]]);
    assert.deepEqual([...few.kneighbors([1]).indices], [0, 2, 3, 1]);
    assert.deepEqual([...few.kneighbors([1], { filter: () => false }).indices], []);
    assert.deepEqual([...few.kneighbors([1], { nNeighbors: 2 }).indices], [0, 2]);
  });

  it('takes a point with gaps in columns that do not count', () => {
    const point = [NaN, ...rows[3].slice(1)];
    assert.equal(neighbors.kneighbors(point, { columns: [1, 2, 3, 4, 5] }).indices[0], 3);
    assert.throws(() => neighbors.kneighbors(point), /expected a number, got NaN in column 0/);
  });

  it('refuses other widths, gaps, and invalid counts', () => {
    assert.throws(() => neighbors.kneighbors([1]), /expected 6 columns in each row, got 1/);
    assert.throws(() => new NearestNeighbors().fit([[1, NaN]]), /got NaN in row 0, column 1/);
    assert.throws(() => new NearestNeighbors({ nNeighbors: 0 }), /whole number above 0, got 0/);
    assert.throws(() => new NearestNeighbors().kneighbors([1]), /Call fit first/);
  });
});
