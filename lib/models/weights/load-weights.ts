/**
 * Loads the weights of a checkpoint to where the device map puts them: float32 parameters, frozen layers in memory,
 * frozen layers on disk. Nothing is read before the map stands.
 */
import { createHash } from 'node:crypto';
import { promises as fs } from 'node:fs';
import path from 'node:path';
import type { DeviceMemory } from '../../engine';
import type { QuantizationConfig } from '../../quantization';
import type { HostTensor } from '../../types';
import type { Architecture } from '../families/architecture';
import type { Checkpoint } from '../../checkpoint';
import { CheckpointWeights, restoredBytes } from './checkpoint-weights';
import { copyOnDevice, DeviceLayers, placeOnDevice } from './device-layers';
import type { DeviceLayer } from './device-layers';
import { deviceMapTable, inferDeviceMap } from './device-map';
import type { DeviceMap, MaxMemory, MemorySize } from './device-map';
import { ResidentLayers } from './frozen-layers';
import type { FrozenLayer, FrozenLayers } from './frozen-layers';
import { OffloadedLayers, OffloadFolder } from './offload-folder';
import { sizeOf } from '../../tensor';
import type { ParameterSet } from './parameters';
import type { WeightSample } from './weight-sample';

/** Where weights may be kept. */
export interface PlacementOptions {
  /** 'auto': fill the GPU, then memory, then disk, and print the map. By default everything is in memory. */
  deviceMap?: 'auto';
  /**
   * Most memory for weights: bytes, '3GB' (10^9) or '3GiB' (2^30); default: what is left, less a tenth. With
   * `{ gpu, cpu }` the first layers' weights stay on the GPU (provider 'webgpu'); the others travel to it.
   */
  maxMemory?: MemorySize | MaxMemory;
  /** Where layers go that memory does not hold; found again by the next load. */
  offloadFolder?: string;
  /** Receives the map's table; default: console.log. */
  onDeviceMap?: (table: string, deviceMap: DeviceMap) => void;
}

export interface LoadWeightsRequest extends PlacementOptions {
  readonly architecture: Architecture;
  readonly checkpoint: Checkpoint;
  readonly quantization: QuantizationConfig | undefined;
  /** Keep linear weights frozen in the type that they are stored in. */
  readonly keepStored: boolean;
  /** Where layers go that the map places on the GPU. */
  readonly device?: DeviceMemory;
}

export interface LoadedWeights {
  readonly parameters: ParameterSet;
  readonly frozen: FrozenLayers | undefined;
  readonly sample: WeightSample;
}

/**
 * Reads a checkpoint into a model's parameters and frozen layers.
 * @throws TunebookError where tensors do not fit the model, or the model does not fit the machine
 */
export async function loadWeights(request: LoadWeightsRequest): Promise<LoadedWeights> {
  const { architecture, checkpoint, deviceMap } = request;
  const isPlaced = deviceMap === 'auto';
  const weights = new CheckpointWeights(architecture, checkpoint, {
    quantization: request.quantization,
    keepStored: request.keepStored || isPlaced,
  });
  const { layers } = architecture;
  const isFrozen = Array.from({ length: layers }, (_, layer) => weights.frozenModules(layer).length).some(
    (n) => n > 0,
  );
  const placement = isPlaced ? deviceMapFor(request, weights) : undefined;
  if (placement !== undefined) (request.onDeviceMap ?? printTable)(deviceMapTable(placement), placement);
  const diskLayers = placement?.diskLayers ?? new Set<number>();
  const offload =
    diskLayers.size > 0 && request.offloadFolder !== undefined
      ? await openFolder(request, weights, { folder: request.offloadFolder, diskLayers })
      : undefined;

  const [parameters, sample] = [await weights.parameters(), await weights.sample()];
  if (!isFrozen) return { parameters, sample, frozen: undefined };
  const inMemory = new Map<number, FrozenLayer>();
  const placed = new Map<number, DeviceLayer>();
  for (let layer = 0; layer < layers; layer++) {
    if (placement?.gpuLayers.has(layer) && request.device !== undefined)
      placed.set(layer, await placeOnDevice(request.device, await weights.layer(layer)));
    else if (offload === undefined || !diskLayers.has(layer)) inMemory.set(layer, await weights.layer(layer));
    else if (!(await offload.holds(layer))) await offload.write(layer, await weights.layer(layer));
  }
  const { quantization } = weights;
  const tables = await weights.tables();
  const onHost =
    offload === undefined
      ? new ResidentLayers(inMemory, quantization, tables)
      : new OffloadedLayers(offload, inMemory, { onDisk: [...diskLayers], quantization, tables });
  if (request.device === undefined || placed.size === 0) return { parameters, sample, frozen: onHost };
  const deviceTables = new Map<string, HostTensor>();
  const head = tables.get(architecture.head);
  if (head !== undefined) deviceTables.set(architecture.head, await copyOnDevice(request.device, head));
  return { parameters, sample, frozen: new DeviceLayers(placed, onHost, deviceTables) };
}

/** The device map, from the shapes and types of the checkpoint alone. */
export function deviceMapFor(
  request: Omit<LoadWeightsRequest, 'checkpoint'>,
  weights: CheckpointWeights,
): DeviceMap {
  const { architecture, maxMemory, offloadFolder } = request;
  const { layers, prefix } = architecture;
  const frozen = new Set<string>();
  const layerParts = Array.from({ length: layers }, (_, layer) => {
    for (const { name } of weights.frozenModules(layer))
      frozen.add(`${architecture.layerPrefix(layer)}${name}.weight`);
    return {
      module: `${prefix}${architecture.layerPrefix(layer).slice(0, -1)}`,
      bytes: weights.layerBytes(layer),
      gpuBytes: weights.layerDeviceBytes(layer),
    };
  });
  const fixed = new Map<string, number>();
  for (const { name, shape } of architecture.parameters) {
    if (frozen.has(name)) continue;
    const isInLayer = layerParts.some((_, layer) => name.startsWith(architecture.layerPrefix(layer)));
    const owner = isInLayer ? 'norms and biases of layers' : name.slice(0, name.lastIndexOf('.'));
    fixed.set(owner, (fixed.get(owner) ?? 0) + weights.parameterBytes(name) * sizeOf(shape));
  }
  const fixedParts = [...fixed].map(([module, bytes]) => ({ module, bytes }));
  // The head would travel with every token: it goes first.
  const kept = architecture.parameters.filter(
    ({ name }) => !frozen.has(name) && (weights.parameterBytes(name) === 4 || name === architecture.head),
  );
  const fixedBytes = kept.reduce((total, { shape }) => total + 4 * sizeOf(shape), 0);
  const gpu = request.device && { fixedBytes, workBytes: restoredBytes(architecture) };
  return inferDeviceMap({ fixed: fixedParts, layers: layerParts, maxMemory, offloadFolder, gpu });
}

async function openFolder(
  request: LoadWeightsRequest,
  weights: CheckpointWeights,
  { folder, diskLayers }: { folder: string; diskLayers: ReadonlySet<number> },
): Promise<OffloadFolder> {
  const layerBytes = new Map([...diskLayers].map((layer) => [layer, weights.layerBytes(layer)]));
  const model = await fingerprint(request, weights.quantization);
  return OffloadFolder.open(folder, model, layerBytes);
}

/** Identifies a model without reading it: configuration, quantization, and the files' sizes and dates. */
async function fingerprint(
  { architecture, checkpoint }: LoadWeightsRequest,
  quantization: QuantizationConfig | undefined,
): Promise<string> {
  const hash = createHash('sha256');
  hash.update(JSON.stringify([architecture.toJson(), quantization?.toJson() ?? null]));
  for (const file of checkpoint.files) {
    const { size, mtimeMs } = await fs.stat(path.join(checkpoint.folder, file));
    hash.update(`${file} ${size} ${mtimeMs}\n`);
  }
  return hash.digest('hex');
}

function printTable(table: string): void {
  console.log(table);
}
