/**
 * The key-value cache: its logits against none while it grows and loses rows, and its masks against those of
 * whole batches.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MASKED } from '../../lib/engine';
import { CachedDecoder, paddedLength, UncachedDecoder } from '../../lib/generation/decoders/decoder';
import { KeyValueCache, slotsFor } from '../../lib/generation/decoders/key-value-cache';
import { attentionBias } from '../../lib/models';
import type { LayerCache } from '../../lib/models';
import { AutoModelForCausalLM } from '../../lib/pretrained';
import { assertClose } from '../support/assert-close';

test('logits equal those without cache, over growth and dropped rows', async (t) => {
  const config = { model_type: 'gpt2', vocab_size: 50, n_positions: 200, n_embd: 16, n_layer: 2, n_head: 2 };
  const model = await AutoModelForCausalLM.fromConfig({ ...config, initializer_range: 0.3 });
  t.after(() => model.dispose());
  const prompts = [[1, 2, 3], [4], [5, 6, 7, 8, 9, 10, 11], [12, 13]];
  const cached = new CachedDecoder(model.runtime, { prompts, longest: 200 });
  const uncached = new UncachedDecoder(model.runtime, prompts);
  const compare = (actual: Float32Array, expected: Float32Array, where: string, live: boolean[]): void => {
    assert.equal(actual.length, expected.length);
    const worst = expected.reduce((most, value, i) => {
      const counts = live[Math.floor(i / 50)];
      return counts ? Math.max(most, Math.abs(actual[i] - value)) : most;
    }, 0);
    assert.ok(worst < 1e-4, `${where}: logits differ by ${worst}`);
    assert.ok(expected.some((value) => Math.abs(value) > 0.1));
  };
  compare(await cached.start(), await uncached.start(), 'start', [true, true, true, true]);
  let tokens: (number | undefined)[] = [20, 21, 22, 23];
  for (let step = 0; step < 110; step++) {
    if (step === 20) tokens[1] = undefined; // a row that ended but stays
    if (step === 40) {
      for (const decoder of [cached, uncached]) decoder.keep([0, 2]);
      tokens = [30, 31];
    }
    const live = tokens.map((token) => token !== undefined);
    compare(await cached.step(tokens), await uncached.step(tokens), `step ${step}`, live);
    tokens = tokens.map((token) => (token === undefined ? undefined : (token * 7 + step) % 50));
  }
});

for (const shared of [0, 96])
  test(`long prompts go through the model some rows at a time, ${shared} tokens of them together`, async (t) => {
    const config = {
      model_type: 'gpt2',
      vocab_size: 50,
      n_positions: 900,
      n_embd: 16,
      n_layer: 2,
      n_head: 2,
    };
    const model = await AutoModelForCausalLM.fromConfig({ ...config, initializer_range: 0.3 });
    t.after(() => model.dispose());
    const prompts = Array.from({ length: 40 }, (_, row) =>
      Array.from(
        { length: 250 - 3 * row },
        (__, at) => (at < shared ? at * 7 : at * 3 + row * (at + 1)) % 50,
      ),
    );
    const cached = new CachedDecoder(model.runtime, { prompts, longest: 260 });
    const uncached = new UncachedDecoder(model.runtime, prompts);
    const passes = t.mock.method(model.runtime, 'runBlock').mock;
    assertClose(await cached.start(), await uncached.start(), { absolute: 1e-4, relative: 1e-4 }, 'start');
    const rows = new Set(passes.calls.map((call) => call.arguments[1].x.shape[0]));
    // The reference takes all forty.
    assert.deepEqual([...rows], shared > 0 ? [1, 32, 8, 40] : [32, 8, 40]);
    const tokens = prompts.map((_, row) => row);
    for (let step = 0; step < 3; step++)
      assertClose(
        await cached.step(tokens),
        await uncached.step(tokens),
        { absolute: 1e-4, relative: 1e-4 },
        `step ${step}`,
      );
  });

for (const slidingWindow of [Infinity, 1, 3, 8]) {
  test(`the step's mask is the last row of the whole batch's, window ${slidingWindow}`, () => {
    const shape = { rows: 2, heads: 1, capacity: 16, headSize: 3 };
    const cache = new KeyValueCache(shape, 1, [2, 5], { windows: [slidingWindow], kindOf: () => 0 });
    const slots = Math.min(16, slidingWindow);
    assert.deepEqual(cache.layer(0).key.shape, [2, 1, slots, 3]);
    const step = [{ key: new Float32Array(6), value: new Float32Array(6) }];
    for (let added = 0; added < 6; added++) {
      for (const row of [0, 1]) {
        const length = cache.lengths[row];
        const whole = attentionBias({ shape: [1, length + 1] }, slidingWindow);
        const expected = whole.data.slice(length * (length + 1), -1);
        const own = cache.biases[0].data.subarray(row * (slots + 1), (row + 1) * (slots + 1));
        // A layer with a window has a slot for each position that it sees: position p in slot p modulo their number.
        const inSlots = new Float32Array(slots).fill(MASKED);
        for (let position = Math.max(0, length - slots); position < length; position++)
          inSlots[position % slots] = expected[position];
        assert.ok(expected.subarray(0, Math.max(0, length - slots)).every((value) => value < -1e8));
        assert.deepEqual(own.slice(0, slots), inSlots, `row ${row} of ${length}`);
        assert.equal(own[slots], 0);
      }
      cache.append(step, [1, 1]);
    }
  });
}

test('a cache keeps each row’s keys in place when it is resized', () => {
  const [rows, heads, slots, headSize] = [3, 2, 4, 2];
  const data = Float32Array.from({ length: rows * heads * slots * headSize }, (_, i) => i);
  const tensor = { data, shape: [rows, heads, slots, headSize] };
  const shape = { rows, heads, capacity: 5, headSize };
  const cache = new KeyValueCache(shape, 1, [4, 1, 3], { windows: [Infinity], kindOf: () => 0 });
  cache.put([{ key: tensor, value: tensor }], { first: 0 });
  const smaller = cache.resized([2, 0], 6);
  const step = [{ key: new Float32Array(12), value: new Float32Array(12) }];
  cache.append(step, [0, 1, 0]); // only the row that goes on grows
  assert.deepEqual(cache.lengths, [4, 2, 3]);
  assert.deepEqual(smaller.lengths, [3, 4]);
  const { key } = smaller.layer(0);
  assert.deepEqual(key.shape, [2, 2, 6, 2]);
  const at = (row: number, head: number, slot: number): number => key.data[((row * 2 + head) * 6 + slot) * 2];
  const was = (row: number, head: number, slot: number): number => data[((row * 2 + head) * 4 + slot) * 2];
  for (const head of [0, 1]) {
    for (const slot of [0, 1, 2]) assert.equal(at(0, head, slot), was(2, head, slot));
    for (const slot of [0, 1, 2, 3]) assert.equal(at(1, head, slot), was(0, head, slot));
  }
});

for (const window of [Infinity, 3])
  test(`a cache is filled some rows at a time, behind what all begin with, window ${window}`, () => {
    const [heads, headSize, length] = [2, 2, 4];
    const lengths = [6, 5, 7];
    // Every number names its row, head, position and place.
    const value = (row: number, head: number, position: number, at: number): number =>
      1000 * row + 100 * head + 10 * position + at;
    const layer = (rows: readonly number[], from: number, count: number): LayerCache => {
      const data = rows.flatMap((row) =>
        Array.from({ length: heads * count * headSize }, (_, i) => {
          const [head, rest] = [Math.floor(i / (count * headSize)), i % (count * headSize)];
          return value(row, head, from + Math.floor(rest / headSize), rest % headSize);
        }),
      );
      const tensor = { data: Float32Array.from(data), shape: [rows.length, heads, count, headSize] };
      return { key: tensor, value: { ...tensor, data: tensor.data.map((number) => -number) } };
    };
    const shape = { rows: 3, heads, capacity: 8, headSize };
    const cache = new KeyValueCache(shape, 1, lengths, { windows: [window], kindOf: () => 0 });
    const prefix = { length, layers: [layer([9], 0, length)] };
    cache.put([layer([0, 1], length, 3)], { first: 0, prefix });
    cache.put([layer([2], length, 3)], { first: 2, prefix });
    const { key, value: values } = cache.layer(0);
    const slots = key.shape[2];
    assert.equal(slots, Math.min(8, window));
    for (const [row, total] of lengths.entries())
      for (let head = 0; head < heads; head++)
        for (let position = Math.max(0, total - slots); position < total; position++)
          for (let at = 0; at < headSize; at++) {
            const place = ((row * heads + head) * slots + (position % slots)) * headSize + at;
            const expected = value(position < length ? 9 : row, head, position, at);
            assert.deepEqual([key.data[place], values.data[place]], [expected, -expected]);
          }
  });

test('sizes', () => {
  assert.deepEqual(
    [1, 16, 17, 25, 33, 49, 65, 97, 129, 769].map(slotsFor),
    [16, 16, 24, 32, 48, 64, 96, 128, 192, 1024],
  );
  assert.deepEqual(
    [1, 97, 113, 129, 160, 161, 193, 225, 257, 321, 769, 897].map(paddedLength),
    [16, 128, 128, 160, 160, 192, 224, 256, 320, 384, 896, 1024],
  );
});
