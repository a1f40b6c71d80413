/** Reads the head of a GGUF file strictly: what llama.cpp would stumble over is an error with its place. */
import { promises as fs } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { sizeOf } from '../../tensor';
import { TunebookError } from '../../types';
import { ALIGNMENT, MAGIC, padding, storedBytes, TENSOR_TYPES, VALUE_TYPES, VERSION } from './types/format';
import type { TensorType } from './types/format';

/** A tensor as the file lists it. */
export interface GgufTensorInfo {
  readonly name: string;
  /** Row-major. */
  readonly shape: readonly number[];
  readonly type: TensorType;
  /** Bytes from the file's start. */
  readonly byteOffset: number;
  readonly byteLength: number;
}

/** A value of the metadata as JavaScript has it. */
export type GgufRead = number | bigint | boolean | string | readonly GgufRead[];

/** The head of a file, open for its tensors' bytes; `close` it when done. */
export interface GgufFile {
  readonly metadata: ReadonlyMap<string, GgufRead>;
  readonly tensors: readonly GgufTensorInfo[];
  readBytes(tensor: GgufTensorInfo, start: number, length: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

const FIRST_READ_BYTES = 1 << 20;
const MAX_DIMENSIONS = 4;
const MAX_NAME_LENGTH = 64;

/** More bytes are needed. */
class TooShort extends Error {}

/**
 * Opens a GGUF file and reads its head.
 * @throws {TunebookError} If it is missing, cut short, or not as the format has it.
 */
export async function openGguf(file: string): Promise<GgufFile> {
  let handle: FileHandle;
  try {
    handle = await fs.open(file, 'r');
  } catch (cause) {
    throw new TunebookError(`${file}: expected a GGUF file, but it cannot be opened (${String(cause)}).`, {
      cause,
    });
  }
  try {
    const { size } = await handle.stat();
    for (let length = Math.min(FIRST_READ_BYTES, size); ; length = Math.min(4 * length, size)) {
      const head = Buffer.alloc(length);
      await readFully(handle, head, 0, file);
      try {
        return { ...parseHead(head, size, file), ...access(handle, file) };
      } catch (error) {
        if (!(error instanceof TooShort)) throw error;
        if (length === size)
          throw new TunebookError(
            `${file}: expected a whole GGUF file, got one that is cut short. Export it again.`,
          );
      }
    }
  } catch (error) {
    await handle.close();
    throw error;
  }
}

function access(handle: FileHandle, file: string): Pick<GgufFile, 'readBytes' | 'close'> {
  return {
    readBytes: async (tensor, start, length) => {
      const bytes = Buffer.alloc(length);
      await readFully(handle, bytes, tensor.byteOffset + start, file);
      return new Uint8Array(bytes.buffer, bytes.byteOffset, length);
    },
    close: () => handle.close(),
  };
}

async function readFully(handle: FileHandle, out: Buffer, position: number, file: string): Promise<void> {
  for (let done = 0; done < out.length;) {
    const { bytesRead } = await handle.read(out, done, out.length - done, position + done);
    if (bytesRead === 0)
      throw new TunebookError(
        `${file}: expected ${out.length} bytes at ${position}, got ${done}. Export it again.`,
      );
    done += bytesRead;
  }
}

function parseHead(head: Buffer, fileBytes: number, file: string): Pick<GgufFile, 'metadata' | 'tensors'> {
  const reader = new Reader(head, file);
  const magic = reader.u32();
  if (magic !== MAGIC) throw reader.wrong('the bytes GGUF at its start', `0x${magic.toString(16)}`);
  const version = reader.u32();
  if (version !== VERSION) throw reader.wrong(`version ${VERSION}`, version);
  const tensorCount = reader.u64();
  const entryCount = reader.u64();
  const metadata = new Map<string, GgufRead>();
  for (let i = 0; i < entryCount; i++) {
    const key = reader.text();
    if (metadata.has(key)) throw reader.wrong('each key once', `${key} twice`);
    metadata.set(key, reader.value(reader.u32()));
  }
  const alignment = metadata.get('general.alignment') ?? ALIGNMENT;
  if (typeof alignment !== 'number' || alignment < 8 || alignment % 8 !== 0)
    throw reader.wrong('an alignment that is a multiple of 8', String(alignment));
  const listed = Array.from({ length: tensorCount }, () => reader.tensor());
  const dataStart = reader.at + padding(reader.at, alignment);
  const names = new Set<string>();
  let expected = 0;
  const tensors = listed.map(({ offset, ...tensor }) => {
    if (names.has(tensor.name)) throw reader.wrong('each tensor once', `${tensor.name} twice`);
    names.add(tensor.name);
    if (offset !== expected) throw reader.wrong(`${tensor.name} at ${expected}`, offset);
    const byteLength = storedBytes(tensor.type, sizeOf(tensor.shape));
    expected += byteLength + padding(byteLength, alignment);
    return { ...tensor, byteOffset: dataStart + offset, byteLength };
  });
  if (dataStart + expected !== fileBytes)
    throw reader.wrong(`${dataStart + expected} bytes by its table of tensors`, `${fileBytes} bytes`);
  return { metadata, tensors };
}

const TYPE_BY_ID = new Map(
  Object.entries(TENSOR_TYPES).map(([name, { id }]): [number, TensorType] => [id, name as TensorType]),
);

/** Reads numbers and texts one after the other. */
class Reader {
  at = 0;

  constructor(
    private readonly bytes: Buffer,
    private readonly file: string,
  ) {}

  wrong(expected: string, got: string | number): TunebookError {
    return new TunebookError(`${this.file}: expected ${expected}, got ${got}. Export it again.`);
  }

  private take(count: number): number {
    if (this.at + count > this.bytes.length) throw new TooShort();
    const at = this.at;
    this.at += count;
    return at;
  }

  u32(): number {
    return this.bytes.readUInt32LE(this.take(4));
  }

  u64(): number {
    const value = this.bytes.readBigUInt64LE(this.take(8));
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw this.wrong('a length', String(value));
    return Number(value);
  }

  text(): string {
    const length = this.u64();
    const at = this.take(length);
    return this.bytes.toString('utf8', at, at + length);
  }

  value(type: number): GgufRead {
    switch (type) {
      case VALUE_TYPES.u8:
        return this.bytes.readUInt8(this.take(1));
      case VALUE_TYPES.i8:
        return this.bytes.readInt8(this.take(1));
      case VALUE_TYPES.u16:
        return this.bytes.readUInt16LE(this.take(2));
      case VALUE_TYPES.i16:
        return this.bytes.readInt16LE(this.take(2));
      case VALUE_TYPES.u32:
        return this.u32();
      case VALUE_TYPES.i32:
        return this.bytes.readInt32LE(this.take(4));
      case VALUE_TYPES.f32:
        return this.bytes.readFloatLE(this.take(4));
      case VALUE_TYPES.bool: {
        const byte = this.bytes.readUInt8(this.take(1));
        if (byte > 1) throw this.wrong('0 or 1 for a truth value', byte);
        return byte === 1;
      }
      case VALUE_TYPES.string:
        return this.text();
      case VALUE_TYPES.array: {
        const of = this.u32();
        const length = this.u64();
        const list: GgufRead[] = [];
        for (let i = 0; i < length; i++) list.push(this.value(of));
        return list;
      }
      case VALUE_TYPES.u64:
        return this.bytes.readBigUInt64LE(this.take(8));
      case VALUE_TYPES.i64:
        return this.bytes.readBigInt64LE(this.take(8));
      case VALUE_TYPES.f64:
        return this.bytes.readDoubleLE(this.take(8));
      default:
        throw this.wrong('a type of value that GGUF has', type);
    }
  }

  tensor(): Omit<GgufTensorInfo, 'byteOffset' | 'byteLength'> & { readonly offset: number } {
    const name = this.text();
    if (name.length >= MAX_NAME_LENGTH) throw this.wrong(`names under ${MAX_NAME_LENGTH} letters`, name);
    const dimensions = this.u32();
    if (dimensions < 1 || dimensions > MAX_DIMENSIONS)
      throw this.wrong(`1 to ${MAX_DIMENSIONS} dimensions of ${name}`, dimensions);
    const shape = Array.from({ length: dimensions }, () => this.u64()).reverse();
    const id = this.u32();
    const type = TYPE_BY_ID.get(id);
    if (type === undefined) throw this.wrong(`a type of ${name} that tunebook writes`, id);
    const { blockSize } = TENSOR_TYPES[type];
    const rowLength = shape[shape.length - 1];
    if (rowLength % blockSize !== 0) throw this.wrong(`rows of ${name} in blocks of ${blockSize}`, rowLength);
    return { name, shape, type, offset: this.u64() };
  }
}
