/**
 * Quantized weights in checkpoints. By Hugging Face's names and layout for bitsandbytes: for 4 bits `weight` (codes),
 * `weight.absmax`, `weight.quant_map`, with double quantization `weight.nested_absmax` and `weight.nested_quant_map`,
 * and `weight.quant_state.bitsandbytes__nf4` (JSON in bytes); for 8 bits `weight`, `SCB` (one scale per row) and
 * `weight_format`. Affine types as MLX stores them: `weight` (words of 32 bits, the first code in the lowest), `scales`
 * and `biases`.
 */
import type { z } from 'zod';
import { lazySchema, prettifyError } from '../schema';
import { TunebookError } from '../types';
import { tensorSize } from '../tensor';
import { affineBiases, affineZeros } from './affine';
import { affineBitsOf, AFFINE_BLOCK_SIZES, blockScales } from './quantized-tensor';
import type { NestedScales, QuantizedTensor } from './quantized-tensor';

/** A tensor as it is stored in a safetensors file. */
export interface StoredTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: 'U8' | 'I8' | 'U32' | 'F32';
  readonly values: Uint8Array | Float32Array;
}

/** A source of stored tensors; an open checkpoint is one. */
export interface QuantizedTensorReader {
  has(name: string): boolean;
  info(name: string): { readonly dtype: string; readonly shape: readonly number[] };
  read(name: string): Promise<Float32Array>;
  readBytes(name: string): Promise<Uint8Array>;
}

const STATE_PREFIX = '.quant_state.bitsandbytes__';
const MAX_STATE_BYTES = 10_000;

const dtypeSchema = lazySchema((z) => z.enum(['float32', 'float16', 'bfloat16']));
const stateSchema = lazySchema((z) =>
  z.object({
    quant_type: z.enum(['nf4', 'fp4']),
    blocksize: z.number().int().positive(),
    dtype: dtypeSchema(),
    shape: z.array(z.number().int().nonnegative()).max(8),
    nested_blocksize: z.number().int().positive().optional(),
    nested_dtype: z.literal('float32').optional(),
    nested_offset: z.number().optional(),
  }),
);

/**
 * The tensors that store a quantized weight.
 *
 * @param name The weight's name, ending in `weight`.
 * @throws {TunebookError} If it is int8 and not scaled by rows.
 */
export function toStoredTensors(name: string, tensor: QuantizedTensor): StoredTensor[] {
  const { quantType, shape, blockSize, packed, scales, codeBook, originalDtype } = tensor;
  if (quantType === 'int8') {
    if (shape.length !== 2 || blockSize !== shape[1]) {
      throw new TunebookError(
        `${name}: 8-bit checkpoints have one scale per row: expected blocks of ${shape[1]}, got ${blockSize}.`,
      );
    }
    return [
      { name, shape, dtype: 'I8', values: packed },
      { name: sibling(name, 'SCB'), shape: [shape[0]], dtype: 'F32', values: blockScales(tensor) },
      { name: sibling(name, 'weight_format'), shape: [], dtype: 'U8', values: new Uint8Array(1) },
    ];
  }
  const affineBits = affineBitsOf(quantType);
  if (affineBits !== undefined) {
    const ofBlocks = blockScales(tensor);
    const [rows, width] = shape;
    const blocks = [rows, width / blockSize];
    const biases = affineBiases({ ...tensor, scales: ofBlocks });
    return [
      { name, shape: [rows, (width * affineBits) / 32], dtype: 'U32', values: packed },
      { name: sibling(name, 'scales'), shape: blocks, dtype: 'F32', values: ofBlocks },
      { name: sibling(name, 'biases'), shape: blocks, dtype: 'F32', values: biases },
    ];
  }
  const nested = scales instanceof Float32Array ? undefined : scales;
  const state = {
    quant_type: quantType,
    blocksize: blockSize,
    dtype: originalDtype,
    shape,
    ...(nested && {
      nested_blocksize: nested.blockSize,
      nested_dtype: 'float32',
      nested_offset: nested.offset,
    }),
  };
  const stateBytes = new TextEncoder().encode(JSON.stringify(state));
  const vector = (suffix: string, values: Float32Array | Uint8Array): StoredTensor => ({
    name: `${name}.${suffix}`,
    shape: [values.length],
    dtype: values instanceof Float32Array ? 'F32' : 'U8',
    values,
  });
  return [
    { name, shape: [packed.length, 1], dtype: 'U8', values: packed },
    vector('absmax', scales instanceof Float32Array ? scales : scales.codes),
    vector('quant_map', codeBook),
    ...(nested ? [vector('nested_absmax', nested.absmax), vector('nested_quant_map', nested.codeBook)] : []),
    vector(`quant_state.bitsandbytes__${quantType}`, stateBytes),
  ];
}

/** Names of the quantized weights among the tensors of a checkpoint. */
export function findQuantizedWeights(names: readonly string[]): string[] {
  const all = new Set(names);
  const fourBit = names
    .filter((name) => name.includes(STATE_PREFIX))
    .map((name) => name.slice(0, name.indexOf(STATE_PREFIX)));
  const eightBit = names.filter((name) => name.endsWith('.SCB')).map((name) => sibling(name, 'weight'));
  const affine = names
    .filter((name) => name.endsWith('.scales') && all.has(sibling(name, 'biases')))
    .map((name) => sibling(name, 'weight'));
  return [...fourBit, ...eightBit, ...affine].filter((name) => all.has(name));
}

/** Names that may accompany a quantized weight, whether or not a checkpoint has them. */
export function companionsOf(name: string): string[] {
  const suffixes = ['absmax', 'quant_map', 'nested_absmax', 'nested_quant_map'];
  const states = ['nf4', 'fp4'].map((type) => `${name}${STATE_PREFIX}${type}`);
  return [
    ...suffixes.map((s) => `${name}.${s}`),
    ...states,
    ...['SCB', 'weight_format', 'scales', 'biases'].map((last) => sibling(name, last)),
  ];
}

/**
 * Reads a quantized weight without dequantizing it.
 *
 * @param name One of `findQuantizedWeights`.
 * @param shape [out, in] that the model expects: what affine codes alone do not say.
 * @throws {TunebookError} If parts are missing, of another type, or inconsistent.
 */
export async function readQuantizedTensor(
  reader: QuantizedTensorReader,
  name: string,
  shape: readonly [number, number],
): Promise<QuantizedTensor> {
  const stateName = ['nf4', 'fp4'].map((type) => `${name}${STATE_PREFIX}${type}`).find((n) => reader.has(n));
  if (stateName !== undefined) return readFourBit(reader, name, stateName);
  if (reader.has(sibling(name, 'SCB'))) return readEightBit(reader, name);
  if (reader.has(sibling(name, 'scales'))) return readAffine(reader, name, shape);
  throw new TunebookError(
    `${name}: expected ${name}${STATE_PREFIX}nf4, ${sibling(name, 'SCB')} or ${sibling(name, 'scales')} beside it, ` +
      'got none of them.',
  );
}

async function readAffine(
  reader: QuantizedTensorReader,
  name: string,
  [rows, width]: readonly [number, number],
): Promise<QuantizedTensor> {
  const [words, scaleInfo] = [reader.info(name), reader.info(sibling(name, 'scales'))];
  const bits = (32 * tensorSize(words)) / (rows * width);
  const blockSize = (rows * width) / tensorSize(scaleInfo);
  const isMatrix = [words, scaleInfo].every((info) => info.shape.length === 2 && info.shape[0] === rows);
  if (!isMatrix || (bits !== 4 && bits !== 8) || !AFFINE_BLOCK_SIZES.includes(blockSize)) {
    throw new TunebookError(
      `${name}: expected affine codes of 4 or 8 bits for [${rows}, ${width}] in groups of ` +
        `${AFFINE_BLOCK_SIZES.join(', ')}, got ${words.dtype} [${words.shape.join(', ')}] with scales of ` +
        `[${scaleInfo.shape.join(', ')}]. Use the 16-bit model instead.`,
    );
  }
  const packed = await readVector(reader, { name, dtype: 'U32', length: tensorSize(words) });
  const blocks = tensorSize(scaleInfo);
  const [scales, biases] = [
    await readScales(reader, sibling(name, 'scales'), blocks),
    await readScales(reader, sibling(name, 'biases'), blocks),
  ];
  const zeros = affineZeros(scales, biases, bits);
  return {
    quantType: bits === 4 ? 'affine4' : 'affine8',
    shape: [rows, width],
    blockSize,
    packed,
    codeBook: new Float32Array(0),
    scales,
    ...(zeros === undefined ? { biases } : { zeros }),
    originalDtype: ORIGINAL_DTYPES[scaleInfo.dtype] ?? 'float32',
  };
}

const ORIGINAL_DTYPES: Record<string, QuantizedTensor['originalDtype']> = {
  F16: 'float16',
  BF16: 'bfloat16',
};

/** Scales of MLX have the type that the weights had. */
async function readScales(
  reader: QuantizedTensorReader,
  name: string,
  length: number,
): Promise<Float32Array> {
  const dtype = reader.has(name) ? reader.info(name).dtype : 'F32';
  requirePart(reader, { name, dtype: dtype in ORIGINAL_DTYPES ? dtype : 'F32', length });
  return reader.read(name);
}

async function readFourBit(
  reader: QuantizedTensorReader,
  name: string,
  stateName: string,
): Promise<QuantizedTensor> {
  const state = await readState(reader, stateName);
  const { quant_type: quantType, blocksize: blockSize, shape } = state;
  const size = tensorSize({ shape });
  const packed = await readVector(reader, { name, dtype: 'U8', length: Math.ceil(size / 2) });
  const blocks = Math.ceil(size / blockSize);
  const codeBook = await readFloats(reader, `${name}.quant_map`, 16);
  const base = { quantType, shape, blockSize, packed, codeBook, originalDtype: state.dtype };
  if (state.nested_blocksize === undefined) {
    return { ...base, scales: await readFloats(reader, `${name}.absmax`, blocks) };
  }
  const nestedBlocks = Math.ceil(blocks / state.nested_blocksize);
  const scales: NestedScales = {
    codes: await readVector(reader, { name: `${name}.absmax`, dtype: 'U8', length: blocks }),
    absmax: await readFloats(reader, `${name}.nested_absmax`, nestedBlocks),
    codeBook: await readFloats(reader, `${name}.nested_quant_map`, 256),
    blockSize: state.nested_blocksize,
    offset: Math.fround(state.nested_offset ?? 0),
  };
  return { ...base, scales };
}

async function readEightBit(reader: QuantizedTensorReader, name: string): Promise<QuantizedTensor> {
  const { shape } = reader.info(name);
  const packed = await readVector(reader, { name, dtype: 'I8', length: tensorSize({ shape }) });
  const formatName = sibling(name, 'weight_format');
  if (reader.has(formatName) && (await reader.readBytes(formatName))[0] !== 0) {
    throw new TunebookError(
      `${formatName}: expected 0 (rows as they are), got another layout. Save the model again.`,
    );
  }
  const scales = await readFloats(reader, sibling(name, 'SCB'), shape[0]);
  const blockSize = shape[shape.length - 1];
  return {
    quantType: 'int8',
    shape,
    blockSize,
    packed,
    codeBook: new Float32Array(0),
    scales,
    originalDtype: 'float16',
  };
}

async function readState(
  reader: QuantizedTensorReader,
  name: string,
): Promise<z.infer<ReturnType<typeof stateSchema>>> {
  const { dtype, shape } = reader.info(name);
  if (dtype !== 'U8' || tensorSize({ shape }) > MAX_STATE_BYTES) {
    throw new TunebookError(
      `${name}: expected at most ${MAX_STATE_BYTES} bytes of JSON, got ${dtype} [${shape.join(', ')}].`,
    );
  }
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(await reader.readBytes(name)));
  } catch (error) {
    throw new TunebookError(`${name}: expected JSON in bytes, got something else.`, { cause: error });
  }
  const parsed = stateSchema().safeParse(json);
  if (!parsed.success) {
    throw new TunebookError(`${name}: ${prettifyError(parsed.error).replaceAll('\n', ' ')}`);
  }
  if (!name.endsWith(`__${parsed.data.quant_type}`)) {
    throw new TunebookError(
      `${name}: it says quant_type "${parsed.data.quant_type}", which its name contradicts.`,
    );
  }
  return parsed.data;
}

async function readFloats(
  reader: QuantizedTensorReader,
  name: string,
  length: number,
): Promise<Float32Array> {
  requirePart(reader, { name, dtype: 'F32', length });
  return reader.read(name);
}

async function readVector(
  reader: QuantizedTensorReader,
  part: { name: string; dtype: 'U8' | 'I8' | 'U32'; length: number },
): Promise<Uint8Array> {
  requirePart(reader, part);
  return reader.readBytes(part.name);
}

function requirePart(
  reader: QuantizedTensorReader,
  { name, dtype, length }: { name: string; dtype: string; length: number },
): void {
  if (!reader.has(name)) {
    throw new TunebookError(
      `${name}: expected this part of a quantized weight, but the checkpoint lacks it.`,
    );
  }
  const info = reader.info(name);
  if (info.dtype !== dtype || tensorSize(info) !== length) {
    throw new TunebookError(
      `${name}: expected ${length} values of ${dtype}, got ${info.dtype} [${info.shape.join(', ')}].`,
    );
  }
}

/** The name of another tensor of the same module. */
function sibling(name: string, last: string): string {
  return name.slice(0, name.lastIndexOf('.') + 1) + last;
}
