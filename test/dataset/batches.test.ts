/**
 * Collating, packing and the order of batches.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { batchOrder, bucketLengths, createDataCollator, createRandom, packExamples } from '../../lib/dataset';
import type { EncodedExample } from '../../lib/types';

/** Ids 10, 11, ...; the first `prompt` labels ignored. */
function example(length: number, prompt = 0, first = 10): EncodedExample {
  const inputIds = Array.from({ length }, (_, i) => first + i);
  return { inputIds, labels: inputIds.map((id, i) => (i < prompt ? -100 : id)) };
}

describe('buckets', () => {
  it('grow in quarter steps up to the longest', () => {
    const to512 = [32, 64, 96, 128, 160, 192, 224, 256, 320, 384, 448, 512];
    assert.deepEqual(bucketLengths(512), to512);
    assert.deepEqual(bucketLengths(1024), [...to512, 640, 768, 896, 1024]);
    assert.deepEqual(bucketLengths(300), [32, 64, 96, 128, 160, 192, 224, 256, 300]);
    assert.deepEqual(bucketLengths(100), [32, 64, 96, 100]);
    assert.deepEqual(bucketLengths(20), [20]);
    assert.deepEqual(bucketLengths(32), [32]);
  });
});

describe('collator', () => {
  it('pads to the smallest bucket; mask and labels go by length, so a real end of text keeps its label', () => {
    const collate = createDataCollator({ padTokenId: 2, maxLength: 8, buckets: [2, 4, 8] });
    const batch = collate([
      { inputIds: [5, 6, 2], labels: [-100, 6, 2] },
      { inputIds: [7], labels: [7] },
    ]);
    assert.deepEqual(batch.shape, [2, 4]);
    assert.deepEqual([...batch.inputIds], [5, 6, 2, 2, 7, 2, 2, 2]);
    assert.deepEqual([...batch.attentionMask], [1, 1, 1, 0, 1, 0, 0, 0]);
    assert.deepEqual([...batch.labels], [-100, 6, 2, -100, 7, -100, -100, -100]);
    assert.equal(batch.segmentIds, undefined);
    assert.deepEqual(collate([example(2)]).shape, [1, 2]);
    assert.deepEqual(collate([example(5)]).shape, [1, 8]);
  });

  it('pads on the left on request', () => {
    const collate = createDataCollator({ padTokenId: 0, maxLength: 4, buckets: [4], paddingSide: 'left' });
    const batch = collate([{ inputIds: [5, 6], labels: [-100, 6] }]);
    assert.deepEqual([...batch.inputIds], [0, 0, 5, 6]);
    assert.deepEqual([...batch.attentionMask], [0, 0, 1, 1]);
    assert.deepEqual([...batch.labels], [-100, -100, -100, 6]);
  });

  it('marks documents where they are packed, -1 on padding', () => {
    const collate = createDataCollator({ padTokenId: 0, maxLength: 4 });
    const batch = collate([{ ...example(3), segmentIds: [0, 0, 1] }, example(2)]);
    assert.deepEqual([...(batch.segmentIds ?? [])], [0, 0, 1, -1, 0, 0, -1, -1]);
  });

  it('names what is wrong', () => {
    const collate = createDataCollator({ padTokenId: 0, maxLength: 4 });
    assert.throws(() => collate([example(5)]), /at most 4 tokens, got 5/);
    assert.throws(() => collate([]), /at least one example/);
    assert.throws(
      () => collate([{ inputIds: [1, 2], labels: [1] }]),
      /as the 2 tokens, got 1 labels in example 0/,
    );
    assert.throws(() => createDataCollator({ padTokenId: 0, maxLength: 8, buckets: [4, 4] }), /ascending/);
    assert.throws(() => createDataCollator({ padTokenId: -1, maxLength: 8 }), /pad token id/);
  });
});

describe('packing', () => {
  it('fills sequences, marks documents, and hides the first label of each', () => {
    const packed = packExamples([example(3, 1), example(5, 2, 20), example(2, 0, 30)], { maxLength: 5 });
    assert.equal(packed.length, 2);
    const joined = packed.find((sequence) => sequence.segmentIds?.includes(1));
    assert.deepEqual(joined, {
      inputIds: [10, 11, 12, 30, 31],
      labels: [-100, 11, 12, -100, 31],
      segmentIds: [0, 0, 0, 1, 1],
    });
  });

  it('loses nothing and wastes little on random lengths', () => {
    const random = createRandom('packing', 1);
    const examples = Array.from({ length: 500 }, (_, i) => example(1 + random.nextInt(100), 0, i * 1000));
    const packed = packExamples(examples, { maxLength: 256 });
    const before = examples.flatMap(({ inputIds }) => inputIds).sort((a, b) => a - b);
    const after = packed.flatMap(({ inputIds }) => inputIds).sort((a, b) => a - b);
    assert.deepEqual(after, before);
    assert.ok(packed.every(({ inputIds }) => inputIds.length <= 256));
    assert.ok(before.length / (packed.length * 256) > 0.97);
    assert.deepEqual(packExamples(examples, { maxLength: 256 }), packed);
  });

  it('refuses what does not fit, or is packed already', () => {
    assert.throws(() => packExamples([example(6)], { maxLength: 5 }), /at most 5 tokens, got 6 in example 0/);
    const once = packExamples([example(2)], { maxLength: 5 });
    assert.throws(() => packExamples(once, { maxLength: 5 }), /packed already/);
  });
});

describe('the order of batches', () => {
  const random = createRandom('lengths', 7);
  const lengths = Array.from({ length: 1003 }, () => 10 + random.nextInt(500));
  const base = { lengths, batchSize: 8, seed: 42, epoch: 0 };

  it('holds each example once, whatever the options', () => {
    for (const options of [
      {},
      { groupByLength: true },
      { shuffle: false },
      { shuffle: false, groupByLength: true },
    ]) {
      const batches = batchOrder({ ...base, ...options });
      assert.equal(batches.length, 126);
      assert.deepEqual(
        batches.flat().sort((a, b) => a - b),
        lengths.map((_, i) => i),
      );
      assert.ok(batches.slice(0, -1).every((batch) => batch.length === 8));
      assert.equal(batches.at(-1)?.length, 3);
    }
  });

  it('is fixed by seed and epoch: a resumed run takes the rest', () => {
    for (const groupByLength of [false, true]) {
      const options = { ...base, groupByLength };
      const whole = batchOrder(options);
      assert.deepEqual(batchOrder(options).slice(40), whole.slice(40));
      assert.notDeepEqual(batchOrder({ ...options, epoch: 1 }), whole);
      assert.notDeepEqual(batchOrder({ ...options, seed: 43 }), whole);
    }
  });

  it('keeps the original order for evaluation', () => {
    assert.deepEqual(batchOrder({ lengths: [1, 2, 3], batchSize: 2, seed: 0, epoch: 0, shuffle: false }), [
      [0, 1],
      [2],
    ]);
  });

  it('drops the short batch on request', () => {
    const batches = batchOrder({ ...base, dropLast: true });
    assert.equal(batches.length, 125);
    assert.ok(batches.every((batch) => batch.length === 8));
  });

  it('groups like lengths, the longest first, and still mixes', () => {
    const padding = (batches: readonly (readonly number[])[]): number =>
      batches.reduce((sum, batch) => {
        const own = batch.map((i) => lengths[i] ?? 0);
        return sum + Math.max(...own) * own.length - own.reduce((a, b) => a + b, 0);
      }, 0);
    const grouped = batchOrder({ ...base, groupByLength: true });
    assert.ok(padding(grouped) < 0.15 * padding(batchOrder(base)));
    const longest = lengths.indexOf(Math.max(...lengths));
    const firstLengths = (grouped[0] ?? []).map((i) => lengths[i]);
    assert.ok(grouped[0]?.includes(longest) || firstLengths.includes(lengths[longest]));
    const maxima = grouped.slice(1, -1).map((batch) => Math.max(...batch.map((i) => lengths[i] ?? 0)));
    const falls = maxima.filter((value, i) => i > 0 && value < (maxima[i - 1] ?? 0)).length;
    assert.ok(falls > 40 && falls < 85, `${falls} falls in ${maxima.length}: lengths do not follow the time`);
  });

  it('is fast for many examples, and refuses wrong options', () => {
    const many = new Array<number>(200_000).fill(100);
    const start = performance.now();
    assert.equal(
      batchOrder({ lengths: many, batchSize: 4, seed: 1, epoch: 0, groupByLength: true }).length,
      50_000,
    );
    assert.ok(performance.now() - start < 10_000);
    assert.deepEqual(batchOrder({ ...base, lengths: [] }), []);
    assert.throws(() => batchOrder({ ...base, batchSize: 0 }), /positive batchSize/);
  });
});
