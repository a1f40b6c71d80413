/**
 * Reads safetensors files: the header is validated first, and only the bytes of requested tensors are read. Everything
 * that loads weights starts here.
 */
import { promises as fs } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { requireText, TunebookError } from '../types';
import { bfloat16ToFloat32, float16ToFloat32 } from './safetensors-convert';
import { dtypeSizeBytes, parseHeader, parseHeaderLength } from './safetensors-format';
import type { SafetensorsHeader, TensorInfo } from './safetensors-format';

/** A range of elements of a tensor, in row-major order. */
export interface ElementRange {
  /** First element. */
  readonly start: number;
  /** Number of elements. */
  readonly count: number;
}

/** An open safetensors file; `close` it when done. Reads may run concurrently. */
export interface SafetensorsFile {
  readonly path: string;
  readonly header: SafetensorsHeader;
  /** Names of the tensors, in the order of their bytes. */
  readonly names: readonly string[];
  /**
   * The type, shape and place of a tensor.
   *
   * @throws {TunebookError} If there is no such tensor; suggests similar names.
   */
  info(name: string): TensorInfo;
  /**
   * The values of an F32, F16, BF16 or F64 tensor as float32, row-major.
   *
   * @throws {TunebookError} If the dtype is another, or the file changed since it was opened.
   */
  read(name: string, range?: ElementRange): Promise<Float32Array>;
  /** Like `read`, into the caller's array: no second copy in memory. */
  readInto(name: string, out: Float32Array, range?: ElementRange): Promise<void>;
  /** The stored bytes of a tensor of any dtype, little-endian. */
  readBytes(name: string, range?: ElementRange): Promise<Uint8Array>;
  /** Closes the file. */
  close(): Promise<void>;
}

/** Bytes read and converted at a time: small beside any model, large beside a disk's block. */
const CHUNK_BYTES = 4 << 20;

/**
 * Reads and validates the header of a safetensors file, and nothing else.
 *
 * @throws {TunebookError} If the file is missing, truncated, hostile or not safetensors.
 */
export async function readSafetensorsHeader(filePath: string): Promise<SafetensorsHeader> {
  const handle = await openForReading(filePath, 'readSafetensorsHeader');
  try {
    return await readHeader(handle, filePath);
  } finally {
    await handle.close();
  }
}

/**
 * Opens a safetensors file and validates its header; reads no tensor yet.
 *
 * @throws {TunebookError} If the file is missing, truncated, hostile or not safetensors.
 * @example
 * ```ts
 * import path from 'node:path';
 * import { resolveModelFolder } from 'tunebook';
 * import { openSafetensors } from 'tunebook/checkpoint';
 *
 * const folder = await resolveModelFolder('gpt2-mini');
 * const file = await openSafetensors(path.join(folder, 'model.safetensors'));
 * const bias = await file.read('transformer.ln_f.bias'); // Float32Array(96)
 * await file.close();
 * ```
 */
export async function openSafetensors(filePath: string): Promise<SafetensorsFile> {
  const handle = await openForReading(filePath, 'openSafetensors');
  let header: SafetensorsHeader;
  try {
    header = await readHeader(handle, filePath);
  } catch (error) {
    await handle.close();
    throw error;
  }
  const info = (name: string): TensorInfo => {
    const found = header.tensors.get(name);
    if (found === undefined) throw unknownTensor(name, header, filePath);
    return found;
  };
  const readInto = async (name: string, out: Float32Array, range?: ElementRange): Promise<void> => {
    const tensor = info(name);
    const { start, count } = checkRange(tensor, range, `${filePath}: tensor "${name}"`);
    if (out.length !== count) {
      throw new TunebookError(
        `${filePath}: tensor "${name}": expected space for ${count} values, got ${out.length}.`,
      );
    }
    await readFloats(handle, tensor, start, out, `${filePath}: tensor "${name}"`);
  };
  return {
    path: filePath,
    header,
    names: [...header.tensors.keys()],
    info,
    readInto,
    read: async (name, range) => {
      const { count } = checkRange(info(name), range, `${filePath}: tensor "${name}"`);
      const out: Float32Array = new Float32Array(count);
      await readInto(name, out, range);
      return out;
    },
    readBytes: async (name, range) => {
      const tensor = info(name);
      const { start, count } = checkRange(tensor, range, `${filePath}: tensor "${name}"`);
      const itemBytes = dtypeSizeBytes(tensor.dtype);
      const bytes: Uint8Array = new Uint8Array(count * itemBytes);
      await readFully(handle, bytes, tensor.byteOffset + start * itemBytes, filePath);
      return bytes;
    },
    close: () => handle.close(),
  };
}

async function openForReading(filePath: string, where: string): Promise<FileHandle> {
  requireText(filePath, { where, what: 'the path of a safetensors file' });
  let handle: FileHandle;
  try {
    handle = await fs.open(filePath, 'r');
  } catch (error) {
    throw new TunebookError(
      `${filePath}: expected a safetensors file, but it cannot be opened (${String(error)}).`,
      {
        cause: error,
      },
    );
  }
  const stats = await handle.stat();
  if (!stats.isFile()) {
    await handle.close();
    throw new TunebookError(`${filePath}: expected a safetensors file, got something that is not a file.`);
  }
  return handle;
}

async function readHeader(handle: FileHandle, where: string): Promise<SafetensorsHeader> {
  const { size } = await handle.stat();
  const start = new Uint8Array(Math.min(size, 64));
  await readFully(handle, start, 0, where);
  const length = parseHeaderLength(start, size, where);
  const json = new Uint8Array(length);
  await readFully(handle, json, 8, where);
  return parseHeader(json, size, where);
}

/** Reads `out.length` elements from element `start` on, converting chunk by chunk. */
async function readFloats(
  handle: FileHandle,
  tensor: TensorInfo,
  start: number,
  out: Float32Array,
  where: string,
): Promise<void> {
  const itemBytes = dtypeSizeBytes(tensor.dtype);
  const firstByte = tensor.byteOffset + start * itemBytes;
  if (tensor.dtype === 'F32') {
    await readFully(handle, new Uint8Array(out.buffer, out.byteOffset, out.byteLength), firstByte, where);
    return;
  }
  const convert = converterOf(tensor, where);
  const chunkItems = CHUNK_BYTES / itemBytes;
  const chunk = new Uint8Array(Math.min(CHUNK_BYTES, out.length * itemBytes));
  for (let done = 0; done < out.length; done += chunkItems) {
    const count = Math.min(chunkItems, out.length - done);
    const bytes = chunk.subarray(0, count * itemBytes);
    await readFully(handle, bytes, firstByte + done * itemBytes, where);
    convert(bytes, out.subarray(done, done + count));
  }
}

function converterOf(tensor: TensorInfo, where: string): (bytes: Uint8Array, out: Float32Array) => void {
  switch (tensor.dtype) {
    case 'F16':
      return (bytes, out) =>
        float16ToFloat32(new Uint16Array(bytes.buffer, bytes.byteOffset, out.length), out);
    case 'BF16':
      return (bytes, out) =>
        bfloat16ToFloat32(new Uint16Array(bytes.buffer, bytes.byteOffset, out.length), out);
    case 'F64':
      return (bytes, out) => out.set(new Float64Array(bytes.buffer, bytes.byteOffset, out.length));
    default:
      throw new TunebookError(
        `${where}: expected dtype F32, F16, BF16 or F64 for weights, got ${tensor.dtype}. ` +
          'Quantized tensors are read with readBytes.',
      );
  }
}

async function readFully(
  handle: FileHandle,
  out: Uint8Array,
  position: number,
  where: string,
): Promise<void> {
  for (let done = 0; done < out.byteLength;) {
    const length = Math.min(out.byteLength - done, 1 << 30); // a system call reads less than 2 GiB
    const { bytesRead } = await handle.read(out, done, length, position + done);
    if (bytesRead === 0) {
      throw new TunebookError(
        `${where}: expected ${out.byteLength} bytes at ${position}, got ${done}: the file changed while it was open.`,
      );
    }
    done += bytesRead;
  }
}

function checkRange(tensor: TensorInfo, range: ElementRange | undefined, where: string): ElementRange {
  if (range === undefined) return { start: 0, count: tensor.size };
  const { start, count } = range;
  const whole = Number.isSafeInteger(start) && Number.isSafeInteger(count) && start >= 0 && count >= 0;
  if (!whole || start + count > tensor.size) {
    throw new TunebookError(
      `${where}: expected a range within 0 to ${tensor.size}, got start ${start} and count ${count}.`,
    );
  }
  return range;
}

function unknownTensor(name: string, header: SafetensorsHeader, where: string): TunebookError {
  const last = name.slice(name.lastIndexOf('.') + 1);
  const near = [...header.tensors.keys()].filter((other) => other.endsWith(last)).slice(0, 5);
  const shown = near.length > 0 ? near : [...header.tensors.keys()].slice(0, 5);
  return new TunebookError(
    `${where}: expected a tensor "${name}", got ${header.tensors.size} others, for instance ${shown.join(', ')}.`,
  );
}
