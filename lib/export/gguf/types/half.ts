/** Single float16 numbers among bytes, little-endian: the scales of blocks. */
import { float16ToFloat32, float32ToFloat16 } from '../../../checkpoint';

const bits = new Uint16Array(1);
const number: Float32Array = new Float32Array(1);

/** Writes a number as float16 and returns what it became. */
export function putHalf(value: number, out: Uint8Array, at: number): number {
  number[0] = value;
  float32ToFloat16(number, bits);
  out[at] = bits[0] & 255;
  out[at + 1] = bits[0] >> 8;
  return halfAt(out, at);
}

/** The float16 number at a place. */
export function halfAt(bytes: Uint8Array, at: number): number {
  bits[0] = bytes[at] | (bytes[at + 1] << 8);
  float16ToFloat32(bits, number);
  return number[0];
}
