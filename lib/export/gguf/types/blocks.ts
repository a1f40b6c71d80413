/**
 * Values to the bytes of a tensor type. q8_0 and q4_0 round as gguf-py/gguf/quants.py of llama.cpp does, in float32
 * step by step; the K types are in `k-blocks.ts`.
 */
import { float32ToBfloat16, float32ToFloat16 } from '../../../checkpoint';
import { storedBytes } from './format';
import type { TensorType } from './format';
import { putHalf } from './half';
import { encodeQ4K, encodeQ5K, encodeQ6K } from './k-blocks';

const { abs, floor, fround, min, trunc } = Math;

/** @param values whole blocks */
export function encode(type: TensorType, values: Float32Array): Uint8Array {
  const out: Uint8Array = new Uint8Array(storedBytes(type, values.length));
  if (type === 'F32') out.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  else if (type === 'F16') float32ToFloat16(values, new Uint16Array(out.buffer));
  else if (type === 'BF16') float32ToBfloat16(values, new Uint16Array(out.buffer));
  else ENCODERS[type](values, out);
  return out;
}

const ENCODERS = { Q8_0: encodeQ8, Q4_0: encodeQ4, Q4_K: encodeQ4K, Q5_K: encodeQ5K, Q6_K: encodeQ6K };

/** 32 bytes with one scale: the largest magnitude becomes 127. */
function encodeQ8(values: Float32Array, out: Uint8Array): void {
  for (let start = 0, at = 0; start < values.length; start += 32, at += 34) {
    let largest = 0;
    for (let i = 0; i < 32; i++) largest = Math.max(largest, abs(values[start + i]));
    const scale = fround(largest / 127);
    const inverse = scale === 0 ? 0 : fround(1 / scale);
    putHalf(scale, out, at);
    for (let i = 0; i < 32; i++) out[at + 2 + i] = roundAway(fround(values[start + i] * inverse));
  }
}

/** 32 numbers of 4 bits with one scale: the value of the largest magnitude becomes -8. */
function encodeQ4(values: Float32Array, out: Uint8Array): void {
  for (let start = 0, at = 0; start < values.length; start += 32, at += 18) {
    let extreme = values[start];
    for (let i = 1; i < 32; i++) if (abs(values[start + i]) > abs(extreme)) extreme = values[start + i];
    const scale = fround(extreme / -8);
    const inverse = scale === 0 ? 0 : fround(1 / scale);
    putHalf(scale, out, at);
    const code = (i: number): number => min(15, trunc(fround(fround(values[start + i] * inverse) + 8.5)));
    for (let i = 0; i < 16; i++) out[at + 2 + i] = code(i) | (code(i + 16) << 4);
  }
}

/** To the nearest whole number, halves away from zero. */
function roundAway(x: number): number {
  return x < 0 ? -floor(0.5 - x) : floor(x + 0.5);
}
