/** NumPy's generator, k-means, silhouette and regression against NumPy and scikit-learn (test/golden/hyrox/make.py). */
import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { legacyRandom, publishedSplit } from '../../lib/hyrox/statistics/numpy-random';
import {
  chooseGroups,
  cluster,
  elbowOf,
  publishedCluster,
  silhouette,
} from '../../lib/hyrox/statistics/cluster';
import { fitLinear, fitQuality } from '../../lib/hyrox/statistics/regression';
import { fitBoosted } from '../../lib/hyrox/statistics/boosting';
import { seededRandom } from '../../lib/random';
import { moments, pearson, quantile, ranks, spearmanMatrix } from '../../lib/hyrox/statistics/statistics';
import { ROOT } from '../support/paths';

interface Golden {
  permutation10: number[];
  permutation1000: number[];
  permutation1000again: number[];
  doubles: number[];
  test23: number[];
  kmeans: { k: number; inertia: number; labels: number[]; silhouette: number }[];
  linear: { coefficients: number[]; intercept: number; r2: number };
}

const source = path.join(ROOT, 'test', 'golden', 'hyrox', 'golden.json');
const golden = JSON.parse(fs.readFileSync(source, 'utf8')) as Golden;
const points = Array.from({ length: 120 }, (_, i) => [
  ((i * 7919) % 101) / 101 + (i % 3),
  ((i * 104729) % 97) / 97 + (i % 2),
]);
const y = points.map(([a, b], i) => a * 3 - 2 * b + ((i * 31) % 17) / 17);
const close = (got: number, want: number, tolerance: number): void =>
  assert.ok(Math.abs(got - want) <= tolerance, `${got}, not ${want}`);

describe('legacyRandom', () => {
  it("permutes as NumPy's RandomState does", () => {
    assert.deepEqual([...legacyRandom(42).permutation(10)], golden.permutation10);
    const random = legacyRandom(0);
    assert.deepEqual([...random.permutation(1000)], golden.permutation1000);
    assert.deepEqual([...random.permutation(1000)], golden.permutation1000again);
  });

  it('draws the same doubles', () => {
    const random = legacyRandom(42);
    assert.deepEqual(
      golden.doubles.map(() => random.double()),
      golden.doubles,
    );
  });

  it("splits as scikit-learn's train_test_split does", () => {
    const inTrain = publishedSplit(23, 0.2, 42);
    assert.deepEqual(
      [...inTrain.keys()].filter((i) => inTrain[i] === 0),
      [...golden.test23].sort((a, b) => a - b),
    );
  });
});

describe('k-means', () => {
  it('names what is missing of its options', () => {
    const rows = [[1], [2], [3]];
    assert.throws(() => cluster(rows, {} as never), /expected a whole number of groups as k, got undefined/);
    assert.throws(() => cluster(rows, { k: 2 } as never), /expected a whole number as seed, got undefined/);
    assert.throws(() => cluster(rows, { k: 1.5, seed: 1 }), /as k, got 1.5/);
  });

  it("replays scikit-learn's KMeans, labels and inertia", () => {
    for (const want of golden.kmeans) {
      const got = publishedCluster(points, { k: want.k, seed: 42 });
      assert.deepEqual([...got.clusters], want.labels);
      close(got.inertia, want.inertia, 1e-9);
      close(silhouette(points, got.clusters, 1, 120), want.silhouette, 1e-9);
    }
  });

  it('finds separate groups, numbered by their sums, whatever the seed', () => {
    const random = seededRandom(3);
    const rows = Array.from({ length: 150 }, (_, i) => [
      (i % 3) * 10 + random.normal(),
      (i % 3) * 10 + random.normal(),
    ]);
    for (const seed of [1, 2, 3]) {
      const found = cluster(rows, { k: 3, seed });
      assert.deepEqual(
        [...found.clusters],
        rows.map((_, i) => i % 3),
      );
    }
    const choice = chooseGroups(rows, { seed: 1, to: 6 });
    assert.equal(choice.elbow, 3);
    assert.equal(choice.chosen, 3);
  });

  it('finds the elbow of a bent curve', () => {
    const curve = [100, 50, 20, 18, 16, 14].map((inertia, i) => ({ k: i + 2, inertia }));
    assert.equal(elbowOf(curve), 4);
  });

  it('refuses more groups than rows', () => {
    assert.throws(() => cluster([[1], [2]], { k: 3, seed: 1 }), /2 rows and k=3/);
  });
});

describe('regression', () => {
  it("fits as scikit-learn's LinearRegression does", () => {
    const model = fitLinear(points, y);
    model.coefficients.forEach((value, j) => close(value, golden.linear.coefficients[j], 1e-9));
    close(model.intercept, golden.linear.intercept, 1e-9);
    close(
      fitQuality(
        y,
        points.map((row) => model.predict(row)),
      ).r2,
      golden.linear.r2,
      1e-9,
    );
  });

  it('refuses fewer rows than features', () => {
    assert.throws(() => fitLinear([[1, 2, 3]], [1]), /more rows than features/);
  });

  it('boosts trees to a step and a product that a line cannot follow', () => {
    const random = seededRandom(5);
    const rows = Array.from({ length: 2000 }, () => [random.next(), random.next(), random.next()]);
    const truth = rows.map(([a, b]) => (a > 0.5 ? 4 : 0) + 6 * (a - 0.5) * (b - 0.5));
    const model = fitBoosted(rows.slice(0, 1500), truth.slice(0, 1500));
    const rest = rows.slice(1500);
    const quality = fitQuality(
      truth.slice(1500),
      rest.map((row) => model.predict(row)),
    );
    const linear = fitLinear(rows.slice(0, 1500), truth.slice(0, 1500));
    const straight = fitQuality(
      truth.slice(1500),
      rest.map((row) => linear.predict(row)),
    );
    assert.ok(quality.r2 > 0.97, `boosted R2 ${quality.r2}`);
    assert.ok(straight.r2 < 0.85, `linear R2 ${straight.r2}`);
  });

  it('boosts a constant to that constant', () => {
    const model = fitBoosted([[1], [2], [3]], [5, 5, 5]);
    assert.equal(model.predict([9]), 5);
  });
});

describe('statistics', () => {
  it('equals hand-worked numbers', () => {
    assert.deepEqual(moments([1, 2, 3, NaN, 6]), {
      count: 4,
      mean: 3,
      sd: Math.sqrt(3.5),
      skewness: 4.5 / 3.5 ** 1.5,
    });
    assert.equal(quantile([0, 10, 20], 0.25), 5);
    assert.deepEqual([...ranks([30, 10, 10, 20])], [4, 1.5, 1.5, 3]);
    close(pearson([1, 2, 3], [2, 4, 7]), 5 / Math.sqrt(2 * (38 / 3)), 1e-12);
    assert.deepEqual(
      spearmanMatrix([
        [1, 2, 3],
        [9, 4, 1],
      ]).map((row) => row.map((r) => Math.round(r * 1e9) / 1e9)),
      [
        [1, -1],
        [-1, 1],
      ],
    );
  });
});
