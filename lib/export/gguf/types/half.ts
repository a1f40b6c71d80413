/** Single float16 numbers among bytes, little-endian: the scales of blocks. */
import { float16Bits, float16ToFloat32 } from '../../../checkpoint';

const bits = new Uint16Array(1);
const number: Float32Array = new Float32Array(1);
const word = new Uint32Array(number.buffer);

/** Writes a number as float16 and returns what it became. */
export function putHalf(value: number, out: Uint8Array, at: number): number {
  number[0] = value;
  const half = float16Bits(word[0]);
  out[at] = half & 255;
  out[at + 1] = half >> 8;
  return halfAt(out, at);
}

/** The float16 number at a place. */
export function halfAt(bytes: Uint8Array, at: number): number {
  bits[0] = bytes[at] | (bytes[at + 1] << 8);
  float16ToFloat32(bits, number);
  return number[0];
}
