/**
 * Seeded numbers, splits, splits on disk, and files that are whole or absent.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { createRandom, loadSplits, saveSplits, splitRecords, trainTestSplit } from '../../lib/dataset';
import { ROOT } from '../support/paths';

const golden = path.join(ROOT, 'test', 'golden', 'dataset');
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-splits-'));
after(() => fs.rmSync(scratch, { recursive: true, force: true }));

const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

describe('createRandom', () => {
  it('gives the numbers of an independent sfc32 (test/golden/dataset/make.py)', () => {
    const cases = JSON.parse(fs.readFileSync(path.join(golden, 'random.json'), 'utf8')) as {
      seeds: (number | string)[];
      values: number[];
    }[];
    assert.equal(cases.length, 4);
    for (const { seeds, values } of cases) {
      const random = createRandom(...seeds);
      assert.deepEqual(
        values.map(() => random.nextUint32()),
        values,
      );
    }
  });

  it('is uniform, normal on request, and differs between seeds', () => {
    const random = createRandom('evenness', 3);
    // Six degrees of freedom: 22.5 is the 0.1% point of chi-squared.
    const draws = numbers(70_000).map(() => random.nextInt(7));
    const expected = draws.length / 7;
    const chi = numbers(7).reduce((sum, face) => {
      const count = draws.filter((draw) => draw === face).length;
      return sum + (count - expected) ** 2 / expected;
    }, 0);
    assert.ok(chi < 22.5, `chi-squared ${chi}`);
    const normals = numbers(50_000).map(() => random.nextNormal());
    const mean = normals.reduce((a, b) => a + b, 0) / normals.length;
    const variance = normals.reduce((a, b) => a + (b - mean) ** 2, 0) / normals.length;
    assert.ok(Math.abs(mean) < 0.02 && Math.abs(variance - 1) < 0.03, `${mean} ${variance}`);
    assert.notEqual(createRandom(1).next(), createRandom('1').next());
    assert.notEqual(createRandom(1, 2).next(), createRandom(12).next());
  });

  it('shuffles a copy', () => {
    const items = numbers(100);
    const shuffled = createRandom(5).shuffle(items);
    assert.deepEqual(items, numbers(100));
    assert.notDeepEqual(shuffled, items);
    assert.deepEqual(
      [...shuffled].sort((a, b) => a - b),
      items,
    );
    assert.deepEqual(createRandom(5).shuffle(items), shuffled);
  });
});

describe('splitRecords', () => {
  it("has the original's sizes: 4204 / 526 / 526 of 5256", () => {
    const { train, validation, test } = splitRecords(numbers(5256));
    assert.deepEqual([train.length, validation.length, test.length], [4204, 526, 526]);
    assert.deepEqual(
      [...train, ...validation, ...test].sort((a, b) => a - b),
      numbers(5256),
    );
  });

  it('is fixed by its seed, and another seed gives another', () => {
    assert.deepEqual(splitRecords(numbers(50)), splitRecords(numbers(50), { seed: 42 }));
    assert.notDeepEqual(splitRecords(numbers(50)), splitRecords(numbers(50), { seed: 43 }));
  });

  for (const [count, ratios, sizes] of [
    [10, { train: 0.7, validation: 0.2, test: 0.1 }, [7, 2, 1]],
    [10, { train: 1, validation: 0, test: 0 }, [10, 0, 0]],
    [10, { train: 0.9, validation: 0.1, test: 0 }, [9, 1, 0]],
    [3, { train: 0.8, validation: 0.1, test: 0.1 }, [2, 0, 1]],
    [0, { train: 0.8, validation: 0.1, test: 0.1 }, [0, 0, 0]],
  ] as const) {
    it(`${count} records at ${Object.values(ratios).join('/')}: ${sizes.join('/')}`, () => {
      const { train, validation, test } = splitRecords(numbers(count), { ratios });
      assert.deepEqual([train.length, validation.length, test.length], sizes);
    });
  }

  it('refuses invalid ratios', () => {
    assert.throws(() => splitRecords([], { ratios: { train: 0.8, validation: 0.1, test: 0.2 } }), /sum to 1/);
    assert.throws(
      () => splitRecords([], { ratios: { train: 1.2, validation: -0.1, test: -0.1 } }),
      /not negative/,
    );
  });

  it('trainTestSplit: a fifth by default, rounded up', () => {
    const { train, test } = trainTestSplit(numbers(5256));
    assert.deepEqual([train.length, test.length], [4204, 1052]);
    assert.deepEqual(trainTestSplit(numbers(9), { testSize: 0.5 }).test.length, 5);
    assert.throws(() => trainTestSplit([], { testSize: 2 }), /between 0 and 1, got 2/);
  });
});

describe('splits on disk', () => {
  const records = numbers(20).map((i) => ({ input: `pregunta ${i} ¿?`, response: `${i}`, nested: { i } }));

  it('load as they were saved, and the same splits give the same bytes', async () => {
    const folder = path.join(scratch, 'whole');
    const splits = splitRecords(records, { seed: 7 });
    const manifest = await saveSplits(folder, splits, { seed: 7, source: 'made up' });
    assert.deepEqual(fs.readdirSync(folder).sort(), [
      'splits.json',
      'test.jsonl',
      'train.jsonl',
      'validation.jsonl',
    ]);
    const loaded = await loadSplits(folder);
    assert.deepEqual(loaded.splits, splits);
    assert.deepEqual(loaded.manifest, manifest);
    assert.equal(manifest.files.train.records, 16);
    assert.equal(manifest.source, 'made up');
    const before = fs.readFileSync(path.join(folder, 'splits.json'));
    await saveSplits(folder, splits, { seed: 7, source: 'made up' });
    assert.deepEqual(fs.readFileSync(path.join(folder, 'splits.json')), before);
  });

  it('an empty part is kept empty', async () => {
    const folder = path.join(scratch, 'empty');
    await saveSplits(folder, { train: records, validation: [], test: [] });
    assert.deepEqual((await loadSplits(folder)).splits.test, []);
  });

  it('refuses a changed, missing or foreign file', async () => {
    const folder = path.join(scratch, 'changed');
    await saveSplits(folder, splitRecords(records));
    const test = path.join(folder, 'test.jsonl');
    fs.appendFileSync(test, '{"input":"more"}\n');
    await assert.rejects(loadSplits(folder), /test\.jsonl: expected the 2 records whose checksum/);
    fs.rmSync(test);
    await assert.rejects(loadSplits(folder), /test\.jsonl: cannot be read/);
    const manifest = path.join(folder, 'splits.json');
    for (const text of [
      '{"version":2}',
      'no json',
      fs.readFileSync(manifest, 'utf8').replace('train.jsonl', '../x.jsonl'),
    ]) {
      fs.writeFileSync(manifest, text);
      await assert.rejects(loadSplits(folder), { name: 'TunebookError', message: /splits\.json/ });
    }
    await assert.rejects(loadSplits(path.join(scratch, 'nowhere')), /splits\.json: cannot be read/);
  });
});
