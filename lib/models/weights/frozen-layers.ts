/**
 * Weights of linear modules that are never trained, kept small: quantized, or in the 16 bits that they were
 * stored in. A layer's values exist in float32 only while it computes.
 */
import type { RowTable } from '../../engine';
import type { HostTensor } from '../../types';
import { blockScales, dequantize } from '../../quantization';
import { tensorSize } from '../../tensor';
import type { QuantizationConfig, QuantizedTensor } from '../../quantization';
import type { LinearWeight } from '../families/parts/linear';
import { bfloat16ToFloat32, float16ToFloat32, float32ToBfloat16, float32ToFloat16 } from '../../checkpoint';

/** A weight as it was stored. */
export interface StoredWeight {
  readonly dtype: 'F32' | 'F16' | 'BF16';
  /** [out, in] */
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** A frozen weight, rows [out, in] in every form, GPT-2's included. */
export type FrozenTensor = QuantizedTensor | StoredWeight;

/** One layer's frozen weights, by module name. */
export type FrozenLayer = ReadonlyMap<string, FrozenTensor>;

/** Where frozen weights come from: memory, or a folder. */
export interface FrozenLayers {
  /** Number of weights in all layers and tables. */
  readonly count: number;
  /** Token embedding and head by name, where they stay in the 16 bits that they were stored in. */
  readonly tables?: Map<string, StoredWeight>;
  /** Copies of tables in float32 that a GPU keeps; one that is deleted travels from then on. */
  readonly deviceTables?: Map<string, HostTensor>;
  /** How they are quantized; undefined where they are not. */
  readonly quantization: QuantizationConfig | undefined;
  /** Where layers lie on disk; undefined where all are in memory. */
  readonly offloadFolder?: string;
  /** One layer's weights; those of an offloaded layer live until a later one is asked for. */
  layer(layer: number): Promise<FrozenLayer>;
  /** The block's inputs of a layer whose weights a GPU keeps; `layer` reads them back. */
  onDevice?(layer: number): Readonly<Record<string, HostTensor>> | undefined;
  /** One layer's weights where they are in memory. */
  resident(layer: number): FrozenLayer | undefined;
  /** Begins to read a layer that will be asked for next. */
  readAhead(layer: number): void;
  dispose(): Promise<void>;
}

/** Whether a frozen weight has bitsandbytes codes. */
export function isQuantized(tensor: FrozenTensor): tensor is QuantizedTensor {
  return 'quantType' in tensor;
}

/** Bytes that a frozen weight occupies, without code books. */
export function frozenBytes(tensor: FrozenTensor): number {
  if (!isQuantized(tensor)) return tensor.bytes.length;
  const { packed, scales, zeros, biases } = tensor;
  const scaleBytes =
    scales instanceof Float32Array ? scales.byteLength : scales.codes.length + scales.absmax.byteLength + 4;
  return packed.length + scaleBytes + (zeros?.byteLength ?? 0) + (biases?.byteLength ?? 0);
}

/** Values of a frozen weight, rows [out, in]. */
export function restore(tensor: FrozenTensor, out: Float32Array): Float32Array {
  if (isQuantized(tensor)) return dequantize(tensor, { out });
  // Bytes of a file may begin anywhere; arrays of wider elements may not.
  const isAligned = tensor.bytes.byteOffset % 4 === 0;
  const { buffer, byteOffset, byteLength } = isAligned ? tensor.bytes : tensor.bytes.slice();
  if (tensor.dtype === 'F32') out.set(new Float32Array(buffer, byteOffset, byteLength / 4));
  else if (tensor.dtype === 'F16') float16ToFloat32(new Uint16Array(buffer, byteOffset, byteLength / 2), out);
  else bfloat16ToFloat32(new Uint16Array(buffer, byteOffset, byteLength / 2), out);
  return out;
}

/** All layers in memory. */
export class ResidentLayers implements FrozenLayers {
  readonly count: number;

  constructor(
    private readonly layers: ReadonlyMap<number, FrozenLayer>,
    readonly quantization: QuantizationConfig | undefined,
    readonly tables: Map<string, StoredWeight> = new Map(),
  ) {
    const inLayers = [...layers.values()].flatMap((layer) => [...layer.values()]);
    const tensors = [...inLayers, ...tables.values()];
    this.count = tensors.reduce((total, tensor) => total + tensorSize(tensor), 0);
  }
  async layer(layer: number): Promise<FrozenLayer> {
    return this.resident(layer);
  }
  resident(layer: number): FrozenLayer {
    const found = this.layers.get(layer);
    if (found === undefined) throw new Error(`internal: no layer ${layer}`);
    return found;
  }
  readAhead(): void {}
  async dispose(): Promise<void> {}
}

/** Buffers for one layer's restored weights, used by one layer after another. */
export class RestoreBuffers {
  private readonly byModule = new Map<string, Float32Array>();

  /** A module's weight in float32, [out, in]; good until the same module of another layer is restored. */
  weight(module: string, tensor: FrozenTensor): LinearWeight<HostTensor> {
    const size = tensorSize(tensor);
    let buffer = this.byModule.get(module);
    if (buffer?.length !== size) this.byModule.set(module, (buffer = new Float32Array(size)));
    return { kind: 'restored', weight: { data: restore(tensor, buffer), shape: tensor.shape } };
  }
}

/** The weight as it stays in 4 bits, where a product can read its codes: see `linear4bit` of the engine. */
export function packedWeight(tensor: FrozenTensor): LinearWeight<HostTensor> | undefined {
  if (!isQuantized(tensor)) return undefined;
  const { quantType } = tensor;
  if (quantType !== 'nf4' && quantType !== 'fp4') return undefined;
  if (tensor.shape[1] % tensor.blockSize !== 0) return undefined;
  const scales = blockScales(tensor);
  return {
    kind: quantType,
    codes: { data: tensor.packed, shape: [tensor.packed.length] },
    absmax: { data: scales, shape: [scales.length] },
  };
}

/** Writes values back over a weight that is not quantized, rounded to its own type. */
export function overwrite(tensor: FrozenTensor, values: Float32Array): void {
  if (isQuantized(tensor)) throw new Error('internal: a quantized weight cannot be changed');
  const { buffer, byteOffset, byteLength } = tensor.bytes;
  if (tensor.dtype === 'F32') new Float32Array(buffer, byteOffset, byteLength / 4).set(values);
  else if (tensor.dtype === 'F16')
    float32ToFloat16(values, new Uint16Array(buffer, byteOffset, byteLength / 2));
  else float32ToBfloat16(values, new Uint16Array(buffer, byteOffset, byteLength / 2));
}

/** [rows, columns] -> [columns, rows], in tiles that stay in the processor's cache. */
export function transposed(data: Float32Array, rows: number, columns: number): Float32Array {
  const TILE = 32;
  const out: Float32Array = new Float32Array(data.length);
  for (let r0 = 0; r0 < rows; r0 += TILE) {
    for (let c0 = 0; c0 < columns; c0 += TILE) {
      for (let r = r0; r < Math.min(rows, r0 + TILE); r++) {
        for (let c = c0; c < Math.min(columns, c0 + TILE); c++) out[c * rows + r] = data[r * columns + c];
      }
    }
  }
  return out;
}

/** A table of 16 bits that is restored by rows, into one buffer. */
export function storedTable(tensor: StoredWeight): RowTable {
  const width = tensor.shape[1];
  const rowBytes = tensor.bytes.length / tensor.shape[0];
  let buffer: Float32Array = new Float32Array(0);
  return {
    shape: tensor.shape,
    rows: (start, end) => {
      const size = (end - start) * width;
      if (buffer.length < size) buffer = new Float32Array(size);
      const part = { ...tensor, bytes: tensor.bytes.subarray(start * rowBytes, end * rowBytes) };
      return restore(part, buffer.subarray(0, size));
    },
  };
}
