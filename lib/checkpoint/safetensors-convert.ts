/**
 * Converts between the 16-bit formats of checkpoints and the float32 of the engine. Plain loops over typed arrays:
 * hundreds of megabytes pass through here.
 *
 * Formats: IEEE 754 binary16 (1 sign, 5 exponent, 10 fraction bits) and bfloat16 (the upper half of a float32).
 */

let halfTable: Float32Array | undefined;

/** The float32 value of every binary16 bit pattern, built on first use (256 KiB). */
function halfToFloatTable(): Float32Array {
  if (halfTable !== undefined) return halfTable;
  const table = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const exponent = (bits >>> 10) & 31;
    const fraction = bits & 1023;
    const magnitude =
      exponent === 31
        ? fraction === 0
          ? Infinity
          : NaN
        : exponent === 0
          ? fraction * 2 ** -24
          : (1 + fraction / 1024) * 2 ** (exponent - 15);
    table[bits] = bits & 0x8000 ? -magnitude : magnitude;
  }
  halfTable = table;
  return table;
}

/** Writes the float32 values of binary16 bit patterns into `out`, which has the length of `bits`. */
export function float16ToFloat32(bits: Uint16Array, out: Float32Array): void {
  const table = halfToFloatTable();
  for (let i = 0; i < bits.length; i++) out[i] = table[bits[i]];
}

/** Writes the float32 values of bfloat16 bit patterns into `out`, which has the length of `bits`. */
export function bfloat16ToFloat32(bits: Uint16Array, out: Float32Array): void {
  const words = new Int32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < bits.length; i++) words[i] = bits[i] << 16;
}

const scratch: Float32Array = new Float32Array(1);
const scratchWord = new Uint32Array(scratch.buffer);

/** Rounds a float32 value to binary16, as `float32ToFloat16`; both are bit patterns. */
export function float16Bits(word: number): number {
  const sign = (word >>> 16) & 0x8000;
  const magnitude = word & 0x7fffffff;
  if (magnitude >= 0x47800000) return sign | (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00);
  if (magnitude >= 0x38800000) {
    // Rebias the exponent (127 to 15); the carry of the rounding may run into it, up to infinity, which is right.
    return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
  }
  // Below 2^-14 the result is subnormal: next to 0.5 a float32 has steps of 2^-24, those of binary16, so the
  // addition does the rounding.
  scratchWord[0] = magnitude;
  scratch[0] += 0.5;
  return sign | (scratchWord[0] - 0x3f000000);
}

/**
 * Rounds float32 values to binary16, to nearest with ties to even; magnitudes from 65520 become infinite.
 *
 * @param values Values; their bytes are read, never written.
 * @param out Bit patterns, of the length of `values`.
 */
export function float32ToFloat16(values: Float32Array, out: Uint16Array): void {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < words.length; i++) out[i] = float16Bits(words[i]);
}

/**
 * Rounds float32 values to bfloat16, to nearest with ties to even.
 *
 * @param values Values; their bytes are read, never written.
 * @param out Bit patterns, of the length of `values`.
 */
export function float32ToBfloat16(values: Float32Array, out: Uint16Array): void {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < words.length; i++) {
    const word = words[i];
    out[i] =
      (word & 0x7fffffff) > 0x7f800000
        ? (word >>> 16) | 0x40 // a NaN must not round to infinity
        : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
}
