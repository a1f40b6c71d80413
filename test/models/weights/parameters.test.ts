/** The checksum by which codes notice that parameters were written on. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checksum } from '../../../lib/models/weights/parameters';

describe('the checksum of parameters', () => {
  const values = Float32Array.from({ length: 1027 }, (_, i) => Math.sin(i + 1));
  const whole = checksum(values).join();
  const changes: Record<string, (value: number, i: number, all: Float32Array) => number> = {
    'all signs': (value) => -value,
    'two signs': (value, i) => (i === 8 || i === 16 ? -value : value),
    'a last bit': (value, i, all) => (i === 600 ? Math.fround(all[i] * (1 + 2 ** -23)) : value),
    'the last value': (value, i, all) => (i === all.length - 1 ? 0 : value),
    'two values for one another': (_, i, all) => all[i === 3 ? 7 : i === 7 ? 3 : i],
    'values moved by four': (_, i, all) => all[(i + 4) % all.length],
  };
  for (const [what, change] of Object.entries(changes))
    test(`differs by ${what}`, () => {
      assert.notEqual(checksum(values.map((value, i) => change(value, i, values))).join(), whole);
    });

  test('is the same for the same values', () => {
    assert.equal(checksum(values.slice()).join(), whole);
  });
});
