/** Compares arrays of numbers within a stated tolerance. */
import assert from 'node:assert/strict';

export interface Tolerance {
  readonly absolute: number;
  /** Of the expected value's size. */
  readonly relative: number;
}

/** Fails, naming the first place and the values there, where |actual - expected| > absolute + relative * |expected|. */
export function assertClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  { absolute, relative }: Tolerance,
  what: string,
): void {
  assert.equal(actual.length, expected.length, `${what}: number of elements`);
  for (let i = 0; i < expected.length; i++) {
    const [got, wanted] = [actual[i], expected[i]];
    if (Object.is(got, wanted) || got === wanted) continue;
    const near = Math.abs(got - wanted) <= absolute + relative * Math.abs(wanted);
    assert.ok(near, `${what}[${i}]: expected ${wanted}, got ${got}`);
  }
}
