/** Arrays on the host, with their shapes. */

/** A dense row-major array on the host. `data.length` is the product of `shape`. */
export interface HostTensor {
  readonly data: Float32Array | Int32Array | Uint8Array;
  readonly shape: readonly number[];
}

/** Number of elements of a shape; 1 for a scalar's `[]`. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}

/** Number of elements of whatever has a shape. */
export function tensorSize({ shape }: { readonly shape: readonly number[] }): number {
  return sizeOf(shape);
}

/** The array and shape of something that has more, for instance a parameter; the values are not copied. */
export function asTensor({ data, shape }: HostTensor): HostTensor {
  return { data, shape };
}

/**
 * Index of the largest value, the first of equals; NaN is passed over, and 0 stands for nothing over -Infinity. Eight
 * values are compared at a time, since a new largest one is rare: twice as fast as one by one.
 */
export function argMax(values: Float32Array): number {
  let [best, highest] = [-1, -Infinity];
  const whole = values.length - (values.length % 8);
  for (let i = 0; i < whole; i += 8) {
    if (
      values[i] > highest ||
      values[i + 1] > highest ||
      values[i + 2] > highest ||
      values[i + 3] > highest ||
      values[i + 4] > highest ||
      values[i + 5] > highest ||
      values[i + 6] > highest ||
      values[i + 7] > highest
    ) {
      for (let j = i; j < i + 8; j++) if (values[j] > highest) [best, highest] = [j, values[j]];
    }
  }
  for (let i = whole; i < values.length; i++) if (values[i] > highest) [best, highest] = [i, values[i]];
  return Math.max(0, best);
}
