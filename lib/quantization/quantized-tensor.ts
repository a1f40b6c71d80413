/**
 * A weight in 4 or 8 bits: codes, the scale of each block, and how to get the values back. Models hold their
 * frozen weights in this form; a layer's values exist only while it computes.
 */
import { kindOf, TunebookError } from '../types';
import { sizeOf, tensorSize } from '../tensor';
import {
  dequantizeDynamic,
  dequantizeFourBit,
  dequantizeInt8,
  quantizeDynamic,
  quantizeFourBit,
  quantizeInt8,
} from './blockwise';
import { dynamicCodeBook, fourBitCodeBook } from './code-books';
import type { FourBitType } from './code-books';

/** What a code stands for: a normal quantile, a 4-bit float, or a whole number up to 127. */
export type QuantType = FourBitType | 'int8';

/** Element type that a weight had before, which others restore it to. */
export type OriginalDtype = 'float32' | 'float16' | 'bfloat16';

/** The largest magnitude of each block, itself in 8 bits (double quantization). */
export interface NestedScales {
  /** Code of each block's scale, in the dynamic 8-bit type. */
  readonly codes: Uint8Array;
  /** Largest magnitude of each block of codes. */
  readonly absmax: Float32Array;
  /** The 256 values of the type. */
  readonly codeBook: Float32Array;
  /** Codes per entry of `absmax`. */
  readonly blockSize: number;
  /** Mean of the scales, taken off before and added after. */
  readonly offset: number;
}

/** A quantized weight. */
export interface QuantizedTensor {
  readonly quantType: QuantType;
  readonly shape: readonly number[];
  /** Values per scale, counted in row-major order across rows. */
  readonly blockSize: number;
  /** 4-bit: ceil(size / 2) bytes, the first value in the high nibble. int8: size bytes, two's complement. */
  readonly packed: Uint8Array;
  /** The 16 values of a 4-bit type; empty for int8. */
  readonly codeBook: Float32Array;
  /** One scale per block, as float32 or itself quantized. */
  readonly scales: Float32Array | NestedScales;
  readonly originalDtype: OriginalDtype;
}

/** How a weight is quantized. */
export interface QuantizeOptions {
  readonly quantType: QuantType;
  /** Its product is the number of values. */
  readonly shape: readonly number[];
  /** Values per scale: a power of two from 64 to 4096; 64 by default. For int8 also the length of a row. */
  readonly blockSize?: number;
  /** Quantize the scales as well; false by default. Only for 4-bit types. */
  readonly doubleQuant?: boolean;
  /** What the weight was stored as; 'float32' by default. */
  readonly originalDtype?: OriginalDtype;
}

const BLOCK_SIZES = [64, 128, 256, 512, 1024, 2048, 4096];
/** Scales per scale of scales, as bitsandbytes has it. */
const NESTED_BLOCK_SIZE = 256;

/**
 * Quantizes a weight that arrives in pieces, so that it is never whole in float32. Each piece but the last
 * has to be a multiple of the block size.
 */
export interface Quantizer {
  /** @throws {TunebookError} If the piece ends inside a block and is not the last, or there are too many values. */
  add(values: Float32Array): void;
  /** @throws {TunebookError} If values are missing. */
  finish(): QuantizedTensor;
}

/**
 * Begins the quantization of a weight.
 *
 * @throws {TunebookError} If the type, the block size or their combination is not known.
 */
export function startQuantization(options: QuantizeOptions): Quantizer {
  requireOptions(options);
  const { quantType, shape, blockSize = 64, doubleQuant = false, originalDtype = 'float32' } = options;
  const where = `quantize ${quantType} [${shape.join(', ')}]`;
  const rowOfInt8 = quantType === 'int8' && blockSize === shape[shape.length - 1];
  if (!BLOCK_SIZES.includes(blockSize) && !rowOfInt8) {
    throw new TunebookError(
      `${where}: expected a block size of ${BLOCK_SIZES.join(', ')}, got ${blockSize}.`,
    );
  }
  if (doubleQuant && quantType === 'int8') {
    throw new TunebookError(`${where}: double quantization is for nf4 and fp4; leave it out for int8.`);
  }
  const size = sizeOf(shape);
  const packed = new Uint8Array(quantType === 'int8' ? size : Math.ceil(size / 2));
  const absmax = new Float32Array(Math.ceil(size / blockSize));
  let done = 0;
  return {
    add: (values) => {
      const to = done + values.length;
      if (to > size || (to < size && values.length % blockSize !== 0)) {
        throw new TunebookError(
          `${where}: expected pieces of whole blocks of ${blockSize} and ${size} values in all, got ${values.length} ` +
            `after ${done}.`,
        );
      }
      const part = absmax.subarray(done / blockSize);
      if (quantType === 'int8') {
        const codes = new Int8Array(packed.buffer, done, values.length);
        quantizeInt8(values, blockSize, { codes, absmax: part });
      } else {
        quantizeFourBit(values, quantType, blockSize, { packed: packed.subarray(done / 2), absmax: part });
      }
      done = to;
    },
    finish: () => {
      if (done !== size) throw new TunebookError(`${where}: expected ${size} values, got ${done}.`);
      const bad = absmax.findIndex((scale) => !Number.isFinite(scale));
      if (bad >= 0) {
        throw new TunebookError(
          `${where}: values from ${bad * blockSize} on are not finite. The weights are damaged.`,
        );
      }
      return {
        quantType,
        shape,
        blockSize,
        packed,
        codeBook: quantType === 'int8' ? new Float32Array(0) : fourBitCodeBook(quantType),
        scales: doubleQuant ? nestScales(absmax) : absmax,
        originalDtype,
      };
    },
  };
}

/**
 * Quantizes a weight.
 *
 * @param values Row-major float32, as many as the product of `shape`.
 * @throws {TunebookError} If the options do not fit together or the values are not finite.
 */
export function quantize(values: Float32Array, options: QuantizeOptions): QuantizedTensor {
  if (!((values as unknown) instanceof Float32Array)) {
    throw new TunebookError(`quantize: expected the values as a Float32Array, got ${kindOf(values)}.`);
  }
  const quantizer = startQuantization(options);
  quantizer.add(values);
  return quantizer.finish();
}

function requireOptions(options: Partial<QuantizeOptions> | undefined): void {
  const { quantType, shape } = options ?? {};
  if (quantType !== 'nf4' && quantType !== 'fp4' && quantType !== 'int8') {
    throw new TunebookError(
      `quantize: expected the type nf4, fp4 or int8, got ${kindOf(quantType)}. Give { quantType, shape }.`,
    );
  }
  if (!Array.isArray(shape) || !shape.every((length) => Number.isSafeInteger(length) && length >= 0)) {
    throw new TunebookError(
      `quantize ${quantType}: expected a shape of whole numbers, for instance [out, in], got ${kindOf(shape)}.`,
    );
  }
}

/** A part of a weight, in row-major order. */
export interface DequantizeRange {
  /** First value; even. */
  readonly start: number;
  readonly count: number;
}

/**
 * Restores values.
 *
 * @param range Which values; all by default.
 * @param out Where to; a new array by default.
 * @param scales From `blockScales`, where the caller kept them; found again by default.
 * @returns `out`: row-major float32.
 */
export function dequantize(
  tensor: QuantizedTensor,
  options: { range?: DequantizeRange; out?: Float32Array; scales?: Float32Array } = {},
): Float32Array {
  if (!((tensor as Partial<QuantizedTensor> | undefined)?.packed instanceof Uint8Array)) {
    throw new TunebookError(`dequantize: expected what quantize gave, got ${kindOf(tensor)}.`);
  }
  const { range = { start: 0, count: tensorSize(tensor) }, scales = blockScales(tensor) } = options;
  const { out = new Float32Array(range.count) } = options;
  const { start, count } = range;
  const { packed, blockSize, codeBook } = tensor;
  if (out.length !== count || start < 0 || start % 2 !== 0 || start + count > tensorSize(tensor)) {
    throw new TunebookError(
      `dequantize [${tensor.shape.join(', ')}]: expected an even start within the weight and room for ${count} values, ` +
        `got start ${start} and room for ${out.length}.`,
    );
  }
  if (tensor.quantType === 'int8') {
    const codes = new Int8Array(packed.buffer, packed.byteOffset, packed.length);
    dequantizeInt8(codes, scales, { blockSize, first: start }, out);
  } else {
    dequantizeFourBit(packed, scales, { codeBook, blockSize, first: start }, out);
  }
  return out;
}

/** One float32 scale per block, restored where it is quantized itself. */
export function blockScales({ scales }: QuantizedTensor): Float32Array {
  if (scales instanceof Float32Array) return scales;
  const { codes, absmax, codeBook, blockSize, offset } = scales;
  return dequantizeDynamic(codes, absmax, { codeBook, blockSize, offset });
}

/** Bytes that a weight occupies: codes and scales, without code books. */
export function quantizedSizeBytes(
  size: number,
  options: { quantType: QuantType; blockSize?: number; doubleQuant?: boolean },
): number {
  const { quantType, blockSize = 64, doubleQuant = false } = options;
  const blocks = Math.ceil(size / blockSize);
  const codeBytes = quantType === 'int8' ? size : Math.ceil(size / 2);
  return codeBytes + (doubleQuant ? blocks + Math.ceil(blocks / NESTED_BLOCK_SIZE) * 4 + 4 : blocks * 4);
}

/** Double quantization (QLoRA, arXiv:2305.14314, section 3). */
function nestScales(absmax: Float32Array): NestedScales {
  let sum = 0;
  for (const scale of absmax) sum += scale;
  const offset = Math.fround(absmax.length > 0 ? sum / absmax.length : 0);
  const centred = absmax.map((scale) => scale - offset);
  const codes: Uint8Array = new Uint8Array(absmax.length);
  const nested: Float32Array = new Float32Array(Math.ceil(absmax.length / NESTED_BLOCK_SIZE));
  quantizeDynamic(centred, NESTED_BLOCK_SIZE, { codes, absmax: nested });
  return { codes, absmax: nested, codeBook: dynamicCodeBook(), blockSize: NESTED_BLOCK_SIZE, offset };
}
