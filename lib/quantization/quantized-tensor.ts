/**
 * A weight in 4 or 8 bits: codes, a scale per block, and the way back to values. Models hold frozen weights in this
 * form; a layer's values exist only while it computes.
 */
import { requireOptions } from '../options';
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
import { dequantizeAffine, quantizeAffine } from './affine';
import type { AffineBits } from './affine';
import { dynamicCodeBook, fourBitCodeBook } from './code-books';
import type { FourBitType } from './code-books';

/** Codes with a scale and a code of 0 per block of a row: 4 or 8 bits. */
export type AffineType = 'affine4' | 'affine8';

/**
 * What a code encodes: a normal quantile (nf4), a 4-bit float (fp4), an integer from -127 to 127 (int8), or a number of
 * steps from a block's end (affine).
 */
export type QuantType = FourBitType | 'int8' | AffineType;

/** All of them. */
const QUANT_TYPES: readonly QuantType[] = ['nf4', 'fp4', 'int8', 'affine4', 'affine8'];

/** A weight's element type before quantization, which other libraries dequantize it to. */
export type OriginalDtype = 'float32' | 'float16' | 'bfloat16';

/** Scales that are themselves quantized to 8 bits (double quantization). */
export interface NestedScales {
  /** Each block's scale as a code of the dynamic 8-bit type. */
  readonly codes: Uint8Array;
  /** The scale of each block of codes. */
  readonly absmax: Float32Array;
  /** The 256 values of the type. */
  readonly codeBook: Float32Array;
  /** Codes per entry of `absmax`. */
  readonly blockSize: number;
  /** Mean of the scales, subtracted before quantization and added after. */
  readonly offset: number;
}

/** A quantized weight. */
export interface QuantizedTensor {
  /** What its codes encode. */
  readonly quantType: QuantType;
  /** Dimensions of the weight, for instance [out, in]. */
  readonly shape: readonly number[];
  /** Values per scale, in row-major order across rows. */
  readonly blockSize: number;
  /**
   * nf4, fp4: ceil(size / 2) bytes, the first value in the high nibble; affine4: in the low one. int8: size bytes, two's
   * complement; affine8: size bytes without sign.
   */
  readonly packed: Uint8Array;
  /** The 16 values of nf4 and fp4; empty for others. */
  readonly codeBook: Float32Array;
  /** One scale per block, as float32 or itself quantized. */
  readonly scales: Float32Array | NestedScales;
  /** Affine types: each block's code of 0, value = (code - zero) * scale. */
  readonly zeros?: Uint8Array;
  /** Affine types of other tools, where 0 is between two codes: value = code * scale + bias. */
  readonly biases?: Float32Array;
  /** Element type before quantization. */
  readonly originalDtype: OriginalDtype;
}

/** How a weight is quantized. */
export interface QuantizeOptions {
  /** What the codes encode. */
  readonly quantType: QuantType;
  /** Dimensions of the weight; their product is the number of values. */
  readonly shape: readonly number[];
  /**
   * Values per scale: a power of two from 64 to 4096, for int8 also a row's length; for affine types 32, 64 or 128, and
   * whole in a row; 64 by default.
   */
  readonly blockSize?: number;
  /** Quantize the scales as well, for 4-bit types only; false by default. */
  readonly doubleQuant?: boolean;
  /** Element type before quantization, for the file; 'float32' by default. */
  readonly originalDtype?: OriginalDtype;
}

const BLOCK_SIZES = [64, 128, 256, 512, 1024, 2048, 4096];
/** Values per scale of affine types: what MLX and ONNX Runtime have in common. */
export const AFFINE_BLOCK_SIZES: readonly number[] = [32, 64, 128];
/** Scales per nested scale, as in bitsandbytes. */
const NESTED_BLOCK_SIZE = 256;

/**
 * Quantizes a weight piece by piece, so that it is never whole in float32. Each piece but the last must be a multiple
 * of the block size.
 */
export interface Quantizer {
  /**
   * Quantizes the next values.
   *
   * @throws {TunebookError} If a piece other than the last ends inside a block, or there are too many values.
   */
  add(values: Float32Array): void;
  /**
   * The quantized weight.
   *
   * @throws {TunebookError} If values are missing or not finite.
   */
  finish(): QuantizedTensor;
}

/**
 * Starts to quantize a weight that arrives in pieces.
 *
 * @throws {TunebookError} If the options are wrong or do not go together.
 */
export function startQuantization(options: QuantizeOptions): Quantizer {
  requireKind(options);
  const { quantType, shape, blockSize = 64, doubleQuant = false, originalDtype = 'float32' } = options;
  const where = `quantize ${quantType} [${shape.join(', ')}]`;
  const affineBits = affineBitsOf(quantType);
  const width = shape[shape.length - 1];
  const rowOfInt8 = quantType === 'int8' && blockSize === width;
  const blockSizes = affineBits === undefined ? BLOCK_SIZES : AFFINE_BLOCK_SIZES;
  if (!blockSizes.includes(blockSize) && !rowOfInt8) {
    throw new TunebookError(`${where}: expected a block size of ${blockSizes.join(', ')}, got ${blockSize}.`);
  }
  if (affineBits !== undefined && width % blockSize !== 0) {
    const fitting = AFFINE_BLOCK_SIZES.filter((one) => width % one === 0);
    throw new TunebookError(
      `${where}: expected rows of whole blocks of ${blockSize}, got rows of ${width}. ` +
        (fitting.length > 0
          ? `Use a block size of ${fitting.join(' or ')}.`
          : 'Quantize this model as nf4 or int8.'),
    );
  }
  if (doubleQuant && quantType !== 'nf4' && quantType !== 'fp4') {
    throw new TunebookError(
      `${where}: double quantization is for nf4 and fp4; leave it out for ${quantType}.`,
    );
  }
  const size = sizeOf(shape);
  const packed = new Uint8Array(codeBytes(quantType, size));
  const absmax = new Float32Array(Math.ceil(size / blockSize));
  const zeros = affineBits === undefined ? undefined : new Uint8Array(absmax.length);
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
      if (affineBits !== undefined && zeros !== undefined) {
        const out = {
          packed: packed.subarray(affineBits === 8 ? done : done / 2),
          scales: part,
          zeros: zeros.subarray(done / blockSize),
        };
        quantizeAffine(values, { bits: affineBits, blockSize }, out);
      } else if (quantType === 'nf4' || quantType === 'fp4') {
        quantizeFourBit(values, quantType, blockSize, { packed: packed.subarray(done / 2), absmax: part });
      } else {
        const codes = new Int8Array(packed.buffer, done, values.length);
        quantizeInt8(values, blockSize, { codes, absmax: part });
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
        codeBook:
          quantType === 'nf4' || quantType === 'fp4' ? fourBitCodeBook(quantType) : new Float32Array(0),
        scales: doubleQuant ? nestScales(absmax) : absmax,
        ...(zeros && { zeros }),
        originalDtype,
      };
    },
  };
}

/**
 * Quantizes a weight.
 *
 * @param values Row-major float32, as many as the product of `shape`.
 * @throws {TunebookError} If the options do not go together, or the values do not fit or are not finite.
 * @example
 * ```ts
 * import { dequantize, quantize } from 'tunebook';
 *
 * const weight = Float32Array.from({ length: 128 }, (_, i) => Math.sin(i));
 * const quantized = quantize(weight, { quantType: 'nf4', shape: [2, 64], doubleQuant: true });
 * console.log(quantized.packed.length); // 64: two values a byte
 * const restored = dequantize(quantized); // Float32Array(128)
 * ```
 */
export function quantize(values: Float32Array, options: QuantizeOptions): QuantizedTensor {
  if (!((values as unknown) instanceof Float32Array)) {
    throw new TunebookError(`quantize: expected the values as a Float32Array, got ${kindOf(values)}.`);
  }
  requireOptions<QuantizeOptions>(options, {
    where: 'quantize',
    names: { quantType: true, shape: true, blockSize: true, doubleQuant: true, originalDtype: true },
  });
  const quantizer = startQuantization(options);
  quantizer.add(values);
  return quantizer.finish();
}

function requireKind(options: Partial<QuantizeOptions> | undefined): void {
  const { quantType, shape } = options ?? {};
  if (quantType === undefined || !QUANT_TYPES.includes(quantType)) {
    throw new TunebookError(
      `quantize: expected the type ${QUANT_TYPES.join(', ')}, got ${kindOf(quantType)}. Give { quantType, shape }.`,
    );
  }
  if (!Array.isArray(shape) || !shape.every((length) => Number.isSafeInteger(length) && length >= 0)) {
    throw new TunebookError(
      `quantize ${quantType}: expected a shape of whole numbers, for instance [out, in], got ${kindOf(shape)}.`,
    );
  }
}

/** A range of a weight, in row-major order. */
export interface DequantizeRange {
  /** First value; even. */
  readonly start: number;
  /** Number of values. */
  readonly count: number;
}

/**
 * Dequantizes a weight.
 *
 * @param options `range`: which values, all by default; `out`: the array to fill, a new one by default; `scales`: what
 *   `blockScales` gave, computed again by default.
 * @returns `out`: row-major float32.
 * @throws {TunebookError} If the range starts at an odd value, exceeds the weight, or differs from `out` in length.
 */
export function dequantize(
  tensor: QuantizedTensor,
  options: { range?: DequantizeRange; out?: Float32Array; scales?: Float32Array } = {},
): Float32Array {
  if (!((tensor as Partial<QuantizedTensor> | undefined)?.packed instanceof Uint8Array)) {
    throw new TunebookError(`dequantize: expected what quantize gave, got ${kindOf(tensor)}.`);
  }
  requireOptions<{ range?: DequantizeRange; out?: Float32Array; scales?: Float32Array }>(options, {
    where: 'dequantize',
    names: { range: true, out: true, scales: true },
  });
  const { range = { start: 0, count: tensorSize(tensor) }, scales = blockScales(tensor) } = options;
  const { out = new Float32Array(range.count) } = options;
  const { start, count } = range;
  const { packed, blockSize, codeBook } = tensor;
  if (out.length !== count || start < 0 || start % 2 !== 0 || start + count > tensorSize(tensor)) {
    throw new TunebookError(
      `dequantize [${tensor.shape.join(', ')}]: expected an even start within the weight and space for ${count} values, ` +
        `got start ${start} and space for ${out.length}.`,
    );
  }
  const bits = affineBitsOf(tensor.quantType);
  if (bits !== undefined) {
    dequantizeAffine({ ...tensor, scales }, { bits, blockSize, first: start }, out);
  } else if (tensor.quantType === 'int8') {
    const codes = new Int8Array(packed.buffer, packed.byteOffset, packed.length);
    dequantizeInt8(codes, scales, { blockSize, first: start }, out);
  } else {
    dequantizeFourBit(packed, scales, { codeBook, blockSize, first: start }, out);
  }
  return out;
}

/** One float32 scale per block, dequantized where necessary. */
export function blockScales({ scales }: QuantizedTensor): Float32Array {
  if (scales instanceof Float32Array) return scales;
  const { codes, absmax, codeBook, blockSize, offset } = scales;
  return dequantizeDynamic(codes, absmax, { codeBook, blockSize, offset });
}

/** Bits of a type's codes. */
export function codeBits(quantType: QuantType): 4 | 8 {
  return quantType === 'int8' || quantType === 'affine8' ? 8 : 4;
}

function codeBytes(quantType: QuantType, size: number): number {
  return codeBits(quantType) === 8 ? size : Math.ceil(size / 2);
}

/** Bits of an affine type's codes; undefined for other types. */
export function affineBitsOf(quantType: QuantType): AffineBits | undefined {
  return quantType === 'affine4' || quantType === 'affine8' ? codeBits(quantType) : undefined;
}

/** Size of a quantized weight in bytes: codes, scales and codes of 0, without code books. */
export function quantizedSizeBytes(
  size: number,
  options: { quantType: QuantType; blockSize?: number; doubleQuant?: boolean },
): number {
  const { quantType, blockSize = 64, doubleQuant = false } = options;
  const blocks = Math.ceil(size / blockSize);
  const codes = codeBytes(quantType, size);
  if (affineBitsOf(quantType) !== undefined) return codes + 5 * blocks;
  return codes + (doubleQuant ? blocks + Math.ceil(blocks / NESTED_BLOCK_SIZE) * 4 + 4 : blocks * 4);
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
