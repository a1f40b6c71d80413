/**
 * Where the parts of a model go: the GPU first, then memory, then disk. Decided, printed and checked before anything
 * loads.
 */
import { availableMemory } from './available-memory';
import { TunebookError } from '../../types';

/** A part of a model that is placed as one. */
export interface PlacedModule {
  /** As in Hugging Face's device maps: 'model.embed_tokens', 'model.layers.0', ... */
  readonly module: string;
  readonly bytes: number;
  readonly place: 'gpu' | 'memory' | 'disk';
}

/** Which layers go to the GPU, to memory and to disk, and what each takes. */
export interface DeviceMap {
  readonly modules: readonly PlacedModule[];
  readonly gpuBytes: number;
  readonly memoryBytes: number;
  readonly diskBytes: number;
  /** Layers whose weights the GPU keeps, by number. */
  readonly gpuLayers: ReadonlySet<number>;
  /** Layers on disk, by number. */
  readonly diskLayers: ReadonlySet<number>;
}

/** A number of bytes, or text such as '3GB' (10^9) and '3GiB' (2^30). */
export type MemorySize = number | string;

/**
 * Most bytes for weights on the GPU and in memory. How much a GPU has cannot be asked: without a number no layer
 * stays on it. Memory by default: what is left, less a tenth.
 */
export interface MaxMemory {
  readonly gpu?: MemorySize;
  readonly cpu?: MemorySize;
}

/** What is to be placed, and the memory there is. */
export interface DeviceMapRequest {
  /** Parts that always stay in memory: embedding, last normalization, head, and what the layers keep in float32. */
  readonly fixed: readonly { readonly module: string; readonly bytes: number }[];
  /** The layers, in order. */
  readonly layers: readonly LayerPart[];
  /** What the GPU holds besides layers' weights; absent: the engine has none that keeps anything. */
  readonly gpu?: {
    /** Bytes of parameters and head in float32, which it keeps as well as memory does. */
    readonly fixedBytes: number;
    /** Bytes that a layer's weights take while it computes, wherever they come from. */
    readonly workBytes: number;
  };
  readonly maxMemory?: MemorySize | MaxMemory;
  readonly offloadFolder?: string;
}

export interface LayerPart {
  readonly module: string;
  readonly bytes: number;
  /** Where the GPU keeps them, if that is another number: scales and 16 bits are float32 there. */
  readonly gpuBytes?: number;
}

const UNITS: Record<string, number> = {
  '': 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
};

/**
 * Bytes of a size such as '3GB' or '3GiB'.
 * @throws TunebookError for text that is no size
 */
export function sizeInBytes(size: MemorySize): number {
  if (typeof size === 'number' && Number.isFinite(size) && size > 0) return size;
  const [, number, unit] = /^\s*([\d.]+)\s*([KMG]i?B)?\s*$/i.exec(String(size)) ?? [];
  const bytes = Number(number) * UNITS[(unit ?? '').toUpperCase()];
  if (bytes > 0) return bytes;
  throw new TunebookError(
    `maxMemory: expected bytes above 0, as a number or as '3GB' or '3GiB', got ${JSON.stringify(size)}.`,
  );
}

/**
 * Fills the GPU with layers from the first on, then memory; the rest goes to disk.
 * @throws TunebookError where disk is needed and no folder is named, memory does not hold what must stay in it, the
 *   GPU does not hold a layer, or there is none
 */
export function inferDeviceMap(request: DeviceMapRequest): DeviceMap {
  const { fixed, layers, offloadFolder } = request;
  const maxMemory = typeof request.maxMemory === 'object' ? request.maxMemory : { cpu: request.maxMemory };
  const gpuLayers = layersOnGpu(request, maxMemory.gpu);
  const limit =
    maxMemory.cpu === undefined ? Math.floor(availableMemory() * 0.9) : sizeInBytes(maxMemory.cpu);
  const others = layers.filter((_, layer) => !gpuLayers.has(layer));
  const fixedBytes = sum(fixed);
  const largest = others.reduce((most, { bytes }) => Math.max(most, bytes), 0);
  const total = fixedBytes + sum(others);
  // Two buffers take turns for layers on disk: one computes while the next is read.
  const buffers = 2 * largest;
  const diskLayers = new Set<number>();
  if (total > limit) {
    if (fixedBytes + buffers > limit) {
      throw new TunebookError(
        `deviceMap: expected a maxMemory of at least ${fixedBytes + buffers} bytes (${fixedBytes} for ` +
          `${fixed.map(({ module }) => module).join(', ')}, and two layers of ${largest} in turn), got ${limit}. ` +
          'Raise maxMemory, or quantize to fewer bits.',
      );
    }
    let used = fixedBytes + buffers;
    layers.forEach(({ bytes }, layer) => {
      if (gpuLayers.has(layer)) return;
      if (diskLayers.size > 0 || used + bytes > limit) diskLayers.add(layer);
      else used += bytes;
    });
  }
  const copies = gpuLayers.size > 0 ? (request.gpu?.fixedBytes ?? 0) : 0;
  const modules = [
    ...(copies > 0
      ? [{ module: 'copies of head and parameters', bytes: copies, place: 'gpu' as const }]
      : []),
    ...fixed.map((part): PlacedModule => ({ ...part, place: 'memory' })),
    ...layers.map(({ module, bytes, gpuBytes = bytes }, i): PlacedModule => {
      if (gpuLayers.has(i)) return { module, bytes: gpuBytes, place: 'gpu' };
      return { module, bytes, place: diskLayers.has(i) ? 'disk' : 'memory' };
    }),
  ];
  const bytesAt = (place: PlacedModule['place']): number =>
    sum(modules.filter((part) => part.place === place));
  const deviceMap = {
    ...{ modules, gpuLayers, diskLayers },
    ...{ gpuBytes: bytesAt('gpu'), memoryBytes: bytesAt('memory'), diskBytes: bytesAt('disk') },
  };
  if (deviceMap.diskBytes > 0 && offloadFolder === undefined) {
    throw new TunebookError(
      `deviceMap: ${gpuLayers.size > 0 ? 'the rest of the model' : 'the model'} needs ${total} bytes and memory has ${limit} for it, so ${deviceMap.diskBytes} bytes ` +
        `(${diskLayers.size} of ${layers.length} layers) have to go to disk, and no folder is named. Add ` +
        `offloadFolder: './offload' to fromPretrained's options, or raise maxMemory.`,
    );
  }
  return deviceMap;
}

/** As many layers as the GPU holds beside what it works with, from the first on. */
function layersOnGpu({ layers, gpu }: DeviceMapRequest, memory: MemorySize | undefined): Set<number> {
  const placed = new Set<number>();
  if (memory === undefined || memory === 0) return placed;
  const limit = sizeInBytes(memory);
  if (gpu === undefined) {
    throw new TunebookError(
      `deviceMap: expected an engine with a GPU for maxMemory's gpu (${limit} bytes), got one without. Load with ` +
        "engine: { provider: 'webgpu' }, or leave gpu out.",
    );
  }
  let used = gpu.fixedBytes + gpu.workBytes;
  for (const [layer, { bytes, gpuBytes = bytes }] of layers.entries()) {
    if (used + gpuBytes > limit) break;
    used += gpuBytes;
    placed.add(layer);
  }
  if (placed.size > 0) return placed;
  throw new TunebookError(
    `deviceMap: expected a maxMemory.gpu of at least ${used + (layers[0].gpuBytes ?? layers[0].bytes)} bytes (` +
      `${gpu.fixedBytes} for parameters and head, ${gpu.workBytes} to work in, and one layer), got ${limit}. Raise it, or ` +
      'leave gpu out.',
  );
}

/** The map as a table of text; neighbours of one place and size share a line. */
export function deviceMapTable(deviceMap: DeviceMap): string {
  const rows: { module: string; bytes: number; place: string }[] = [];
  let [first, count] = ['', 0];
  deviceMap.modules.forEach(({ module, bytes, place }, i) => {
    const next = deviceMap.modules.at(i + 1);
    if (count++ === 0) first = module;
    const isLayer = /\.\d+$/.test(module);
    if (isLayer && next !== undefined && next.bytes === bytes && next.place === place) return;
    const name = count > 1 ? `${first} ... ${module}` : module;
    rows.push({ module: name, bytes: bytes * count, place });
    count = 0;
  });
  const text = (n: number): string => n.toLocaleString('en-US');
  const sums: [number, string][] = [
    [deviceMap.gpuBytes, 'gpu'],
    [deviceMap.memoryBytes, 'memory'],
    [deviceMap.diskBytes, 'disk'],
  ];
  const totals = sums.filter(([bytes, place]) => bytes > 0 || place === 'memory');
  const all = [
    ['module', 'bytes', 'place'],
    ...rows.map((row) => [row.module, text(row.bytes), row.place]),
    ...totals.map(([bytes, place], i) => [i === 0 ? 'total' : '', text(bytes), place]),
  ];
  const width = (column: number): number => Math.max(...all.map((row) => row[column].length));
  return all
    .map(([module, bytes, place]) => `${module.padEnd(width(0))}  ${bytes.padStart(width(1))}  ${place}`)
    .join('\n');
}

function sum(parts: readonly { readonly bytes: number }[]): number {
  return parts.reduce((total, { bytes }) => total + bytes, 0);
}
