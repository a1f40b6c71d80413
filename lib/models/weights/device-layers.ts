/**
 * Frozen layers whose weights a GPU keeps, beside those that stay in memory or on disk and travel to it. The host
 * holds nothing of them: what it needs again (saving, fingerprints) is read back, to the last bit.
 */
import type { DeviceMemory } from '../../engine';
import { tensorSize } from '../../tensor';
import type { QuantizationConfig, QuantizedTensor } from '../../quantization';
import type { HostTensor } from '../../types';
import { weightFeeds } from '../families/parts/linear';
import { canBeCoded, codedArrays, codedWeight } from './coded-weight';
import type { CodedArrays } from './coded-weight';
import { isQuantized, overwrite, restore } from './frozen-layers';
import type { FrozenLayer, FrozenLayers, FrozenTensor, StoredWeight } from './frozen-layers';

/** A layer on the device. */
export interface DeviceLayer {
  /** The block's inputs. */
  readonly feeds: Readonly<Record<string, HostTensor>>;
  /** Number of weights. */
  readonly count: number;
  readonly read: ReadonlyMap<string, () => Promise<FrozenTensor>>;
}

/** Puts a layer's weights on the device; the host's may be dropped then. */
export async function placeOnDevice(device: DeviceMemory, layer: FrozenLayer): Promise<DeviceLayer> {
  const feeds: Record<string, HostTensor> = {};
  const read = new Map<string, () => Promise<FrozenTensor>>();
  let count = 0;
  for (const [name, tensor] of layer) {
    count += tensorSize(tensor);
    if (canBeCoded(tensor)) {
      const arrays = codedArrays(tensor);
      const placed: CodedArrays = {
        codes: await device.store(arrays.codes),
        scales: await device.store(arrays.scales),
        zeros: arrays.zeros && (await device.store(arrays.zeros)),
        biases: arrays.biases && (await device.store(arrays.biases)),
      };
      Object.assign(feeds, weightFeeds(name, codedWeight(device, tensor, placed)));
      read.set(name, await reader(device, tensor, placed));
      continue;
    }
    const values = await device.store(restore(tensor, new Float32Array(tensorSize(tensor))));
    const weight = { data: values, shape: tensor.shape };
    Object.assign(feeds, weightFeeds(name, { kind: 'restored', weight }));
    if (isQuantized(tensor)) {
      // Partial blocks (no real model has them) stay on the host as well.
      read.set(name, async () => tensor);
      continue;
    }
    const { dtype, shape, bytes } = tensor;
    const { length } = bytes;
    read.set(name, async () => {
      const again: StoredWeight = { dtype, shape, bytes: new Uint8Array(length) };
      overwrite(again, await device.read(values));
      return again;
    });
  }
  return { feeds, count, read };
}

/** Scales are small beside codes, but not nothing: they go as well, but for what they are scaled by in turn. */
async function reader(
  device: DeviceMemory,
  { packed: _, scales, ...rest }: QuantizedTensor,
  placed: CodedArrays,
): Promise<() => Promise<FrozenTensor>> {
  const { codes } = placed;
  if (scales instanceof Float32Array) {
    // Of 8 bits, what a code is multiplied by is not what the checkpoint has.
    const kept = rest.quantType === 'int8' ? await device.store(scales) : placed.scales;
    return async () => ({ ...rest, packed: await device.read(codes), scales: await device.read(kept) });
  }
  const { codes: scaleCodes, ...nested } = scales;
  const kept = await device.store(scaleCodes);
  return async () => ({
    ...rest,
    packed: await device.read(codes),
    scales: { ...nested, codes: await device.read(kept) },
  });
}

/** A table of 16 bits as the device keeps it: in float32, beside the host's. */
export async function copyOnDevice(device: DeviceMemory, table: StoredWeight): Promise<HostTensor> {
  const data = await device.store(restore(table, new Float32Array(tensorSize(table))));
  return { data, shape: table.shape };
}

/** Some layers on the device, the others wherever `others` has them. */
export class DeviceLayers implements FrozenLayers {
  readonly count: number;
  readonly quantization: QuantizationConfig | undefined;
  readonly tables: FrozenLayers['tables'];
  readonly offloadFolder: string | undefined;

  constructor(
    private readonly placed: ReadonlyMap<number, DeviceLayer>,
    private readonly others: FrozenLayers,
    readonly deviceTables: Map<string, HostTensor>,
  ) {
    this.count = [...placed.values()].reduce((total, { count }) => total + count, others.count);
    this.quantization = others.quantization;
    this.tables = others.tables;
    this.offloadFolder = others.offloadFolder;
  }

  onDevice(layer: number): Readonly<Record<string, HostTensor>> | undefined {
    return this.placed.get(layer)?.feeds;
  }

  async layer(layer: number): Promise<FrozenLayer> {
    const placed = this.placed.get(layer);
    if (placed === undefined) return this.others.layer(layer);
    const tensors = new Map<string, FrozenTensor>();
    for (const [name, read] of placed.read) tensors.set(name, await read());
    return tensors;
  }

  resident(layer: number): FrozenLayer | undefined {
    return this.placed.has(layer) ? undefined : this.others.resident(layer);
  }

  readAhead(layer: number): void {
    if (!this.placed.has(layer)) this.others.readAhead(layer);
  }

  async dispose(): Promise<void> {
    await this.others.dispose();
  }
}
