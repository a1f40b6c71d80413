/**
 * The files of a checkpoint folder: one safetensors file, or shards and the index that names them. The index is
 * validated before any shard is opened.
 */
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { lazySchema } from '../schema';
import { readJson } from '../files';
import { TunebookError } from '../types';

/** The files of a checkpoint, found but not yet opened. */
export interface CheckpointLayout {
  /** File names inside the folder, sorted. */
  readonly files: readonly string[];
  /** The file of each tensor; undefined where one file holds them all. */
  readonly weightMap?: ReadonlyMap<string, string>;
  /** SHA-256 of each shard, in hex, where the index records it (tunebook writes it; others do not). */
  readonly sha256?: ReadonlyMap<string, string>;
}

/** Largest index that is read, in bytes. */
const MAX_INDEX_BYTES = 100_000_000;

const indexSchema = lazySchema((z) =>
  z.object({
    metadata: z
      .object({ shard_sha256: z.record(z.string(), z.string()).optional() })
      .loose()
      .optional(),
    weight_map: z.record(z.string(), z.string()),
  }),
);

/**
 * Finds the files of a checkpoint.
 *
 * @param baseName `model` for `model.safetensors`, `model.safetensors.index.json` and `model-00001-of-...`.
 * @throws {TunebookError} If there is none, only a pickle, a shard is missing, or the index is hostile.
 */
export async function findCheckpointFiles(folder: string, baseName: string): Promise<CheckpointLayout> {
  let present: string[];
  try {
    present = await fs.readdir(folder);
  } catch (error) {
    throw new TunebookError(`${folder}: expected a folder with a checkpoint, but it cannot be read.`, {
      cause: error,
    });
  }
  const single = `${baseName}.safetensors`;
  const index = `${single}.index.json`;
  if (present.includes(single)) return { files: [single] };
  if (present.includes(index)) {
    const layout = await readCheckpointIndex(path.join(folder, index));
    requireShards(layout.files, path.join(folder, index), new Set(present));
    return layout;
  }
  throw noCheckpoint({ folder, single, index, present });
}

/**
 * Reads the index of a sharded checkpoint; does not look for the shards.
 *
 * @throws {TunebookError} If it is malformed, or names anything but .safetensors files in its own folder.
 */
export async function readCheckpointIndex(indexPath: string): Promise<CheckpointLayout> {
  const { size } = await fs.stat(indexPath);
  if (size > MAX_INDEX_BYTES) {
    throw new TunebookError(`${indexPath}: expected at most ${MAX_INDEX_BYTES} bytes, got ${size}.`);
  }
  const index = await readJson(indexPath, {
    schema: indexSchema(),
    expected: '{ "metadata": {...}, "weight_map": { name: file } }',
    remedy: 'Download or save it again.',
  });
  const weightMap = new Map(Object.entries(index.weight_map));
  const files = [...new Set(weightMap.values())].sort();
  if (files.length === 0) throw new TunebookError(`${indexPath}: the weight_map names no tensor.`);
  for (const file of files) requireInnerFile(file, indexPath);
  const sums = index.metadata?.shard_sha256;
  return { files, weightMap, sha256: sums === undefined ? undefined : new Map(Object.entries(sums)) };
}

function requireShards(files: readonly string[], indexPath: string, present: ReadonlySet<string>): void {
  const missing = files.filter((file) => !present.has(file));
  if (missing.length === 0) return;
  throw new TunebookError(
    `${indexPath}: expected ${files.length} shards, ${missing.length} are missing: ${missing.join(', ')}. ` +
      'Download them again (what is there is kept).',
  );
}

/** A shard's name is plain: nothing in an index may point out of its folder. */
function requireInnerFile(file: string, indexPath: string): void {
  const plain =
    path.posix.basename(file) === file && path.win32.basename(file) === file && !file.includes('\0');
  if (!plain || file.startsWith('.') || !file.endsWith('.safetensors')) {
    throw new TunebookError(
      `${indexPath}: expected the names of .safetensors files in the same folder, got ${JSON.stringify(file)}.`,
    );
  }
}

/** The error for a folder or repository without a checkpoint; says what it has instead. */
export function noCheckpoint(found: {
  folder: string;
  single: string;
  index: string;
  present: readonly string[];
}): TunebookError {
  const { folder, single, index, present } = found;
  const expected = `${folder}: expected ${single} or ${index}`;
  const pickle = present.find((file) => /\.(bin|pt|pth|ckpt|pkl)(\.index\.json)?$/.test(file));
  if (pickle !== undefined) {
    return new TunebookError(
      `${expected}, got ${pickle}. That is a pickle: it can run any program when it is opened, so it is never ` +
        'read here. Convert it once, where you trust it:\n' +
        `  python -c "from transformers import AutoModelForCausalLM as M; ` +
        `M.from_pretrained('${folder}').save_pretrained('${folder}-safetensors')"`,
    );
  }
  const listing = present.length === 0 ? 'an empty folder' : present.slice(0, 12).join(', ');
  const shards = present.some((file) => file.endsWith('.safetensors'));
  return new TunebookError(
    `${expected}, got ${listing}.${shards ? ` Shards without ${index} cannot be used: download it too.` : ''}`,
  );
}
