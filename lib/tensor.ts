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

/** Index of the largest value, the first of equals; 0 where the first one is NaN. */
export function argMax(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}
