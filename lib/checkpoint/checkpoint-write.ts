/**
 * Writes a checkpoint folder: shards of bounded size and the index that names them. All files are complete before the
 * first is renamed into place, so a full disk leaves an older checkpoint untouched.
 */
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { requireOptions } from '../options';
import { requireText, TunebookError } from '../types';
import { makeFolder, requireFreeSpace, stageFile } from '../files';
import type { StagedFile } from '../files';
import { dtypeSizeBytes, elementCount } from './safetensors-format';
import { requireTensors, stageSafetensors } from './safetensors-write';
import type { TensorSource, WriteSafetensorsOptions } from './safetensors-write';

/** How a checkpoint is written. */
export interface WriteCheckpointOptions extends WriteSafetensorsOptions {
  /** Most bytes of tensors per file; 5e9 by default, as in transformers 4. A larger tensor gets a file of its own. */
  readonly maxShardSizeBytes?: number;
  /** The files' common prefix; 'model' by default, 'adapter_model' for adapters. */
  readonly baseName?: string;
}

/**
 * Writes tensors as `model.safetensors`, or as shards and `model.safetensors.index.json` where they are larger
 * than one shard; removes the leftovers of an older checkpoint of that name.
 *
 * @param folder Created if missing.
 * @param tensors Written in this order; a function that gives values is called when its tensor is written.
 * @returns The names of the files written, and their total size in bytes.
 * @throws {TunebookError} If values do not fit their shape or the disk is full; the folder is as before then.
 * @example
 * ```ts
 * import { mkdtemp } from 'node:fs/promises';
 * import { tmpdir } from 'node:os';
 * import path from 'node:path';
 * import { writeCheckpoint } from 'tunebook/checkpoint';
 *
 * const folder = await mkdtemp(path.join(tmpdir(), 'tunebook-'));
 * const tensor = (name: string) => ({ name, shape: [2, 3], values: new Float32Array(6) });
 * const { files } = await writeCheckpoint(folder, [tensor('a'), tensor('b')], { maxShardSizeBytes: 24 });
 * console.log(files); // two shards and model.safetensors.index.json
 * ```
 */
export async function writeCheckpoint(
  folder: string,
  tensors: Iterable<TensorSource>,
  options: WriteCheckpointOptions = {},
): Promise<{ files: string[]; sizeBytes: number }> {
  requireOptions<WriteCheckpointOptions>(options, {
    where: 'writeCheckpoint',
    names: { maxShardSizeBytes: true, baseName: true, dtype: true, metadata: true },
  });
  const { maxShardSizeBytes = 5e9, baseName = 'model', ...fileOptions } = options;
  requireText(folder, { where: 'writeCheckpoint', what: 'the path of a folder' });
  const sources = requireTensors(tensors, folder);
  if (!(maxShardSizeBytes > 0)) {
    throw new TunebookError(`${folder}: expected maxShardSizeBytes above 0, got ${maxShardSizeBytes}.`);
  }
  await makeFolder(folder);
  const { shards, tensorBytes } = assignShards(sources, {
    maxShardSizeBytes,
    dtype: options.dtype,
    folder,
  });
  await requireFreeSpace(folder, tensorBytes);

  const names = shards.map((_, i) => shardName(baseName, i, shards.length));
  const staged: StagedFile[] = [];
  let sizeBytes = 0;
  try {
    const sha256: Record<string, string> = {};
    for (const [i, shard] of shards.entries()) {
      const file = await stageSafetensors(path.join(folder, names[i]), shard, fileOptions);
      staged.push(file.staged);
      sizeBytes += file.sizeBytes;
      sha256[names[i]] = file.sha256;
    }
    if (shards.length > 1) {
      const weightMap = Object.fromEntries(
        shards.flatMap((shard, i) => shard.map(({ name }): [string, string] => [name, names[i]])),
      );
      const index = { metadata: { total_size: tensorBytes, shard_sha256: sha256 }, weight_map: weightMap };
      const indexName = `${baseName}.safetensors.index.json`;
      const text = Buffer.from(`${JSON.stringify(index, null, 2)}\n`);
      staged.push(await stageFile(path.join(folder, indexName), (sink) => sink(text)));
      names.push(indexName);
    }
    for (const file of staged) await file.commit();
  } catch (error) {
    await Promise.all(staged.map((file) => file.discard().catch(() => undefined)));
    throw error;
  }
  await removeLeftovers(folder, baseName, new Set(names));
  return { files: names, sizeBytes };
}

/** Fills shards in the given order; never splits a tensor. */
function assignShards(
  tensors: readonly TensorSource[],
  options: { maxShardSizeBytes: number; dtype: WriteSafetensorsOptions['dtype']; folder: string },
): { shards: TensorSource[][]; tensorBytes: number } {
  const shards: TensorSource[][] = [[]];
  const seen = new Set<string>();
  let shardBytes = 0;
  let tensorBytes = 0;
  for (const tensor of tensors) {
    const where = `${options.folder}: tensor "${tensor.name}"`;
    if (seen.has(tensor.name)) throw new TunebookError(`${where} is given twice.`);
    seen.add(tensor.name);
    const sizeBytes =
      elementCount(tensor.shape, where) * dtypeSizeBytes(tensor.dtype ?? options.dtype ?? 'F32');
    if (shardBytes > 0 && shardBytes + sizeBytes > options.maxShardSizeBytes) {
      shards.push([]);
      shardBytes = 0;
    }
    shards[shards.length - 1].push(tensor);
    shardBytes += sizeBytes;
    tensorBytes += sizeBytes;
  }
  return { shards, tensorBytes };
}

function shardName(baseName: string, index: number, count: number): string {
  if (count === 1) return `${baseName}.safetensors`;
  const pad = (n: number): string => String(n).padStart(5, '0');
  return `${baseName}-${pad(index + 1)}-of-${pad(count)}.safetensors`;
}

/** An older checkpoint in other shards could be found instead of this one. */
async function removeLeftovers(folder: string, baseName: string, kept: ReadonlySet<string>): Promise<void> {
  for (const file of await fs.readdir(folder)) {
    if (!file.startsWith(baseName) || kept.has(file)) continue;
    const rest = file.slice(baseName.length);
    if (/^(-\d{5}-of-\d{5})?\.safetensors(\.index\.json)?$/.test(rest)) await fs.rm(path.join(folder, file));
  }
}
