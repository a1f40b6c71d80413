/**
 * The K types: 256 values with scales of their own for 16 or 32 of them, the scales quantized in turn. Scales are
 * searched as ggml's reference does (ggml/src/ggml-quants.c of llama.cpp), in double precision: a byte in hundreds
 * differs where two scales are as good as each other.
 */
import { roundHalfEven } from '../../../quantization';
import { putHalf } from './half';

/** Values of a block. */
const SIZE = 256;
/** Below it a group counts as zero. */
const GROUP_EPSILON = 1e-15;

const { abs, max, min, sqrt } = Math;

const clamp = (x: number, least: number, most: number): number => max(least, min(most, x));

/** How a group's scale and offset are searched. */
interface Search {
  /** Largest code. */
  readonly most: number;
  /** First scale tried, as a change of the largest code. */
  readonly from: number;
  readonly steps: number;
}

interface ScaleAndOffset {
  scale: number;
  /** What codes start from, below zero: its magnitude. */
  offset: number;
}

const weights = new Float64Array(32);
const groupCodes = new Uint8Array(32);
const triedCodes = new Uint8Array(32);

/** The scale and offset of 32 values from `at` on whose weighted squared error is least; codes in `groupCodes`. */
function searchScale(x: Float32Array, at: number, search: Search): ScaleAndOffset {
  const { most, from, steps } = search;
  let sumSquares = 0;
  for (let i = 0; i < 32; i++) sumSquares += x[at + i] * x[at + i];
  const mean = sqrt(sumSquares / 32);
  let [least, largest, sumW, sumX] = [x[at], x[at], 0, 0];
  for (let i = 0; i < 32; i++) {
    const value = x[at + i];
    least = min(least, value);
    largest = max(largest, value);
    weights[i] = mean + abs(value);
    sumW += weights[i];
    sumX += weights[i] * value;
  }
  least = min(least, 0);
  groupCodes.fill(0);
  if (largest === least) return { scale: 0, offset: -least };
  let inverse = most / (largest - least);
  let [scale, best] = [1 / inverse, 0];
  for (let i = 0; i < 32; i++) {
    groupCodes[i] = clamp(roundHalfEven(inverse * (x[at + i] - least)), 0, most);
    best += weights[i] * (scale * groupCodes[i] + least - x[at + i]) ** 2;
  }
  for (let step = 0; step <= steps; step++) {
    inverse = (from + 0.1 * step + most) / (largest - least);
    let [sumL, sumL2, sumXL] = [0, 0, 0];
    for (let i = 0; i < 32; i++) {
      const code = clamp(roundHalfEven(inverse * (x[at + i] - least)), 0, most);
      triedCodes[i] = code;
      const w = weights[i];
      sumL += w * code;
      sumL2 += w * code * code;
      sumXL += w * code * x[at + i];
    }
    const determinant = sumW * sumL2 - sumL * sumL;
    if (!(determinant > 0)) continue;
    let triedScale = (sumW * sumXL - sumX * sumL) / determinant;
    let triedOffset = (sumL2 * sumX - sumL * sumXL) / determinant;
    if (triedOffset > 0) {
      triedOffset = 0;
      triedScale = sumXL / sumL2;
    }
    let error = 0;
    for (let i = 0; i < 32; i++)
      error += weights[i] * (triedScale * triedCodes[i] + triedOffset - x[at + i]) ** 2;
    if (error >= best) continue;
    best = error;
    groupCodes.set(triedCodes);
    scale = triedScale;
    least = triedOffset; // as in ggml, the next ones start from it
  }
  return { scale, offset: -least };
}

const codes = new Uint8Array(SIZE);

/** Scales, offsets and codes of a block; the 16 bytes before the codes are written, the codes left in `codes`. */
function encodeGroups(x: Float32Array, start: number, out: Uint8Array, at: number, search: Search): void {
  const scales: number[] = [];
  const offsets: number[] = [];
  for (let group = 0; group < 8; group++) {
    const { scale, offset } = searchScale(x, start + 32 * group, search);
    scales.push(scale);
    offsets.push(offset);
    codes.set(groupCodes, 32 * group);
  }
  const largestScale = max(0, ...scales);
  const largestOffset = max(0, ...offsets);
  const scaleCodes = scales.map((scale) =>
    largestScale > 0 ? min(63, roundHalfEven((63 / largestScale) * scale)) : 0,
  );
  const offsetCodes = offsets.map((offset) =>
    largestOffset > 0 ? min(63, roundHalfEven((63 / largestOffset) * offset)) : 0,
  );
  const d = putHalf(largestScale / 63, out, at);
  const m = putHalf(largestOffset / 63, out, at + 2);
  // Eight pairs of 6 bits in twelve bytes: the upper two bits of the last four stand over the first four.
  const packed = out.subarray(at + 4, at + 16);
  for (let group = 0; group < 4; group++) {
    const [s, o] = [scaleCodes[group + 4], offsetCodes[group + 4]];
    packed[group] = scaleCodes[group] | ((s >> 4) << 6);
    packed[group + 4] = offsetCodes[group] | ((o >> 4) << 6);
    packed[group + 8] = (s & 15) | ((o & 15) << 4);
  }
  for (let group = 0; group < 8; group++) {
    const scale = d * scaleCodes[group];
    if (scale === 0) continue;
    const offset = m * offsetCodes[group];
    for (let i = 32 * group; i < 32 * (group + 1); i++)
      codes[i] = clamp(roundHalfEven((x[start + i] + offset) / scale), 0, search.most);
  }
}

/** 256 values of 4 bits in 144 bytes. */
export function encodeQ4K(x: Float32Array, out: Uint8Array): void {
  for (let start = 0, at = 0; start < x.length; start += SIZE, at += 144) {
    encodeGroups(x, start, out, at, { most: 15, from: -1, steps: 20 });
    for (let half = 0; half < 4; half++)
      for (let i = 0; i < 32; i++)
        out[at + 16 + 32 * half + i] = codes[64 * half + i] | (codes[64 * half + 32 + i] << 4);
  }
}

/** 256 values of 5 bits in 176 bytes: the fifth bits stand apart. */
export function encodeQ5K(x: Float32Array, out: Uint8Array): void {
  for (let start = 0, at = 0; start < x.length; start += SIZE, at += 176) {
    encodeGroups(x, start, out, at, { most: 31, from: -0.5, steps: 15 });
    for (let half = 0; half < 4; half++)
      for (let i = 0; i < 32; i++) {
        const [low, high] = [codes[64 * half + i], codes[64 * half + 32 + i]];
        out[at + 48 + 32 * half + i] = (low & 15) | ((high & 15) << 4);
        out[at + 16 + i] |= ((low >> 4) << (2 * half)) | ((high >> 4) << (2 * half + 1));
      }
  }
}

/** 256 values of 6 bits in 210 bytes: no offsets, a scale of 8 bits for each 16. */
export function encodeQ6K(x: Float32Array, out: Uint8Array): void {
  const scales = new Float64Array(16);
  for (let start = 0, at = 0; start < x.length; start += SIZE, at += 210) {
    let extreme = 0;
    for (let group = 0; group < 16; group++) {
      scales[group] = searchSymmetric(x, start + 16 * group);
      for (let i = 0; i < 16; i++) codes[16 * group + i] = groupCodes[i];
      if (abs(scales[group]) > abs(extreme)) extreme = scales[group];
    }
    if (abs(extreme) < GROUP_EPSILON) continue; // zeros, as the array is
    const inverse = -128 / extreme;
    const d = putHalf(1 / inverse, out, at + 208);
    for (let group = 0; group < 16; group++) {
      const code = min(127, roundHalfEven(inverse * scales[group]));
      out[at + 192 + group] = code;
      const scale = d * code;
      if (scale === 0) continue;
      for (let i = 16 * group; i < 16 * (group + 1); i++)
        codes[i] = 32 + clamp(roundHalfEven(x[start + i] / scale), -32, 31);
    }
    for (let half = 0; half < 2; half++)
      for (let i = 0; i < 32; i++) {
        const [a, b, c, e] = [0, 32, 64, 96].map((n) => codes[128 * half + n + i]);
        out[at + 64 * half + i] = (a & 15) | ((c & 15) << 4);
        out[at + 64 * half + 32 + i] = (b & 15) | ((e & 15) << 4);
        out[at + 128 + 32 * half + i] = (a >> 4) | ((b >> 4) << 2) | ((c >> 4) << 4) | ((e >> 4) << 6);
      }
  }
}

/** The scale of 16 values without offset; codes, 32 for zero, in `groupCodes`. */
function searchSymmetric(x: Float32Array, at: number): number {
  let extreme = 0;
  for (let i = 0; i < 16; i++) if (abs(x[at + i]) > abs(extreme)) extreme = x[at + i];
  if (abs(extreme) < GROUP_EPSILON) {
    groupCodes.fill(0);
    return 0;
  }
  const sums = (inverse: number): [number, number] => {
    let [sumXL, sumL2] = [0, 0];
    for (let i = 0; i < 16; i++) {
      const value = x[at + i];
      const code = clamp(roundHalfEven(inverse * value), -32, 31);
      const w = value * value;
      sumXL += w * value * code;
      sumL2 += w * code * code;
      triedCodes[i] = code + 32;
    }
    return [sumXL, sumL2];
  };
  let [sumXL, sumL2] = sums(-32 / extreme);
  groupCodes.set(triedCodes);
  let scale = sumL2 > 0 ? sumXL / sumL2 : 0;
  let best = scale * sumXL;
  for (let step = -9; step <= 9; step++) {
    if (step === 0) continue;
    [sumXL, sumL2] = sums(-(32 + 0.1 * step) / extreme);
    if (!(sumL2 > 0) || sumXL * sumXL <= best * sumL2) continue;
    groupCodes.set(triedCodes);
    scale = sumXL / sumL2;
    best = scale * sumXL;
  }
  return scale;
}
