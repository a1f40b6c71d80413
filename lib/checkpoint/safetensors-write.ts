/**
 * Writes safetensors files. Values are requested tensor by tensor, so that a model is never in memory twice; the file
 * gets its name only when it is complete.
 */
import { createHash } from 'node:crypto';
import path from 'node:path';
import { requireOptions } from '../options';
import { kindOf, requireText, TunebookError } from '../types';
import { requireFreeSpace, stageFile } from '../files';
import type { ByteSink, StagedFile } from '../files';
import { float32ToBfloat16, float32ToFloat16 } from './safetensors-convert';
import { dtypeSizeBytes, elementCount, formatHeader, requireSafeName } from './safetensors-format';
import type { SafetensorsDtype } from './safetensors-format';

/** The values of one tensor: float32 to store as F32, F16 or BF16, or bytes to store unchanged. */
export type TensorValues = Float32Array | Uint8Array;

/** A tensor to write. */
export interface TensorSource {
  /** Its name in the file, once per file. */
  readonly name: string;
  /** Dimensions; their product is the number of values. */
  readonly shape: readonly number[];
  /** Stored type; the file's `dtype` by default. Types other than F32, F16 and BF16 need values as bytes. */
  readonly dtype?: SafetensorsDtype;
  /** The values, row-major, or a function that provides them when they are written. */
  readonly values: TensorValues | (() => TensorValues | Promise<TensorValues>);
}

/** How a safetensors file is written. */
export interface WriteSafetensorsOptions {
  /** Stored type of tensors without their own; 'F32' by default. */
  readonly dtype?: 'F32' | 'F16' | 'BF16';
  /** Text entries of the header; `{ format: 'pt' }` by default, which transformers requires. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** Bytes converted and written at a time. */
const CHUNK_BYTES = 4 << 20;

/**
 * Writes a safetensors file, or leaves an existing one untouched.
 *
 * @returns The size of the file in bytes.
 * @throws {TunebookError} If names repeat, values do not fit their shape, or the disk is full.
 * @example
 * ```ts
 * import { mkdtemp } from 'node:fs/promises';
 * import { tmpdir } from 'node:os';
 * import path from 'node:path';
 * import { writeSafetensors } from 'tunebook/checkpoint';
 *
 * const folder = await mkdtemp(path.join(tmpdir(), 'tunebook-'));
 * const tensor = { name: 'weight', shape: [2, 3], values: Float32Array.of(1, 2, 3, 4, 5, 6) };
 * await writeSafetensors(path.join(folder, 'one.safetensors'), [tensor], { dtype: 'BF16' });
 * ```
 */
export async function writeSafetensors(
  filePath: string,
  tensors: Iterable<TensorSource>,
  options: WriteSafetensorsOptions = {},
): Promise<number> {
  requireText(filePath, { where: 'writeSafetensors', what: 'the path of a file' });
  requireOptions<WriteSafetensorsOptions>(options, {
    where: 'writeSafetensors',
    names: { dtype: true, metadata: true },
  });
  const { staged, sizeBytes } = await stageSafetensors(filePath, tensors, options);
  await staged.commit();
  return sizeBytes;
}

/**
 * Like `writeSafetensors`, but the file keeps a temporary name until it is committed; also returns the SHA-256 of its
 * bytes in hex.
 */
export async function stageSafetensors(
  filePath: string,
  tensors: Iterable<TensorSource>,
  { dtype: defaultDtype = 'F32', metadata = { format: 'pt' } }: WriteSafetensorsOptions = {},
): Promise<{ staged: StagedFile; sizeBytes: number; sha256: string }> {
  const seen = new Set<string>();
  const entries = requireTensors(tensors, filePath).map((source) => {
    requireSafeName(source.name, filePath);
    if (seen.has(source.name)) {
      throw new TunebookError(`${filePath}: expected each name once, got "${source.name}" twice.`);
    }
    seen.add(source.name);
    const dtype = source.dtype ?? defaultDtype;
    const size = elementCount(source.shape, `${filePath}: tensor "${source.name}"`);
    return {
      source,
      name: source.name,
      dtype,
      shape: source.shape,
      size,
      byteLength: size * dtypeSizeBytes(dtype),
    };
  });
  // Wide elements first: every tensor then starts at a multiple of its element size.
  entries.sort((a, b) => dtypeSizeBytes(b.dtype) - dtypeSizeBytes(a.dtype));
  const header = formatHeader(entries, metadata);
  const sizeBytes = entries.reduce((sum, { byteLength }) => sum + byteLength, header.byteLength);
  await requireFreeSpace(path.dirname(filePath), sizeBytes);

  const hash = createHash('sha256');
  const staged = await stageFile(filePath, async (fileSink) => {
    const sink: ByteSink = async (bytes) => {
      hash.update(bytes);
      await fileSink(bytes);
    };
    await sink(header);
    for (const { source, name, dtype, size, byteLength } of entries) {
      const where = `${filePath}: tensor "${name}"`;
      const values = typeof source.values === 'function' ? await source.values() : source.values;
      if (values instanceof Float32Array) await writeFloats(sink, { values, dtype, size, where });
      else if (values.byteLength === byteLength) await writeBytes(sink, values);
      else throw new TunebookError(`${where}: expected ${byteLength} bytes, got ${values.byteLength}.`);
    }
  });
  return { staged, sizeBytes, sha256: hash.digest('hex') };
}

/**
 * The tensors as a list, each with its name, shape and values.
 *
 * @param where The file or folder being written, for the error.
 * @throws {TunebookError} If one lacks its name, shape or values.
 */
export function requireTensors(tensors: Iterable<TensorSource>, where: string): readonly TensorSource[] {
  const given: unknown = tensors;
  if (typeof given !== 'object' || given === null || !(Symbol.iterator in given)) {
    throw new TunebookError(
      `${where}: expected a list of tensors { name, shape, values }, got ${kindOf(given)}.`,
    );
  }
  const list = [...tensors];
  list.forEach((tensor: Partial<TensorSource> | undefined, i) => {
    const { name, shape, values } = tensor ?? {};
    const of = typeof name === 'string' ? `tensor "${name}"` : `tensor ${i}`;
    const wrong = (member: string, expected: string, got: unknown): TunebookError =>
      new TunebookError(`${where}: ${of}: expected ${member}, ${expected}, got ${kindOf(got)}.`);
    if (typeof name !== 'string') throw wrong('a name', 'a text', name);
    if (!Array.isArray(shape)) throw wrong('a shape', 'a list of whole numbers', shape);
    const isValues = values instanceof Float32Array || values instanceof Uint8Array;
    if (!isValues && typeof values !== 'function')
      throw wrong('values', 'a Float32Array, a Uint8Array or a function that makes one', values);
  });
  return list;
}

async function writeFloats(
  sink: ByteSink,
  tensor: { values: Float32Array; dtype: SafetensorsDtype; size: number; where: string },
): Promise<void> {
  const { values, dtype, size, where } = tensor;
  if (values.length !== size) {
    throw new TunebookError(`${where}: expected ${size} values, got ${values.length}.`);
  }
  if (dtype === 'F32') {
    await writeBytes(sink, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    return;
  }
  if (dtype !== 'F16' && dtype !== 'BF16') {
    throw new TunebookError(`${where}: expected bytes for dtype ${dtype}, got float32 values.`);
  }
  const convert = dtype === 'F16' ? float32ToFloat16 : float32ToBfloat16;
  const chunkItems = CHUNK_BYTES / 2;
  const chunk = new Uint16Array(Math.min(chunkItems, values.length));
  for (let start = 0; start < values.length; start += chunkItems) {
    const part = values.subarray(start, start + chunkItems);
    convert(part, chunk);
    await sink(new Uint8Array(chunk.buffer, 0, part.length * 2));
  }
}

async function writeBytes(sink: ByteSink, bytes: Uint8Array): Promise<void> {
  for (let start = 0; start < bytes.byteLength; start += CHUNK_BYTES) {
    await sink(bytes.subarray(start, start + CHUNK_BYTES));
  }
}
