/**
 * Weights as codes that products read themselves (`linearCodes` of the engine): integers of 8 bits under a scale per
 * block of a row. A quantized weight keeps its blocks, and each of its levels becomes the nearest integer: at most
 * 1/254 of the block's largest magnitude off, where NF4 itself is up to 1/7 off. Affine codes are read as they are.
 */
import { TunebookError } from '../types';
import { roundedZeros } from './affine';
import { affineBitsOf, blockScales } from './quantized-tensor';
import type { QuantizedTensor } from './quantized-tensor';

/** A weight [out, in] in codes: value = (code - zero) * scale. */
export interface WeightCodes {
  readonly bits: 4 | 8;
  /** [out, in] */
  readonly shape: readonly number[];
  /** Values per scale, along a row. */
  readonly blockSize: number;
  /** uint8 [out, blocks, blockSize * bits / 8]; a row's last block is filled up with 128. */
  readonly codes: Uint8Array;
  /** float32 [out, blocks] */
  readonly scales: Float32Array;
  /** The code of 0 by block, uint8 [out, ceil(blocks * bits / 8)], of 4 bits the first in the low half; default: 128. */
  readonly zeros?: Uint8Array;
}

/** Code of the value 0. */
const ZERO = 128;
/** Truncating x plus this rounds x, halves up, and adds the code of 0; x is from -127 to 127. */
const ZERO_ROUNDED = ZERO + 0.5;
const LARGEST = 127;
/** Values per scale where a weight has no blocks of its own. */
const BLOCK_SIZE = 32;
/** Of a row that shares one scale: long blocks cost least. */
const ROW_BLOCK_SIZE = 128;

/** Where arrays of codes come from; what they hold at first is not told. */
export interface CodesSpace {
  bytes(length: number): Uint8Array;
  /** float32 */
  numbers(length: number): Float32Array;
}

const NEW_ARRAYS: CodesSpace = {
  bytes: (length) => new Uint8Array(length),
  numbers: (length) => new Float32Array(length),
};

/** How a weight's codes are laid out. */
export type CodesForm = Pick<WeightCodes, 'bits' | 'blockSize'>;

/**
 * The head's form. In blocks of 128 a token of GPT-2's takes a seventh less time there; quantized models, which generate by
 * codes without being asked, keep the blocks that their published texts were made with.
 */
export function headCodesForm(isQuantized: boolean): CodesForm {
  return { bits: 8, blockSize: isQuantized ? BLOCK_SIZE : 128 };
}

/** The form that a weight's codes get, as far as its type tells. @param tensor undefined: it is not quantized */
export function codesFormOf(tensor: QuantizedTensor | undefined): CodesForm {
  if (tensor === undefined) return { bits: 8, blockSize: BLOCK_SIZE };
  const bits = affineBitsOf(tensor.quantType);
  if (bits !== undefined) return { bits, blockSize: tensor.blockSize };
  return { bits: 8, blockSize: tensor.quantType === 'int8' ? ROW_BLOCK_SIZE : tensor.blockSize };
}

/** float32 numbers that ONNX Runtime (1.30) holds of a block: its scale in three places, and what its sums need. */
const NUMBERS_OF_BLOCK = 5;

/**
 * Bytes that a function holds of a weight's codes (measured: 0.86 a value for 4 bits in blocks of 64, 1.33 for 8).
 * @param size number of values
 */
export function weightCodesBytes(size: number, { bits, blockSize }: CodesForm): number {
  return Math.ceil((size * bits) / 8) + 4 * NUMBERS_OF_BLOCK * Math.ceil(size / blockSize);
}

/** How codes of values are made. */
export interface CodesOptions {
  /** Values per scale; default 32. */
  readonly blockSize?: number;
  readonly space?: CodesSpace;
}

/** A weight's values, of which there need not be more than some rows at a time. */
export interface RowsOfWeight {
  /** [out, in] */
  readonly shape: readonly [number, number];
  /** Rows from `start` up to `end`, float32 [end - start, in]; they may be gone at the next call. */
  readonly rows: (start: number, end: number) => Float32Array;
}

/** Rows that are asked for at a time. */
const ROWS_AT_A_TIME = 256;

/**
 * Codes of a weight, some rows at a time.
 *
 * @throws {TunebookError} If a value is not finite.
 */
export function codesOfRows(
  weight: RowsOfWeight,
  { blockSize = BLOCK_SIZE, space }: CodesOptions = {},
): WeightCodes {
  const result = emptyCodes(weight.shape, blockSize, space);
  const [rows] = weight.shape;
  for (let start = 0; start < rows; start += ROWS_AT_A_TIME)
    writeRows(weight.rows(start, Math.min(start + ROWS_AT_A_TIME, rows)), start, result);
  return result;
}

/** Writes the codes of rows from `first` on. */
function writeRows(
  values: Float32Array,
  first: number,
  { shape, blockSize, codes, scales }: WeightCodes,
): void {
  const [rows, width] = shape;
  const blocks = scales.length / rows;
  const count = values.length / width;
  for (let row = 0; row < count; row++)
    for (let block = 0; block < blocks; block++) {
      const from = row * width + block * blockSize;
      const to = Math.min(from + blockSize, (row + 1) * width);
      // A model's weights go through here: calls of Math would take as long again.
      let [most, none] = [0, 0];
      for (let i = from; i < to; i++) {
        const value = values[i];
        const size = value < 0 ? -value : value;
        if (size > most) most = size;
        none += value - value; // NaN where it is not finite
      }
      if (none !== 0)
        throw new TunebookError(
          `quantize: expected finite weights, got ${values.subarray(from, to).find((value) => !Number.isFinite(value))} in row ${first + row}. The weights are damaged.`,
        );
      const at = (first + row) * blocks + block;
      scales[at] = most / LARGEST;
      const factor = most > 0 ? LARGEST / most : 0;
      const start = at * blockSize - from;
      for (let i = from; i < to; i++) codes[start + i] = values[i] * factor + ZERO_ROUNDED; // which truncates
    }
}

/**
 * Codes of a quantized weight in its own blocks; undefined where they run over the ends of rows, or where 0 lies too far
 * from an affine code.
 */
export function codesOfQuantized(
  tensor: QuantizedTensor,
  space: CodesSpace = NEW_ARRAYS,
): WeightCodes | undefined {
  const bits = affineBitsOf(tensor.quantType);
  if (bits !== undefined) return codesOfAffine(tensor, bits, space);
  return tensor.quantType === 'int8' ? codesOfInt8(tensor, space) : codesOfFourBit(tensor, space);
}

function codesOfAffine(tensor: QuantizedTensor, bits: 4 | 8, space: CodesSpace): WeightCodes | undefined {
  const { shape, blockSize, packed: codes } = tensor;
  const scales = blockScales(tensor);
  const zeros = roundedZeros({ ...tensor, scales }, bits);
  if (zeros === undefined) return undefined;
  return {
    bits,
    shape,
    blockSize,
    codes,
    scales,
    zeros: bits === 8 ? zeros : packedPairs(zeros, shape[0], space),
  };
}

/** Codes of 4 bits, two in a byte; each row begins a byte. */
function packedPairs(values: Uint8Array, rows: number, space: CodesSpace): Uint8Array {
  const length = values.length / rows;
  const bytes = Math.ceil(length / 2);
  const packed = space.bytes(rows * bytes).fill(0);
  for (let row = 0; row < rows; row++)
    for (let i = 0; i < length; i++)
      packed[row * bytes + (i >> 1)] |= values[row * length + i] << ((i & 1) * 4);
  return packed;
}

function codesOfFourBit(tensor: QuantizedTensor, space: CodesSpace): WeightCodes | undefined {
  const { packed, codeBook, blockSize, shape } = tensor;
  const [, width] = shape;
  if (width % blockSize !== 0) return undefined;
  const levels = Uint8Array.from(codeBook, (level) => Math.round(level * LARGEST) + ZERO);
  const codes = space.bytes(2 * packed.length);
  for (let at = 0; at < packed.length; at++) {
    const byte = packed[at];
    codes[2 * at] = levels[byte >> 4];
    codes[2 * at + 1] = levels[byte & 15];
  }
  const own = blockScales(tensor);
  const scales = space.numbers(own.length);
  for (let i = 0; i < own.length; i++) scales[i] = own[i] / LARGEST;
  return { bits: 8, shape, blockSize, codes, scales };
}

function codesOfInt8(tensor: QuantizedTensor, space: CodesSpace): WeightCodes | undefined {
  const [rows, width] = tensor.shape;
  if (tensor.blockSize !== width) return undefined;
  const result = emptyCodes([rows, width], ROW_BLOCK_SIZE, space);
  const { codes, scales } = result;
  const blocks = scales.length / rows;
  const ofRows = blockScales(tensor);
  for (let row = 0; row < rows; row++) {
    scales.fill(ofRows[row] / LARGEST, row * blocks, (row + 1) * blocks);
    const start = row * blocks * ROW_BLOCK_SIZE;
    // Two's complement plus 128 is the byte with its first bit turned.
    for (let i = 0; i < width; i++) codes[start + i] = tensor.packed[row * width + i] ^ 0x80;
  }
  return result;
}

function emptyCodes(
  shape: readonly [number, number],
  blockSize: number,
  space: CodesSpace = NEW_ARRAYS,
): WeightCodes {
  const [rows, width] = shape;
  const blocks = Math.ceil(width / blockSize);
  return {
    bits: 8,
    shape,
    blockSize,
    codes: space.bytes(rows * blocks * blockSize).fill(ZERO),
    scales: space.numbers(rows * blocks),
  };
}
