/**
 * Values to the bytes of a tensor type. q8_0 and q4_0 round as gguf-py/gguf/quants.py of llama.cpp does, in float32
 * step by step; the K types are in `k-blocks.ts`.
 */
import { float32ToBfloat16, float32ToFloat16 } from '../../checkpoint';
import { storedBytes } from './format';
import type { TensorType } from './format';
import { encodeQ4K, encodeQ5K, encodeQ6K } from './k-blocks';

const { abs, floor, fround, min, trunc } = Math;

/** @param values whole blocks */
export function encode(type: TensorType, values: Float32Array): Uint8Array {
  const out: Uint8Array = new Uint8Array(storedBytes(type, values.length));
  switch (type) {
    case 'F32':
      out.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
      break;
    case 'F16':
      float32ToFloat16(values, new Uint16Array(out.buffer));
      break;
    case 'BF16':
      float32ToBfloat16(values, new Uint16Array(out.buffer));
      break;
    case 'Q8_0':
      encodeQ8(values, out);
      break;
    case 'Q4_0':
      encodeQ4(values, out);
      break;
    case 'Q4_K':
      encodeQ4K(values, out);
      break;
    case 'Q5_K':
      encodeQ5K(values, out);
      break;
    case 'Q6_K':
      encodeQ6K(values, out);
      break;
  }
  return out;
}

/** 32 bytes with one scale: the largest magnitude becomes 127. */
function encodeQ8(values: Float32Array, out: Uint8Array): void {
  const scales: Float32Array = new Float32Array(values.length / 32);
  for (let block = 0; block < scales.length; block++) {
    const [start, to] = [block * 32, block * 34 + 2];
    let largest = 0;
    for (let i = 0; i < 32; i++) largest = Math.max(largest, abs(values[start + i]));
    const scale = fround(largest / 127);
    const inverse = scale === 0 ? 0 : fround(1 / scale);
    scales[block] = scale;
    for (let i = 0; i < 32; i++) out[to + i] = roundAway(fround(values[start + i] * inverse));
  }
  putHalves(scales, out, { stride: 34, offset: 0 });
}

/** 32 numbers of 4 bits with one scale: the value of the largest magnitude becomes -8. */
function encodeQ4(values: Float32Array, out: Uint8Array): void {
  const scales: Float32Array = new Float32Array(values.length / 32);
  for (let block = 0; block < scales.length; block++) {
    const [start, to] = [block * 32, block * 18 + 2];
    let extreme = values[start];
    for (let i = 1; i < 32; i++) if (abs(values[start + i]) > abs(extreme)) extreme = values[start + i];
    const scale = fround(extreme / -8);
    const inverse = scale === 0 ? 0 : fround(1 / scale);
    scales[block] = scale;
    const code = (i: number): number => min(15, trunc(fround(fround(values[start + i] * inverse) + 8.5)));
    for (let i = 0; i < 16; i++) out[to + i] = code(i) | (code(i + 16) << 4);
  }
  putHalves(scales, out, { stride: 18, offset: 0 });
}

/** Writes float32 numbers as float16, one into each block. */
export function putHalves(
  numbers: Float32Array,
  out: Uint8Array,
  { stride, offset }: { readonly stride: number; readonly offset: number },
): void {
  const halves = new Uint16Array(numbers.length);
  float32ToFloat16(numbers, halves);
  for (const [block, half] of halves.entries()) {
    out[block * stride + offset] = half & 255;
    out[block * stride + offset + 1] = half >> 8;
  }
}

/** To the nearest whole number, halves away from zero. */
function roundAway(x: number): number {
  return x < 0 ? -floor(0.5 - x) : floor(x + 0.5);
}
