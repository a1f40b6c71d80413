/**
 * Affine codes, as MLX has them: whole numbers from 0 to 15 or 255 under a scale and an offset per block of a row. The
 * larger end of a block lies on a code, and so does 0 here, which lets products read the codes as they are.
 *
 * Source: https://github.com/ml-explore/mlx/blob/main/mlx/ops.cpp (affine_quantize)
 */
import { roundHalfEven } from './rounding';

/** Bits of a code. */
export type AffineBits = 4 | 8;

/** A block's scale is at least this, also where all of its values are 0. */
const LEAST_SCALE = 1e-7;

/** Codes with scales, and the code of 0 or the offset of each block. */
export interface AffineBlocks {
  /** Of two 4-bit codes in a byte the first is in the low nibble. */
  readonly packed: Uint8Array;
  /** By block; negative where the largest value is positive. */
  readonly scales: Float32Array;
  /** The code of 0 by block: value = (code - zero) * scale. */
  readonly zeros?: Uint8Array;
  /** Where the codes of 0 are no whole numbers: value = code * scale + bias. */
  readonly biases?: Float32Array;
}

/**
 * Quantizes whole blocks. Blocks of one sign are quantized as if they held a 0 as well.
 *
 * @param values finite float32, a multiple of `blockSize`
 * @param out receives codes, a scale and a zero per block
 */
export function quantizeAffine(
  values: Float32Array,
  { bits, blockSize }: { bits: AffineBits; blockSize: number },
  { packed, scales, zeros }: { packed: Uint8Array; scales: Float32Array; zeros: Uint8Array },
): void {
  const most = (1 << bits) - 1;
  for (let block = 0, from = 0; from < values.length; block++, from += blockSize) {
    const to = from + blockSize;
    let [low, high] = [0, 0];
    // A value that is not finite ends in the scale, which the caller looks at.
    for (let i = from; i < to; i++) {
      low = Math.min(low, values[i]);
      high = Math.max(high, values[i]);
    }
    const isLowLarger = Math.abs(low) > Math.abs(high);
    const edge = isLowLarger ? low : high;
    const size = Math.max(Math.fround(Math.fround(high - low) / most), Math.fround(LEAST_SCALE));
    let scale = isLowLarger ? size : -size;
    const steps = roundHalfEven(Math.fround(edge / scale));
    if (steps !== 0) scale = Math.fround(edge / steps);
    scales[block] = scale;
    zeros[block] = -steps;
    const bias = steps === 0 ? 0 : edge;
    for (let i = from; i < to; i++) {
      const code = roundHalfEven(Math.fround(Math.fround(values[i] - bias) / scale));
      const clamped = Math.min(most, Math.max(0, code));
      if (bits === 8) packed[i] = clamped;
      else if (i % 2 === 0) packed[i >> 1] = clamped;
      else packed[i >> 1] |= clamped << 4;
    }
  }
}

/** Dequantizes, from value `first` on. @param out receives as many values as it holds */
export function dequantizeAffine(
  { packed, scales, zeros, biases }: AffineBlocks,
  { bits, blockSize, first }: { bits: AffineBits; blockSize: number; first: number },
  out: Float32Array,
): void {
  for (let i = 0; i < out.length;) {
    const block = Math.floor((first + i) / blockSize);
    const stop = Math.min(out.length, (block + 1) * blockSize - first);
    const scale = scales[block];
    const zero = zeros?.[block] ?? 0;
    const bias = biases?.[block] ?? 0;
    for (; i < stop; i++) {
      const at = first + i;
      const code = bits === 8 ? packed[at] : (packed[at >> 1] >> ((at & 1) * 4)) & 15;
      out[i] = biases === undefined ? (code - zero) * scale : Math.fround(code * scale) + bias;
    }
  }
}

/** What is added to each block's values. */
export function affineBiases({ scales, zeros, biases }: AffineBlocks): Float32Array {
  return biases ?? scales.map((scale, block) => -(zeros?.[block] ?? 0) * scale);
}

/** Codes of 0 that give exactly these offsets; undefined where there are none. */
export function affineZeros(
  scales: Float32Array,
  biases: Float32Array,
  bits: AffineBits,
): Uint8Array | undefined {
  const zeros = new Uint8Array(scales.length);
  for (let block = 0; block < scales.length; block++) {
    const zero = nearestZero(scales[block], biases[block], bits);
    if (Math.fround(-zero * scales[block]) !== biases[block] + 0) return undefined;
    zeros[block] = zero;
  }
  return zeros;
}

/** Most that a value may be off by, as a part of the distance of two codes, where products read rounded codes of 0. */
const TOLERANCE = 0.125;

/** Codes of 0 for products that read whole numbers alone; undefined where a block would be off by more than `TOLERANCE`. */
export function roundedZeros(blocks: AffineBlocks, bits: AffineBits): Uint8Array | undefined {
  const { scales, biases } = blocks;
  if (biases === undefined) return blocks.zeros;
  const zeros = new Uint8Array(scales.length);
  for (let block = 0; block < scales.length; block++) {
    const [scale, bias] = [scales[block], biases[block]];
    const zero = nearestZero(scale, bias, bits);
    if (Math.abs(zero * scale + bias) > TOLERANCE * Math.abs(scale)) return undefined;
    zeros[block] = zero;
  }
  return zeros;
}

function nearestZero(scale: number, bias: number, bits: AffineBits): number {
  const zero = scale === 0 ? 0 : Math.round(-bias / scale);
  return Math.min((1 << bits) - 1, Math.max(0, zero));
}
