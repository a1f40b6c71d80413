/** Arrays on the host: what all rooms ask of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRandom } from '../lib/random';
import { argMax } from '../lib/tensor';

test('argMax is the first of the largest numbers, in any length, among ties, NaN and infinite values', () => {
  const random = createRandom('argMax', 1);
  const some = [NaN, -Infinity, -2, -1, -1, 0, 1, 2, 2, Infinity];
  for (let round = 0; round < 4000; round++) {
    // Of few numbers some rows have only what is passed over.
    const choice = 1 + Math.floor(random.next() * some.length);
    const values = Float32Array.from(
      { length: 1 + (round % 40) },
      () => some[Math.floor(random.next() * choice)],
    );
    const numbers = [...values].filter((value) => value > -Infinity);
    const expected = numbers.length === 0 ? 0 : values.indexOf(Math.max(...numbers));
    assert.equal(argMax(values), expected, values.join());
  }
});
