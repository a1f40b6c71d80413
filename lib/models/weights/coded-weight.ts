/**
 * Quantized weights as block inputs that a function restores itself (`restoreCoded`): what hardware takes that does
 * not read 4-bit codes, with gradients as without.
 */
import type { DeviceMemory } from '../../engine';
import { blockScales, codeBits } from '../../quantization';
import { tensorSize } from '../../tensor';
import type { QuantizedTensor, WeightCodes } from '../../quantization';
import type { HostTensor } from '../../types';
import type { LinearWeight } from '../families/parts/linear';
import { isQuantized } from './frozen-layers';
import type { FrozenTensor } from './frozen-layers';

/** Whether a weight can be restored in whole blocks and bytes. */
export function canBeCoded(tensor: FrozenTensor): tensor is QuantizedTensor {
  if (!isQuantized(tensor)) return false;
  return isWhole(tensorSize(tensor), tensor);
}

/** The same of a weight that does not exist yet. @param size number of values */
export function isWhole(
  size: number,
  { blockSize, quantType }: Pick<QuantizedTensor, 'blockSize' | 'quantType'>,
): boolean {
  return size % blockSize === 0 && (codeBits(quantType) === 8 || size % 2 === 0);
}

/** Factors of the blocks, float32 [blocks]. */
function codedScales(tensor: QuantizedTensor): Float32Array {
  const scales = blockScales(tensor);
  return tensor.quantType === 'int8' ? scales.map((scale) => scale / 127) : scales;
}

/** A weight's arrays as a function restores it. */
export interface CodedArrays {
  readonly codes: Uint8Array;
  /** float32 [blocks], as the next two. */
  readonly scales: Float32Array;
  readonly zeros?: Float32Array;
  readonly biases?: Float32Array;
}

export function codedArrays(tensor: QuantizedTensor): CodedArrays {
  const { packed: codes, zeros, biases } = tensor;
  return { codes, scales: codedScales(tensor), zeros: zeros && Float32Array.from(zeros), biases };
}

/**
 * @param device keeps what each byte stands for
 * @param arrays what is not the tensor's own: names of arrays on it
 */
export function codedWeight(
  device: DeviceMemory,
  tensor: QuantizedTensor,
  { codes, scales, zeros, biases }: CodedArrays = codedArrays(tensor),
): LinearWeight<HostTensor> {
  const table = tableOf(tensor);
  device.pin([table.data]);
  const vector = (data: Uint8Array | Float32Array): HostTensor => ({ data, shape: [data.length] });
  return {
    kind: 'coded',
    codes: vector(codes),
    scales: vector(scales),
    table,
    ...(zeros && { zeros: vector(zeros) }),
    ...(biases && { biases: vector(biases) }),
  };
}

/** Codes as products in integers take them. */
export function integerWeight(weight: WeightCodes): LinearWeight<HostTensor> {
  const { bits, shape, blockSize, codes, scales, zeros } = weight;
  const blocks = scales.length / shape[0];
  return {
    kind: bits === 8 ? 'q8' : 'q4',
    codes: { data: codes, shape: [shape[0], blocks, (blockSize * bits) / 8] },
    scales: { data: scales, shape: [scales.length] },
    ...(zeros && { zeros: { data: zeros, shape: [zeros.length] } }),
  };
}

const tables = new Map<QuantizedTensor['quantType'], HostTensor>();

/** What each byte stands for. */
function tableOf({ quantType, codeBook }: QuantizedTensor): HostTensor {
  const known = tables.get(quantType);
  if (known !== undefined) return known;
  const valuesOf: Record<QuantizedTensor['quantType'], (byte: number) => readonly number[]> = {
    nf4: (byte) => [codeBook[byte >> 4], codeBook[byte & 15]],
    fp4: (byte) => [codeBook[byte >> 4], codeBook[byte & 15]],
    int8: (byte) => [byte > 127 ? byte - 256 : byte],
    affine4: (byte) => [byte & 15, byte >> 4],
    affine8: (byte) => [byte],
  };
  const values = Array.from({ length: 256 }, (_, byte) => valuesOf[quantType](byte)).flat();
  const table = { data: Float32Array.from(values), shape: [256, values.length / 256] };
  tables.set(quantType, table);
  return table;
}
