/**
 * Quantized weights as block inputs that a function restores itself (`restoreCoded`): what hardware takes that does
 * not read 4-bit codes, with gradients as without.
 */
import type { DeviceMemory } from '../../engine';
import { blockScales } from '../../quantization';
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
  return size % blockSize === 0 && (quantType === 'int8' || size % 2 === 0);
}

/** Factors of the blocks, float32 [blocks]. */
export function codedScales(tensor: QuantizedTensor): Float32Array {
  const scales = blockScales(tensor);
  return tensor.quantType === 'int8' ? scales.map((scale) => scale / 127) : scales;
}

/**
 * @param device keeps what each byte stands for
 * @param arrays codes and scales where they are not the tensor's own: names of arrays on it
 */
export function codedWeight(
  device: DeviceMemory,
  tensor: QuantizedTensor,
  arrays: { readonly codes: Uint8Array; readonly scales: Float32Array } = {
    codes: tensor.packed,
    scales: codedScales(tensor),
  },
): LinearWeight<HostTensor> {
  const table = tableOf(tensor);
  device.pin([table.data]);
  const { codes, scales } = arrays;
  return {
    kind: 'coded',
    codes: { data: codes, shape: [codes.length] },
    scales: { data: scales, shape: [scales.length] },
    table,
  };
}

/** Codes of 8 bits as products in integers take them. */
export function q8Weight({ shape, blockSize, codes, scales }: WeightCodes): LinearWeight<HostTensor> {
  const blocks = scales.length / shape[0];
  return {
    kind: 'q8',
    codes: { data: codes, shape: [shape[0], blocks, blockSize] },
    scales: { data: scales, shape: [scales.length] },
  };
}

const tables = new Map<QuantizedTensor['quantType'], HostTensor>();

/** What each byte stands for; the first of two codes is in the high nibble. */
function tableOf({ quantType, codeBook }: QuantizedTensor): HostTensor {
  const known = tables.get(quantType);
  if (known !== undefined) return known;
  const bytes = Array.from({ length: 256 }, (_, byte) => byte);
  const table =
    quantType === 'int8'
      ? { data: Float32Array.from(bytes, (byte) => (byte > 127 ? byte - 256 : byte)), shape: [256, 1] }
      : {
          data: Float32Array.from(bytes.flatMap((b) => [codeBook[b >> 4], codeBook[b & 15]])),
          shape: [256, 2],
        };
  tables.set(quantType, table);
  return table;
}
