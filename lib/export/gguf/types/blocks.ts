/**
 * Values to the bytes of a tensor type. q8_0 and q4_0 round as gguf-py/gguf/quants.py of llama.cpp does, in float32
 * step by step; the K types are in `k-blocks.ts`.
 */
import { float32ToBfloat16, float32ToFloat16 } from '../../../checkpoint';
import { storedBytes } from './format';
import type { TensorType } from './format';
import { putHalf } from './half';
import { encodeQ4K, encodeQ5K, encodeQ6K } from './k-blocks';

const { abs, fround } = Math;

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
    for (let i = start; i < start + 32; i++) {
      const size = abs(values[i]);
      if (size > largest) largest = size;
    }
    const scale = fround(largest / 127);
    const inverse = scale === 0 ? 0 : fround(1 / scale);
    putHalf(scale, out, at);
    for (let i = 0; i < 32; i++) out[at + 2 + i] = roundAway(fround(values[start + i] * inverse)) & 255;
  }
}

/** 32 numbers of 4 bits with one scale: the value of the largest magnitude becomes -8. */
function encodeQ4(values: Float32Array, out: Uint8Array): void {
  for (let start = 0, at = 0; start < values.length; start += 32, at += 18) {
    let extreme = values[start];
    for (let i = start + 1; i < start + 32; i++) {
      const value = values[i];
      if (abs(value) > abs(extreme)) extreme = value;
    }
    const scale = fround(extreme / -8);
    const inverse = scale === 0 ? 0 : fround(1 / scale);
    putHalf(scale, out, at);
    for (let i = 0; i < 16; i++)
      out[at + 2 + i] = code4(values[start + i], inverse) | (code4(values[start + i + 16], inverse) << 4);
  }
}

function code4(value: number, inverse: number): number {
  const code = fround(fround(value * inverse) + 8.5) | 0;
  return code > 15 ? 15 : code;
}

/** To the nearest whole number, halves away from zero; of numbers as small as codes. */
function roundAway(x: number): number {
  return x < 0 ? -((0.5 - x) | 0) : (x + 0.5) | 0;
}
