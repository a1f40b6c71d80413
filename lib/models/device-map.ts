/**
 * Where the parts of a model go: memory first, then disk. Planned, printed and checked before anything loads.
 */
import { availableMemory } from './available-memory';
import { TunebookError } from '../types';

/** A part of a model that is placed as one. */
export interface PlacedModule {
  /** As in Hugging Face's device maps: 'model.embed_tokens', 'model.layers.0', ... */
  readonly module: string;
  readonly bytes: number;
  readonly place: 'memory' | 'disk';
}

export interface DevicePlan {
  readonly modules: readonly PlacedModule[];
  readonly memoryBytes: number;
  readonly diskBytes: number;
  /** Layers on disk, by number. */
  readonly diskLayers: ReadonlySet<number>;
}

/** A number of bytes, or text such as '3GB' (10^9) and '3GiB' (2^30). */
export type MemorySize = number | string;

export interface DevicePlanRequest {
  /** Parts that always stay in memory: embedding, last normalization, head, and what the layers keep in float32. */
  readonly fixed: readonly { readonly module: string; readonly bytes: number }[];
  /** The layers, in order. */
  readonly layers: readonly { readonly module: string; readonly bytes: number }[];
  /** Most memory for weights; default: what the machine has left, less a tenth. */
  readonly maxMemory?: MemorySize | { readonly cpu: MemorySize };
  readonly offloadFolder?: string;
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

/** @throws TunebookError for text that is no size */
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
 * Fills memory with layers from the first on; the rest goes to disk.
 * @throws TunebookError where disk is needed and no folder is named, or memory does not hold what must stay in it
 */
export function planDevices(request: DevicePlanRequest): DevicePlan {
  const { fixed, layers, maxMemory, offloadFolder } = request;
  const limit =
    maxMemory === undefined
      ? Math.floor(availableMemory() * 0.9)
      : sizeInBytes(typeof maxMemory === 'object' ? maxMemory.cpu : maxMemory);
  const fixedBytes = sum(fixed);
  const largest = layers.reduce((most, { bytes }) => Math.max(most, bytes), 0);
  const total = fixedBytes + sum(layers);
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
      if (diskLayers.size > 0 || used + bytes > limit) diskLayers.add(layer);
      else used += bytes;
    });
  }
  const modules = [
    ...fixed.map((part): PlacedModule => ({ ...part, place: 'memory' })),
    ...layers.map((part, i): PlacedModule => ({ ...part, place: diskLayers.has(i) ? 'disk' : 'memory' })),
  ];
  const bytesAt = (place: PlacedModule['place']): number =>
    sum(modules.filter((part) => part.place === place));
  const plan = { modules, memoryBytes: bytesAt('memory'), diskBytes: bytesAt('disk'), diskLayers };
  if (plan.diskBytes > 0 && offloadFolder === undefined) {
    throw new TunebookError(
      `deviceMap: the model needs ${total} bytes and memory has ${limit} for it, so ${plan.diskBytes} bytes ` +
        `(${diskLayers.size} of ${layers.length} layers) have to go to disk, and no folder is named. Add ` +
        `offloadFolder: './offload' to fromPretrained's options, or raise maxMemory.`,
    );
  }
  return plan;
}

/** The plan as a table of text; neighbours of one place and size share a line. */
export function devicePlanTable(plan: DevicePlan): string {
  const rows: { module: string; bytes: number; place: string }[] = [];
  let [first, count] = ['', 0];
  plan.modules.forEach(({ module, bytes, place }, i) => {
    const next = plan.modules.at(i + 1);
    if (count++ === 0) first = module;
    const isLayer = /\.\d+$/.test(module);
    if (isLayer && next !== undefined && next.bytes === bytes && next.place === place) return;
    const name = count > 1 ? `${first} ... ${module}` : module;
    rows.push({ module: name, bytes: bytes * count, place });
    count = 0;
  });
  const text = (n: number): string => n.toLocaleString('en-US');
  const all = [
    ['module', 'bytes', 'place'],
    ...rows.map((row) => [row.module, text(row.bytes), row.place]),
    ['total', text(plan.memoryBytes), 'memory'],
    ...(plan.diskBytes > 0 ? [['', text(plan.diskBytes), 'disk']] : []),
  ];
  const width = (column: number): number => Math.max(...all.map((row) => row[column].length));
  return all
    .map(([module, bytes, place]) => `${module.padEnd(width(0))}  ${bytes.padStart(width(1))}  ${place}`)
    .join('\n');
}

function sum(parts: readonly { readonly bytes: number }[]): number {
  return parts.reduce((total, { bytes }) => total + bytes, 0);
}
