/**
 * The inner loops: values to codes and back, block by block, each block scaled by its largest magnitude. Plain typed
 * arrays: loading a 7B model passes all of it through here once.
 *
 * Arithmetic is float32, as in bitsandbytes: a value is multiplied by the reciprocal of its block's largest magnitude
 * and rounded to the nearest code. A block of zeros has scale 0.
 */
import { dynamicCodeBook, fourBitCodeBook } from './code-books';
import type { FourBitType } from './code-books';
import { roundHalfEven } from './rounding';

/** Bins over the range of scaled values, each narrower than the distance between neighbouring midpoints. */
const BINS = 4096;

/** Nearest codes by bin: the code at the bin's left edge, and the one midpoint that the bin may contain. */
interface NearestTable {
  /** Rank of the code at the left edge of each bin. */
  readonly start: Uint8Array;
  /** Values above this round to the next rank; infinite for the last. */
  readonly middle: Float32Array;
  /** Code of each rank, ascending by value. */
  readonly code: Uint8Array;
}

/** The reciprocal of a subnormal scale would be infinite. */
const LARGEST_FLOAT = 3.4028234663852886e38;

const tables = new Map<FourBitType, NearestTable>();

function nearestTable(type: FourBitType): NearestTable {
  const known = tables.get(type);
  if (known !== undefined) return known;
  const book = fourBitCodeBook(type);
  const code = Uint8Array.from(book.keys()).sort((a, b) => book[a] - book[b] || b - a); // FP4's -0 before its 0
  const middle = new Float32Array(code.length).fill(Infinity);
  for (let i = 0; i + 1 < code.length; i++) {
    middle[i] = Math.fround(book[code[i]] + book[code[i + 1]]) / 2;
    // FP4 rounds by magnitude, ties to the smaller, and keeps the sign even of zero: a negative value at the midpoint
    // rounds up.
    if (type === 'fp4' && code[i] >= 8) middle[i] = nextBelow(middle[i]);
  }
  const start = new Uint8Array(BINS + 1);
  for (let bin = 0; bin <= BINS; bin++) {
    // Slightly to the left: rounding must not put a value below its bin's first code.
    const edge = ((bin - 0.01) / BINS) * 2 - 1;
    while (edge > middle[start[bin]]) start[bin]++;
  }
  const table = { start, middle, code };
  tables.set(type, table);
  return table;
}

/** The next float32 below a value that is not positive. */
function nextBelow(value: number): number {
  const word = new Uint32Array(Float32Array.of(value === 0 ? -0 : value).buffer);
  word[0]++;
  return new Float32Array(word.buffer)[0];
}

/**
 * The largest magnitude of `values[from..to)`; not finite if one of them is not. Compares bit patterns, which sort like
 * magnitudes, infinity and NaN last.
 */
function magnitudeOf(values: Float32Array): (from: number, to: number) => number {
  const words = new Int32Array(values.buffer, values.byteOffset, values.length);
  const result = new Float32Array(1);
  const resultWord = new Int32Array(result.buffer);
  return (from, to) => {
    let most = 0;
    for (let i = from; i < to; i++) {
      const word = words[i] & 0x7fffffff;
      if (word > most) most = word;
    }
    resultWord[0] = most;
    return result[0];
  };
}

/**
 * Quantizes to 4 bits, two codes per byte, the first in the high nibble.
 *
 * @param values An odd last value shares its byte with code 0.
 * @param blockSize Values per scale; even.
 * @param packed Receives ceil(values / 2) bytes.
 * @param absmax Receives ceil(values / blockSize) scales.
 */
export function quantizeFourBit(
  values: Float32Array,
  type: FourBitType,
  blockSize: number,
  { packed, absmax }: { packed: Uint8Array; absmax: Float32Array },
): void {
  const { start, middle, code } = nearestTable(type);
  const largest = magnitudeOf(values);
  const size = values.length;
  for (let block = 0, from = 0; from < size; block++, from += blockSize) {
    const to = Math.min(from + blockSize, size);
    const most = largest(from, to);
    absmax[block] = most;
    const reciprocal = most > 0 ? Math.min(Math.fround(1 / most), LARGEST_FLOAT) : 0;
    for (let i = from; i < to; i += 2) {
      // Repeated, not a function: this is the hot loop of loading a model.
      const first = Math.fround(values[i] * reciprocal);
      let high = start[((first + 1) * (BINS / 2)) | 0];
      if (first > middle[high]) high++;
      const second = i + 1 < to ? Math.fround(values[i + 1] * reciprocal) : -1;
      let low = start[((second + 1) * (BINS / 2)) | 0];
      if (second > middle[low]) low++;
      packed[i >> 1] = (code[high] << 4) | code[low];
    }
    if ((to & 1) === 1) packed[to >> 1] &= 0xf0;
  }
}

/**
 * Dequantizes 4-bit codes.
 *
 * @param packed Two codes per byte, the first in the high nibble.
 * @param absmax The scale of each block.
 * @param first Index of the first value; even.
 * @param out Receives as many values as it holds.
 */
export function dequantizeFourBit(
  packed: Uint8Array,
  absmax: Float32Array,
  { codeBook, blockSize, first }: { codeBook: Float32Array; blockSize: number; first: number },
  out: Float32Array,
): void {
  const high = new Float32Array(256);
  const low = new Float32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    high[byte] = codeBook[byte >> 4];
    low[byte] = codeBook[byte & 15];
  }
  const end = out.length & ~1;
  for (let i = 0; i < end;) {
    const block = Math.floor((first + i) / blockSize);
    const scale = absmax[block];
    const stop = Math.min(end, (block + 1) * blockSize - first);
    for (let at = (first + i) >>> 1; i < stop; i += 2, at++) {
      const byte = packed[at];
      out[i] = high[byte] * scale;
      out[i + 1] = low[byte] * scale;
    }
  }
  if (end < out.length)
    out[end] = high[packed[(first + end) >>> 1]] * absmax[Math.floor((first + end) / blockSize)];
}

/** Quantizes to int8: the largest magnitude of a block becomes 127, ties round to even. */
export function quantizeInt8(
  values: Float32Array,
  blockSize: number,
  { codes, absmax }: { codes: Int8Array; absmax: Float32Array },
): void {
  const largest = magnitudeOf(values);
  for (let block = 0, from = 0; from < values.length; block++, from += blockSize) {
    const to = Math.min(from + blockSize, values.length);
    const most = largest(from, to);
    absmax[block] = most;
    const factor = most > 0 ? Math.fround(127 / most) : 0;
    for (let i = from; i < to; i++) {
      codes[i] = roundHalfEven(Math.fround(values[i] * factor));
    }
  }
}

/** Dequantizes int8 codes, from value `first` on. */
export function dequantizeInt8(
  codes: Int8Array,
  absmax: Float32Array,
  { blockSize, first }: { blockSize: number; first: number },
  out: Float32Array,
): void {
  for (let i = 0; i < out.length;) {
    const block = Math.floor((first + i) / blockSize);
    const scale = Math.fround(absmax[block] / 127);
    const stop = Math.min(out.length, (block + 1) * blockSize - first);
    for (; i < stop; i++) out[i] = codes[first + i] * scale;
  }
}

/** Quantizes to the dynamic 8-bit type of double quantization's scales. */
export function quantizeDynamic(
  values: Float32Array,
  blockSize: number,
  { codes, absmax }: { codes: Uint8Array; absmax: Float32Array },
): void {
  const book = dynamicCodeBook();
  const largest = magnitudeOf(values);
  const middle = Float32Array.from({ length: 255 }, (_, i) => Math.fround(book[i] + book[i + 1]) / 2);
  for (let block = 0, from = 0; from < values.length; block++, from += blockSize) {
    const to = Math.min(from + blockSize, values.length);
    const most = largest(from, to);
    absmax[block] = most;
    const reciprocal = most > 0 ? Math.fround(1 / most) : 0;
    for (let i = from; i < to; i++) {
      const scaled = Math.fround(values[i] * reciprocal);
      let low = 0;
      for (let high = 255; low < high;) {
        const half = (low + high) >> 1;
        if (scaled > middle[half]) low = half + 1;
        else high = half;
      }
      codes[i] = low;
    }
  }
}

/** Dequantizes dynamic 8-bit codes and adds an offset. */
export function dequantizeDynamic(
  codes: Uint8Array,
  absmax: Float32Array,
  { codeBook, blockSize, offset }: { codeBook: Float32Array; blockSize: number; offset: number },
): Float32Array {
  const out: Float32Array = new Float32Array(codes.length);
  for (let i = 0; i < codes.length; i++) {
    out[i] = Math.fround(codeBook[codes[i]] * absmax[Math.floor(i / blockSize)]) + offset;
  }
  return out;
}
