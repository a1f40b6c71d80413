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

/**
 * Codes of values.
 *
 * @param values [out, in], row-major.
 * @param blockSize values per scale
 * @throws {TunebookError} If a value is not finite.
 */
export function codesOfValues(
  values: Float32Array,
  shape: readonly [number, number],
  blockSize = BLOCK_SIZE,
): WeightCodes {
  const [rows, width] = shape;
  const result = emptyCodes(shape, blockSize);
  const { codes, scales } = result;
  const blocks = scales.length / rows;
  for (let row = 0; row < rows; row++)
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
          `quantize: expected finite weights, got ${values.subarray(from, to).find((value) => !Number.isFinite(value))} in row ${row}. The weights are damaged.`,
        );
      const at = row * blocks + block;
      scales[at] = most / LARGEST;
      const factor = most > 0 ? LARGEST / most : 0;
      const start = at * blockSize - from;
      for (let i = from; i < to; i++) codes[start + i] = values[i] * factor + ZERO_ROUNDED; // which truncates
    }
  return result;
}

/**
 * Codes of a quantized weight in its own blocks; undefined where they run over the ends of rows, or where 0 lies too far
 * from an affine code.
 */
export function codesOfQuantized(tensor: QuantizedTensor): WeightCodes | undefined {
  const [rows, width] = tensor.shape;
  const bits = affineBitsOf(tensor.quantType);
  if (bits !== undefined) return codesOfAffine(tensor, bits);
  return tensor.quantType === 'int8' ? codesOfInt8(tensor, rows, width) : codesOfFourBit(tensor, width);
}

function codesOfAffine(tensor: QuantizedTensor, bits: 4 | 8): WeightCodes | undefined {
  const { shape, blockSize, packed: codes } = tensor;
  const scales = blockScales(tensor);
  const zeros = roundedZeros({ ...tensor, scales }, bits);
  if (zeros === undefined) return undefined;
  return { bits, shape, blockSize, codes, scales, zeros: bits === 8 ? zeros : packedPairs(zeros, shape[0]) };
}

/** Codes of 4 bits, two in a byte; each row begins a byte. */
function packedPairs(values: Uint8Array, rows: number): Uint8Array {
  const length = values.length / rows;
  const bytes = Math.ceil(length / 2);
  const packed = new Uint8Array(rows * bytes);
  for (let row = 0; row < rows; row++)
    for (let i = 0; i < length; i++)
      packed[row * bytes + (i >> 1)] |= values[row * length + i] << ((i & 1) * 4);
  return packed;
}

function codesOfFourBit(tensor: QuantizedTensor, width: number): WeightCodes | undefined {
  const { packed, codeBook, blockSize } = tensor;
  if (width % blockSize !== 0) return undefined;
  const levels = Uint8Array.from(codeBook, (level) => Math.round(level * LARGEST) + ZERO);
  const codes = new Uint8Array(2 * packed.length);
  for (let at = 0; at < packed.length; at++) {
    const byte = packed[at];
    codes[2 * at] = levels[byte >> 4];
    codes[2 * at + 1] = levels[byte & 15];
  }
  const scales = blockScales(tensor).map((scale) => scale / LARGEST);
  return { bits: 8, shape: tensor.shape, blockSize, codes, scales };
}

function codesOfInt8(tensor: QuantizedTensor, rows: number, width: number): WeightCodes | undefined {
  if (tensor.blockSize !== width) return undefined;
  const result = emptyCodes([rows, width], ROW_BLOCK_SIZE);
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

function emptyCodes(shape: readonly [number, number], blockSize: number): WeightCodes {
  const [rows, width] = shape;
  const blocks = Math.ceil(width / blockSize);
  return {
    bits: 8,
    shape,
    blockSize,
    codes: new Uint8Array(rows * blocks * blockSize).fill(ZERO),
    scales: new Float32Array(rows * blocks),
  };
}
