/**
 * Opens a Hugging Face checkpoint folder as one table of tensors, whichever file each is in. Models are read tensor by
 * tensor, never whole in memory twice.
 */
import path from 'node:path';
import { fileDigest } from '../files';
import { requireText, shortList, TunebookError } from '../types';
import { findCheckpointFiles } from './checkpoint-layout';
import type { CheckpointLayout } from './checkpoint-layout';
import { openSafetensors } from './safetensors';
import type { ElementRange, SafetensorsFile } from './safetensors';
import type { TensorInfo } from './safetensors-format';

/** What is known of a tensor before it is read. */
export interface CheckpointTensorInfo extends TensorInfo {
  /** Name of the file inside the folder. */
  readonly file: string;
}

/** An open checkpoint folder; `close` it when done. Reads may run concurrently. */
export interface Checkpoint {
  readonly folder: string;
  /** Names of the tensors, in the order of their bytes: the fastest order to read them. */
  readonly names: readonly string[];
  /** Names of the safetensors files inside the folder. */
  readonly files: readonly string[];
  /** Whether there is a tensor of that name. */
  has(name: string): boolean;
  /**
   * The shape, dtype and place of a tensor.
   *
   * @throws {TunebookError} If there is no such tensor.
   */
  info(name: string): CheckpointTensorInfo;
  /**
   * The values of a floating-point tensor as float32, row-major.
   *
   * @throws {TunebookError} If the dtype is another.
   */
  read(name: string, range?: ElementRange): Promise<Float32Array>;
  /** Like `read`, into the caller's array. */
  readInto(name: string, out: Float32Array, range?: ElementRange): Promise<void>;
  /** The stored bytes of a tensor of any dtype, little-endian. */
  readBytes(name: string, range?: ElementRange): Promise<Uint8Array>;
  /**
   * Compares the SHA-256 of every shard with the index.
   *
   * @returns False where the index has none (only `writeCheckpoint` records them).
   * @throws {TunebookError} Naming each shard whose bytes changed.
   */
  verify(): Promise<boolean>;
  /** Closes every file. */
  close(): Promise<void>;
}

/** How a checkpoint is opened. */
export interface OpenCheckpointOptions {
  /** The files' common prefix; 'model' by default, 'adapter_model' for adapters. */
  readonly baseName?: string;
}

/**
 * Opens a checkpoint folder: `model.safetensors`, or shards with `model.safetensors.index.json`. Reads every header and
 * checks it against the index; reads no tensor yet.
 *
 * @throws {TunebookError} If files are missing, hostile, damaged, or differ from the index.
 * @example
 * ```ts
 * import { openCheckpoint, resolveModelFolder } from 'tunebook';
 *
 * const checkpoint = await openCheckpoint(await resolveModelFolder('gpt2-mini'));
 * const name = 'transformer.wte.weight';
 * console.log(checkpoint.info(name).shape); // [ 50257, 96 ]
 * const firstRow = await checkpoint.read(name, { start: 0, count: 96 });
 * await checkpoint.close();
 * ```
 */
export async function openCheckpoint(
  folder: string,
  { baseName = 'model' }: OpenCheckpointOptions = {},
): Promise<Checkpoint> {
  requireText(folder, { where: 'openCheckpoint', what: 'the path of a folder' });
  requireText(baseName, { where: 'openCheckpoint, baseName', what: "a name such as 'model'" });
  const layout = await findCheckpointFiles(folder, baseName);
  const open: SafetensorsFile[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(open.map((file) => file.close()));
  };
  const home = new Map<string, SafetensorsFile>();
  try {
    for (const name of layout.files) {
      const file = await openSafetensors(path.join(folder, name));
      open.push(file);
      addTensors(home, file, layout);
    }
    requireEveryTensor(home, layout, folder);
  } catch (error) {
    await close();
    throw error;
  }

  const fileOf = (name: string): SafetensorsFile => {
    const file = home.get(name);
    if (file !== undefined) return file;
    const last = name.slice(name.lastIndexOf('.') + 1);
    const near = [...home.keys()].filter((other) => other.endsWith(last));
    throw new TunebookError(
      `${folder}: expected a tensor "${name}", got ${home.size} others, for instance ` +
        `${(near.length > 0 ? near : [...home.keys()]).slice(0, 5).join(', ')}.`,
    );
  };
  return {
    folder,
    names: [...home.keys()],
    files: layout.files,
    has: (name) => home.has(name),
    info: (name) => {
      const file = fileOf(name);
      return { ...file.info(name), file: path.basename(file.path) };
    },
    // Async: an unknown name rejects instead of throwing.
    read: async (name, range) => fileOf(name).read(name, range),
    readInto: async (name, out, range) => fileOf(name).readInto(name, out, range),
    readBytes: async (name, range) => fileOf(name).readBytes(name, range),
    verify: () => verifyShards(folder, layout),
    close,
  };
}

/** Adds the tensors of one shard, which must match the index. */
function addTensors(
  home: Map<string, SafetensorsFile>,
  file: SafetensorsFile,
  layout: CheckpointLayout,
): void {
  const fileName = path.basename(file.path);
  for (const name of file.names) {
    const indexed = layout.weightMap === undefined ? fileName : layout.weightMap.get(name);
    if (indexed === undefined) continue; // what the index does not name is no part of the model
    if (indexed !== fileName) {
      throw new TunebookError(
        `${file.path}: it holds "${name}", but the index places that tensor in ${indexed}. ` +
          'Shards and index do not belong together: download or save them again.',
      );
    }
    home.set(name, file);
  }
}

function requireEveryTensor(
  home: ReadonlyMap<string, SafetensorsFile>,
  layout: CheckpointLayout,
  folder: string,
): void {
  const missing = [...(layout.weightMap ?? [])].filter(([name]) => !home.has(name));
  if (missing.length > 0) {
    const names = missing.map(([name, file]) => `${name} (${file})`);
    throw new TunebookError(
      `${folder}: the index names ${missing.length} tensors that their shards do not hold: ${shortList(names, 5)}. ` +
        'A shard was replaced: download or save it again.',
    );
  }
}

async function verifyShards(folder: string, layout: CheckpointLayout): Promise<boolean> {
  const sums = layout.sha256;
  if (sums === undefined) return false;
  const changed: string[] = [];
  for (const file of layout.files) {
    if ((await fileDigest(path.join(folder, file))) !== sums.get(file)) changed.push(file);
  }
  if (changed.length > 0) {
    throw new TunebookError(
      `${folder}: the bytes of ${changed.join(', ')} are not those that the index was written for (SHA-256). ` +
        'Copy or save the checkpoint again.',
    );
  }
  return true;
}
