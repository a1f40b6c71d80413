/** The bytes of a tensor type to values, as llama.cpp reads them: what an export is checked by. */
import { bfloat16ToFloat32, float16ToFloat32 } from '../../../checkpoint';
import { TENSOR_TYPES } from './format';
import type { TensorType } from './format';
import { halfAt } from './half';

/** @param bytes whole blocks */
export function decode(type: TensorType, bytes: Uint8Array): Float32Array {
  const { blockSize, blockBytes } = TENSOR_TYPES[type];
  const out: Float32Array = new Float32Array((bytes.length / blockBytes) * blockSize);
  const { buffer } = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  const offset = bytes.byteOffset % 4 === 0 ? bytes.byteOffset : 0;
  if (type === 'F32') out.set(new Float32Array(buffer, offset, out.length));
  else if (type === 'F16') float16ToFloat32(new Uint16Array(buffer, offset, out.length), out);
  else if (type === 'BF16') bfloat16ToFloat32(new Uint16Array(buffer, offset, out.length), out);
  else {
    const decodeBlock = { Q8_0: decodeQ8, Q4_0: decodeQ4, Q4_K: decodeQ4K, Q5_K: decodeQ5K, Q6_K: decodeQ6K };
    const count = bytes.length / blockBytes;
    for (let block = 0; block < count; block++) {
      const part = bytes.subarray(block * blockBytes, (block + 1) * blockBytes);
      decodeBlock[type](part, out.subarray(block * blockSize, (block + 1) * blockSize));
    }
  }
  return out;
}

const signed = (byte: number): number => (byte << 24) >> 24;

function decodeQ8(bytes: Uint8Array, out: Float32Array): void {
  const scale = halfAt(bytes, 0);
  for (let i = 0; i < 32; i++) out[i] = scale * signed(bytes[2 + i]);
}

function decodeQ4(bytes: Uint8Array, out: Float32Array): void {
  const scale = halfAt(bytes, 0);
  for (let i = 0; i < 16; i++) {
    out[i] = scale * ((bytes[2 + i] & 15) - 8);
    out[i + 16] = scale * ((bytes[2 + i] >> 4) - 8);
  }
}

/** The factor and the offset of a group of 32. */
function groupOf(bytes: Uint8Array, group: number): [scale: number, offset: number] {
  const packed = bytes.subarray(4, 16);
  const [s, o] =
    group < 4
      ? [packed[group] & 63, packed[group + 4] & 63]
      : [
          (packed[group + 4] & 15) | ((packed[group - 4] >> 6) << 4),
          (packed[group + 4] >> 4) | ((packed[group] >> 6) << 4),
        ];
  return [halfAt(bytes, 0) * s, halfAt(bytes, 2) * o];
}

function decodeQ4K(bytes: Uint8Array, out: Float32Array): void {
  for (let group = 0; group < 8; group++) {
    const [scale, offset] = groupOf(bytes, group);
    for (let i = 0; i < 32; i++) {
      const byte = bytes[16 + 32 * (group >> 1) + i];
      out[32 * group + i] = scale * (group % 2 === 0 ? byte & 15 : byte >> 4) - offset;
    }
  }
}

function decodeQ5K(bytes: Uint8Array, out: Float32Array): void {
  for (let group = 0; group < 8; group++) {
    const [scale, offset] = groupOf(bytes, group);
    for (let i = 0; i < 32; i++) {
      const byte = bytes[48 + 32 * (group >> 1) + i];
      const code = (group % 2 === 0 ? byte & 15 : byte >> 4) | (((bytes[16 + i] >> group) & 1) << 4);
      out[32 * group + i] = scale * code - offset;
    }
  }
}

function decodeQ6K(bytes: Uint8Array, out: Float32Array): void {
  const d = halfAt(bytes, 208);
  for (let i = 0; i < 256; i++) {
    const [part, quarter, at] = [i >> 7, (i >> 5) & 3, i & 31];
    const low = bytes[64 * part + 32 * (quarter & 1) + at];
    const code =
      (quarter < 2 ? low & 15 : low >> 4) | (((bytes[128 + 32 * part + at] >> (2 * quarter)) & 3) << 4);
    out[i] = d * signed(bytes[192 + (i >> 4)]) * (code - 32);
  }
}
