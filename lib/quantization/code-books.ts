/**
 * The values of 4-bit and 8-bit codes, in the order and to the last bit of bitsandbytes, so that its checkpoints and
 * ours have the same bytes.
 */

/** 4-bit types, whose codes index a code book of 16 values. */
export type FourBitType = 'nf4' | 'fp4';

/** Quantiles of the normal distribution (QLoRA, arXiv:2305.14314, appendix E), ascending. */
const NF4: Float32Array = Float32Array.of(
  -1,
  -0.6961928009986877,
  -0.5250730514526367,
  -0.39491748809814453,
  -0.28444138169288635,
  -0.18477343022823334,
  -0.09105003625154495,
  0,
  0.07958029955625534,
  0.16093020141124725,
  0.24611230194568634,
  0.33791524171829224,
  0.44070982933044434,
  0.5626170039176941,
  0.7229568362236023,
  1,
);

/** Sign bit, two bits of exponent, one of fraction; the largest, 12, is scaled to 1. Not ascending. */
const FP4: Float32Array = Float32Array.from(
  [0, 0.0625, 8, 12, 4, 6, 2, 3, -0, -0.0625, -8, -12, -4, -6, -2, -3],
  (value) => value / 12,
);

/** A copy of the 16 values of a 4-bit type, by code. */
export function fourBitCodeBook(type: FourBitType): Float32Array {
  return type === 'nf4' ? NF4.slice() : FP4.slice();
}

let dynamic: Float32Array | undefined;

/**
 * A copy of the 256 values of the signed dynamic 8-bit type, ascending. Each power of ten from 1e-6 to 1 has twice as
 * many evenly spaced values as the one before (arXiv:2110.02861, section 1.2).
 */
export function dynamicCodeBook(): Float32Array {
  dynamic ??= makeDynamicCodeBook();
  return dynamic.slice();
}

function makeDynamicCodeBook(): Float32Array {
  const round = Math.fround;
  const values = [0, 1];
  for (let power = -6; power <= 0; power++) {
    const count = 2 ** (power + 6) + 1;
    // As PyTorch's linspace in float32: from both ends, one rounding each.
    const step = round((1 - round(0.1)) / (count - 1));
    const bounds = Array.from({ length: count }, (_, k) =>
      k < Math.floor(count / 2) ? round(round(0.1) + step * k) : round(1 - step * (count - 1 - k)),
    );
    const scale = round(10 ** power);
    for (let k = 0; k + 1 < count; k++) {
      const value = round(scale * round((bounds[k] + bounds[k + 1]) / 2));
      values.push(value, -value);
    }
  }
  return Float32Array.from(values).sort();
}
