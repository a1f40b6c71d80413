/**
 * The K types: 256 values with scales of their own for 16 or 32 of them, the scales quantized in turn. Scales are
 * searched as ggml's reference does (ggml/src/ggml-quants.c of llama.cpp), in double precision: a byte in hundreds
 * differs where two scales are as good as each other.
 *
 * Billions of values try twenty scales each: sums are plain loops over arrays that are made once.
 */
import { roundHalfEven } from '../../../quantization';
import { putHalf } from './half';

/** Values of a block. */
const SIZE = 256;
/** Below it a group counts as zero. */
const GROUP_EPSILON = 1e-15;

const { abs, sqrt } = Math;

/** A constant of this file: the door's getter would be asked for each value. */
const round = roundHalfEven;

/** The nearest code; NaN stays. */
function codeOf(x: number, least: number, most: number): number {
  const code = round(x);
  if (code > most) return most;
  return code < least ? least : code;
}

/** How a group's scale and offset are searched. */
interface Search {
  /** Largest code. */
  readonly most: number;
  /** First scale tried, as a change of the largest code. */
  readonly from: number;
  readonly steps: number;
}

/** How far sums of 32 products may be off, as a part of their magnitudes; a hundred times what doubles allow. */
const ROUNDING = 1e-12;

/** The values of a group. */
const group = new Float64Array(32);
const weights = new Float64Array(32);
/** Codes of the best scale so far, and of one that is compared with it. */
const groupCodes = new Uint8Array(32);
const triedCodes = new Uint8Array(32);

/** Of the groups of a block. */
const scales = new Float64Array(16);
/** What a group's codes start from, below zero: its magnitude. */
const offsets = new Float64Array(8);

/**
 * The scale and offset of 32 values from `at` on whose weighted squared error is least, into `scales` and `offsets`; codes
 * in `groupCodes`.
 */
function searchScale(x: Float32Array, at: number, index: number, { most, from, steps }: Search): void {
  let sumSquares = 0;
  for (let i = 0; i < 32; i++) {
    const value = x[at + i];
    group[i] = value;
    sumSquares += value * value;
  }
  const mean = sqrt(sumSquares / 32);
  let least = group[0];
  let largest = least;
  let sumW = 0;
  let sumX = 0;
  let sumX2 = 0;
  for (let i = 0; i < 32; i++) {
    const value = group[i];
    if (value < least) least = value;
    if (value > largest) largest = value;
    const w = mean + abs(value);
    weights[i] = w;
    sumW += w;
    sumX += w * value;
    sumX2 += w * value * value;
  }
  if (least > 0) least = 0;
  groupCodes.fill(0);
  scales[index] = 0;
  offsets[index] = -least;
  if (largest === least) return;
  let inverse = most / (largest - least);
  let scale = 1 / inverse;
  let best = 0;
  for (let i = 0; i < 32; i++) {
    groupCodes[i] = codeOf(inverse * (group[i] - least), 0, most);
    const error = scale * groupCodes[i] + least - group[i];
    best += weights[i] * (error * error);
  }
  for (let step = 0; step <= steps; step++) {
    inverse = (from + 0.1 * step + most) / (largest - least);
    let sumL = 0;
    let sumL2 = 0;
    let sumXL = 0;
    for (let i = 0; i < 32; i++) {
      const value = group[i];
      const code = codeOf(inverse * (value - least), 0, most);
      const w = weights[i] * code;
      sumL += w;
      sumL2 += w * code;
      sumXL += w * value;
    }
    const determinant = sumW * sumL2 - sumL * sumL;
    if (!(determinant > 0)) continue;
    let triedScale = (sumW * sumXL - sumX * sumL) / determinant;
    let triedOffset = (sumL2 * sumX - sumL * sumXL) / determinant;
    if (triedOffset > 0) {
      triedOffset = 0;
      triedScale = sumXL / sumL2;
    }
    // The squared error by the sums that are there; value by value only where it may be less than the best.
    const squares = triedScale * triedScale * sumL2 + triedOffset * triedOffset * sumW + sumX2;
    const products = triedScale * triedOffset * sumL - triedScale * sumXL - triedOffset * sumX;
    if (squares + 2 * products - ROUNDING * squares > best) continue;
    let error = 0;
    for (let i = 0; i < 32; i++) {
      triedCodes[i] = codeOf(inverse * (group[i] - least), 0, most);
      const difference = triedScale * triedCodes[i] + triedOffset - group[i];
      error += weights[i] * (difference * difference);
    }
    if (error >= best) continue;
    best = error;
    groupCodes.set(triedCodes);
    scale = triedScale;
    least = triedOffset; // as in ggml, the next ones start from it
  }
  scales[index] = scale;
  offsets[index] = -least;
}

const codes = new Uint8Array(SIZE);
const scaleCodes = new Uint8Array(8);
const offsetCodes = new Uint8Array(8);

/** Codes of 6 bits for the eight groups' scales or offsets; the largest becomes 63, and is returned. */
function encodeSixBits(values: Float64Array, out: Uint8Array): number {
  let largest = 0;
  for (let i = 0; i < 8; i++) if (values[i] > largest) largest = values[i];
  for (let i = 0; i < 8; i++) {
    const code = largest > 0 ? round((63 / largest) * values[i]) : 0;
    out[i] = code > 63 ? 63 : code;
  }
  return largest;
}

/** Scales, offsets and codes of a block; the 16 bytes before the codes are written, the codes left in `codes`. */
function encodeGroups(x: Float32Array, start: number, out: Uint8Array, at: number, search: Search): void {
  for (let index = 0; index < 8; index++) {
    searchScale(x, start + 32 * index, index, search);
    codes.set(groupCodes, 32 * index);
  }
  const d = putHalf(encodeSixBits(scales, scaleCodes) / 63, out, at);
  const m = putHalf(encodeSixBits(offsets, offsetCodes) / 63, out, at + 2);
  // Eight pairs of 6 bits in twelve bytes: the upper two bits of the last four stand over the first four.
  for (let index = 0; index < 4; index++) {
    const s = scaleCodes[index + 4];
    const o = offsetCodes[index + 4];
    out[at + 4 + index] = scaleCodes[index] | ((s >> 4) << 6);
    out[at + 8 + index] = offsetCodes[index] | ((o >> 4) << 6);
    out[at + 12 + index] = (s & 15) | ((o & 15) << 4);
  }
  for (let index = 0; index < 8; index++) {
    const scale = d * scaleCodes[index];
    if (scale === 0) continue;
    const offset = m * offsetCodes[index];
    for (let i = 32 * index; i < 32 * (index + 1); i++)
      codes[i] = codeOf((x[start + i] + offset) / scale, 0, search.most);
  }
}

/** 256 values of 4 bits in 144 bytes. */
export function encodeQ4K(x: Float32Array, out: Uint8Array): void {
  const search: Search = { most: 15, from: -1, steps: 20 };
  for (let start = 0, at = 0; start < x.length; start += SIZE, at += 144) {
    encodeGroups(x, start, out, at, search);
    for (let half = 0; half < 4; half++)
      for (let i = 0; i < 32; i++)
        out[at + 16 + 32 * half + i] = codes[64 * half + i] | (codes[64 * half + 32 + i] << 4);
  }
}

/** 256 values of 5 bits in 176 bytes: the fifth bits stand apart. */
export function encodeQ5K(x: Float32Array, out: Uint8Array): void {
  const search: Search = { most: 31, from: -0.5, steps: 15 };
  for (let start = 0, at = 0; start < x.length; start += SIZE, at += 176) {
    encodeGroups(x, start, out, at, search);
    for (let half = 0; half < 4; half++)
      for (let i = 0; i < 32; i++) {
        const low = codes[64 * half + i];
        const high = codes[64 * half + 32 + i];
        out[at + 48 + 32 * half + i] = (low & 15) | ((high & 15) << 4);
        out[at + 16 + i] |= ((low >> 4) << (2 * half)) | ((high >> 4) << (2 * half + 1));
      }
  }
}

/** 256 values of 6 bits in 210 bytes: no offsets, a scale of 8 bits for each 16. */
export function encodeQ6K(x: Float32Array, out: Uint8Array): void {
  for (let start = 0, at = 0; start < x.length; start += SIZE, at += 210) {
    let extreme = 0;
    for (let index = 0; index < 16; index++) {
      scales[index] = searchSymmetric(x, start + 16 * index);
      for (let i = 0; i < 16; i++) codes[16 * index + i] = groupCodes[i];
      if (abs(scales[index]) > abs(extreme)) extreme = scales[index];
    }
    if (abs(extreme) < GROUP_EPSILON) continue; // zeros, as the array is
    const inverse = -128 / extreme;
    const d = putHalf(1 / inverse, out, at + 208);
    for (let index = 0; index < 16; index++) {
      const code = codeOf(inverse * scales[index], -128, 127);
      out[at + 192 + index] = code;
      const scale = d * code;
      if (scale === 0) continue;
      for (let i = 16 * index; i < 16 * (index + 1); i++)
        codes[i] = 32 + codeOf(x[start + i] / scale, -32, 31);
    }
    for (let half = 0; half < 2; half++)
      for (let i = 128 * half; i < 128 * half + 32; i++) {
        const place = at + 64 * half + (i & 31);
        out[place] = (codes[i] & 15) | ((codes[i + 64] & 15) << 4);
        out[place + 32] = (codes[i + 32] & 15) | ((codes[i + 96] & 15) << 4);
        out[at + 128 + 32 * half + (i & 31)] =
          (codes[i] >> 4) |
          ((codes[i + 32] >> 4) << 2) |
          ((codes[i + 64] >> 4) << 4) |
          ((codes[i + 96] >> 4) << 6);
      }
  }
}

/** Of the last `sumSymmetric`. */
let sumXL = 0;
let sumL2 = 0;

/** The scale of 16 values without offset; codes, 32 for zero, in `groupCodes`. */
function searchSymmetric(x: Float32Array, at: number): number {
  let extreme = 0;
  for (let i = 0; i < 16; i++) {
    const value = x[at + i];
    group[i] = value;
    weights[i] = value * value;
    if (abs(value) > abs(extreme)) extreme = value;
  }
  if (abs(extreme) < GROUP_EPSILON) {
    groupCodes.fill(0);
    return 0;
  }
  let inverse = -32 / extreme;
  sumSymmetric(inverse);
  let scale = sumL2 > 0 ? sumXL / sumL2 : 0;
  let best = scale * sumXL;
  for (let step = -9; step <= 9; step++) {
    if (step === 0) continue;
    const tried = -(32 + 0.1 * step) / extreme;
    sumSymmetric(tried);
    if (!(sumL2 > 0) || sumXL * sumXL <= best * sumL2) continue;
    inverse = tried;
    scale = sumXL / sumL2;
    best = scale * sumXL;
  }
  for (let i = 0; i < 16; i++) groupCodes[i] = codeOf(inverse * group[i], -32, 31) + 32;
  return scale;
}

function sumSymmetric(inverse: number): void {
  let products = 0;
  let squares = 0;
  for (let i = 0; i < 16; i++) {
    const value = group[i];
    const code = codeOf(inverse * value, -32, 31);
    const w = weights[i];
    products += w * value * code;
    squares += w * code * code;
  }
  sumXL = products;
  sumL2 = squares;
}
