/**
 * Layers on disk: one file per layer and a manifest with checksums. Written once per model, found again by the
 * next load, completed where a load was interrupted.
 */
import { createHash } from 'node:crypto';
import { promises as fs } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import path from 'node:path';
import type { z } from 'zod';
import { lazySchema } from '../../schema';
import type { QuantizationConfig, QuantizedTensor } from '../../quantization';
import { tensorSize } from '../../tensor';
import { TunebookError } from '../../types';
import { requireFreeSpace, requireLocalPath, writeFileAtomic, makeFolders } from '../../files';
import { isQuantized } from './frozen-layers';
import type { FrozenLayer, FrozenLayers, FrozenTensor, StoredWeight } from './frozen-layers';

const MANIFEST = 'offload.json';
/** Arrays begin at multiples of this, so that views of the file's bytes need no copy. */
const ALIGNMENT = 64;

const rangeSchema = lazySchema((z) => z.object({ offset: z.int().min(0), bytes: z.int().min(0) }));
const tensorSchema = lazySchema((z) =>
  z.object({
    module: z.string(),
    shape: z.array(z.int()),
    /** 'F32', 'F16', 'BF16', or the type of quantization. */
    type: z.string(),
    blockSize: z.int().optional(),
    originalDtype: z.string().optional(),
    nested: z.object({ blockSize: z.int(), offset: z.number() }).optional(),
    /** Where each array lies in the file. */
    arrays: z.record(z.string(), rangeSchema()),
  }),
);
const layerSchema = lazySchema((z) =>
  z.object({ bytes: z.int(), sha256: z.string(), tensors: z.array(tensorSchema()) }),
);
const manifestSchema = lazySchema((z) =>
  z.object({ model: z.string(), layers: z.record(z.string(), layerSchema()) }),
);
type StoredTensor = z.infer<ReturnType<typeof tensorSchema>>;
type StoredLayer = z.infer<ReturnType<typeof layerSchema>>;
type Manifest = z.infer<ReturnType<typeof manifestSchema>>;

export class OffloadFolder {
  private readonly checked = new Set<number>();

  private constructor(
    readonly folder: string,
    private readonly manifest: Manifest,
  ) {}

  /**
   * Opens a folder for a model, new or as an earlier load left it.
   * @param model identifies weights and quantization
   * @param layerBytes bytes of each layer that will be on disk; what is missing has to fit on it
   * @throws TunebookError where the folder belongs to another model, cannot be written or has no space
   */
  static async open(
    folder: string,
    model: string,
    layerBytes: ReadonlyMap<number, number>,
  ): Promise<OffloadFolder> {
    requireLocalPath(folder, 'offloadFolder');
    try {
      await makeFolders(folder);
      await fs.access(folder, fs.constants.W_OK);
    } catch (cause) {
      throw new TunebookError(
        `offloadFolder: expected a folder that can be written, got ${folder}. Choose another one.`,
        { cause },
      );
    }
    const text = await fs.readFile(path.join(folder, MANIFEST), 'utf8').catch(() => undefined);
    const manifest = text === undefined ? { model, layers: {} } : readManifest(folder, text);
    if (manifest.model !== model) {
      throw new TunebookError(
        `offloadFolder: ${folder} holds the layers of another model, or of this one quantized otherwise. ` +
          'Choose another folder, or delete this one.',
      );
    }
    const offload = new OffloadFolder(folder, manifest);
    let missing = 0;
    for (const [layer, bytes] of layerBytes) if (!(await offload.holds(layer))) missing += bytes;
    await requireFreeSpace(folder, missing);
    return offload;
  }

  /** Whether a layer is here whole; one whose bytes have changed is invalidated and written again. */
  async holds(layer: number): Promise<boolean> {
    const known = this.manifest.layers[layer];
    if (known === undefined || this.checked.has(layer)) return known !== undefined;
    const bytes = await fs.readFile(this.file(layer)).catch(() => undefined);
    const isWhole = bytes !== undefined && sha256(bytes) === known.sha256;
    if (isWhole) this.checked.add(layer);
    else delete this.manifest.layers[layer];
    return isWhole;
  }

  /** @throws TunebookError where the disk is full or the folder cannot be written; what is there stays */
  async write(layer: number, tensors: FrozenLayer): Promise<void> {
    const stored: StoredTensor[] = [];
    const arrays: { offset: number; bytes: Uint8Array }[] = [];
    let offset = 0;
    for (const [module, tensor] of tensors) {
      const ranges: StoredTensor['arrays'] = {};
      for (const [name, bytes] of arraysOf(tensor)) {
        offset = Math.ceil(offset / ALIGNMENT) * ALIGNMENT;
        arrays.push({ offset, bytes });
        ranges[name] = { offset, bytes: bytes.length };
        offset += bytes.length;
      }
      stored.push({ module, ...describe(tensor), arrays: ranges });
    }
    const whole = new Uint8Array(offset);
    for (const { offset: at, bytes } of arrays) whole.set(bytes, at);
    await writeFileAtomic(this.file(layer), whole);
    this.manifest.layers[layer] = { bytes: whole.length, sha256: sha256(whole), tensors: stored };
    await writeFileAtomic(path.join(this.folder, MANIFEST), JSON.stringify(this.manifest));
  }

  layer(layer: number): StoredLayer {
    const known = this.manifest.layers[layer];
    if (known === undefined) throw new Error(`internal: layer ${layer} is not in ${this.folder}`);
    return known;
  }

  file(layer: number): string {
    return path.join(this.folder, `layer-${String(layer).padStart(4, '0')}.bin`);
  }
}

/** Layers of which some are in memory and the others are read when their turn comes. */
export class OffloadedLayers implements FrozenLayers {
  readonly count: number;
  readonly offloadFolder: string;
  private readonly buffers: Uint8Array[];
  private readonly handles = new Map<number, FileHandle>();
  private turn = 0;
  private current: { layer: number; tensors: FrozenLayer } | undefined;
  private ahead: { layer: number; tensors: Promise<FrozenLayer> } | undefined;
  readonly quantization: QuantizationConfig | undefined;
  readonly tables: Map<string, StoredWeight>;

  /** @param inMemory other layers, by number */
  constructor(
    private readonly offload: OffloadFolder,
    private readonly inMemory: ReadonlyMap<number, FrozenLayer>,
    options: {
      /** Layers that are on disk. */
      onDisk: readonly number[];
      quantization: QuantizationConfig | undefined;
      tables: Map<string, StoredWeight>;
    },
  ) {
    this.offloadFolder = offload.folder;
    this.quantization = options.quantization;
    this.tables = options.tables;
    const { onDisk } = options;
    const largest = Math.max(...onDisk.map((layer) => offload.layer(layer).bytes));
    this.buffers = [new Uint8Array(largest), new Uint8Array(largest)];
    const sizes = [
      ...onDisk.flatMap((layer) => offload.layer(layer).tensors.map(tensorSize)),
      ...[...options.tables.values()].map(tensorSize),
      ...[...inMemory.values()].flatMap((layer) => [...layer.values()].map(tensorSize)),
    ];
    this.count = sizes.reduce((total, size) => total + size, 0);
  }

  resident(layer: number): FrozenLayer | undefined {
    return this.inMemory.get(layer);
  }

  async layer(layer: number): Promise<FrozenLayer> {
    const resident = this.inMemory.get(layer);
    if (resident !== undefined) return resident;
    if (this.current?.layer === layer) return this.current.tensors;
    this.readAhead(layer);
    const ahead = this.ahead;
    this.ahead = undefined;
    if (ahead === undefined) throw new Error('internal: nothing was read ahead');
    this.current = { layer, tensors: await ahead.tensors };
    return this.current.tensors;
  }

  readAhead(layer: number): void {
    if (this.inMemory.has(layer) || this.current?.layer === layer || this.ahead?.layer === layer) return;
    // A read that nobody waits for any more still owns its buffer until it is done.
    const before = this.ahead?.tensors ?? Promise.resolve();
    if (this.ahead === undefined) this.turn = 1 - this.turn;
    const buffer = this.buffers[this.turn];
    const tensors = before.then(
      () => this.read(layer, buffer),
      () => this.read(layer, buffer),
    );
    tensors.catch(() => undefined); // thrown when the layer is asked for
    this.ahead = { layer, tensors };
  }

  async dispose(): Promise<void> {
    await this.ahead?.tensors.catch(() => undefined);
    await Promise.all([...this.handles.values()].map((handle) => handle.close()));
    this.handles.clear();
  }

  private async read(layer: number, buffer: Uint8Array): Promise<FrozenLayer> {
    const { bytes, tensors } = this.offload.layer(layer);
    const file = this.offload.file(layer);
    try {
      const handle = this.handles.get(layer) ?? (await fs.open(file, 'r'));
      this.handles.set(layer, handle);
      let done = 0;
      while (done < bytes) {
        const { bytesRead } = await handle.read(buffer, done, bytes - done, done);
        if (bytesRead === 0) throw new Error(`it ends after ${done} of ${bytes} bytes`);
        done += bytesRead;
      }
    } catch (cause) {
      throw new TunebookError(
        `${file}: expected a layer of the model, but it cannot be read (${String(cause)}). Load the model again: ` +
          'what is missing in the offload folder is written anew.',
        { cause },
      );
    }
    return new Map(tensors.map((stored) => [stored.module, tensorIn(stored, buffer)]));
  }
}

function arraysOf(tensor: FrozenTensor): Map<string, Uint8Array> {
  const bytesOf = (a: Float32Array | Uint8Array): Uint8Array =>
    new Uint8Array(a.buffer, a.byteOffset, a.byteLength);
  if (!isQuantized(tensor)) return new Map([['values', tensor.bytes]]);
  const { packed, codeBook, scales, zeros, biases } = tensor;
  const arrays = new Map([
    ['packed', packed],
    ['codeBook', bytesOf(codeBook)],
  ]);
  if (zeros !== undefined) arrays.set('zeros', zeros);
  if (biases !== undefined) arrays.set('biases', bytesOf(biases));
  if (scales instanceof Float32Array) return arrays.set('scales', bytesOf(scales));
  return arrays
    .set('scaleCodes', scales.codes)
    .set('nestedScales', bytesOf(scales.absmax))
    .set('nestedCodeBook', bytesOf(scales.codeBook));
}

function describe(tensor: FrozenTensor): Pick<StoredTensor, 'shape' | 'type'> & Partial<StoredTensor> {
  const shape = [...tensor.shape];
  if (!isQuantized(tensor)) return { shape, type: tensor.dtype };
  const { quantType: type, blockSize, originalDtype, scales } = tensor;
  const nested =
    scales instanceof Float32Array ? undefined : { blockSize: scales.blockSize, offset: scales.offset };
  return { shape, type, blockSize, originalDtype, ...(nested && { nested }) };
}

function tensorIn(stored: StoredTensor, file: Uint8Array): FrozenTensor {
  const { shape, type, arrays, blockSize = 0, nested } = stored;
  const bytes = (name: string): Uint8Array =>
    file.subarray(arrays[name].offset, arrays[name].offset + arrays[name].bytes);
  const floats = (name: string): Float32Array => {
    const part = bytes(name);
    return new Float32Array(part.buffer, part.byteOffset, part.length / 4);
  };
  if (!('packed' in arrays)) return { dtype: type as StoredWeight['dtype'], shape, bytes: bytes('values') };
  return {
    quantType: type as QuantizedTensor['quantType'],
    shape,
    blockSize,
    packed: bytes('packed'),
    codeBook: floats('codeBook'),
    originalDtype: stored.originalDtype as QuantizedTensor['originalDtype'],
    ...('zeros' in arrays && { zeros: bytes('zeros') }),
    ...('biases' in arrays && { biases: floats('biases') }),
    scales:
      nested === undefined
        ? floats('scales')
        : {
            codes: bytes('scaleCodes'),
            absmax: floats('nestedScales'),
            codeBook: floats('nestedCodeBook'),
            ...nested,
          },
  };
}

function readManifest(folder: string, text: string): Manifest {
  try {
    return manifestSchema().parse(JSON.parse(text));
  } catch (cause) {
    throw new TunebookError(
      `offloadFolder: expected ${path.join(folder, MANIFEST)} as tunebook writes it, got something else. ` +
        'Delete the folder, or choose another one.',
      { cause },
    );
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
