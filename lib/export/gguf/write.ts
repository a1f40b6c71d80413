/** Writes a GGUF file: metadata, the table of tensors, then their bytes piece by piece. */
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { isFile, makeFolder, requireFreeSpace, stageFile } from '../../files';
import type { ByteSink, StagedFile } from '../../files';
import { sizeOf } from '../../tensor';
import { TunebookError } from '../../types';
import { encoderThreads, startEncoders } from './encoders';
import { ALIGNMENT, MAGIC, padding, storedBytes, TENSOR_TYPES, VALUE_TYPES, VERSION } from './types/format';
import type { GgufEntries, GgufValue, TensorType } from './types/format';

/** A tensor to write. */
export interface GgufTensor {
  readonly name: string;
  /** Row-major. */
  readonly shape: readonly number[];
  readonly type: TensorType;
  /** The values in order, piece by piece; every piece holds whole rows. */
  pieces(): AsyncIterable<Float32Array>;
}

/** A tensor whose values are there. */
export function tensorOf(described: Omit<GgufTensor, 'pieces'>, values: Float32Array): GgufTensor {
  return {
    ...described,
    pieces: async function* () {
      yield values;
    },
  };
}

/**
 * Writes a file under a temporary name.
 * @throws {TunebookError} If the disk has no space, or a tensor has values that its type cannot hold.
 */
export async function stageGguf(
  file: string,
  entries: GgufEntries,
  tensors: readonly GgufTensor[],
  onTensor: (done: number, name: string) => void = () => undefined,
): Promise<StagedFile> {
  await requireGgufPlace(file);
  const header = headerOf(entries, tensors);
  const folder = path.dirname(path.resolve(file));
  await makeFolder(folder);
  const total = tensors.reduce((sum, tensor) => sum + paddedBytes(tensor), header.length);
  await requireFreeSpace(folder, total);
  const inBlocks = tensors.filter(({ type }) => TENSOR_TYPES[type].blockSize > 1);
  const encoders = startEncoders(encoderThreads(inBlocks.reduce((sum, { shape }) => sum + sizeOf(shape), 0)));
  try {
    return await stageFile(file, async (sink) => {
      const inOrder = writtenInOrder(sink, encoders.inFlight);
      await sink(header);
      for (const [done, tensor] of tensors.entries()) {
        onTensor(done, tensor.name);
        let count = 0;
        for await (const values of tensor.pieces()) {
          requireStorable(tensor, values, file);
          count += values.length;
          await inOrder.put(encoders.encode(tensor.type, values));
        }
        if (count !== sizeOf(tensor.shape))
          throw new Error(`internal: ${tensor.name}: ${count} values for [${tensor.shape.join(', ')}]`);
        await inOrder.put(
          Promise.resolve(new Uint8Array(paddedBytes(tensor) - storedBytes(tensor.type, count))),
        );
      }
      await inOrder.end();
    });
  } finally {
    await encoders.close();
  }
}

/** Bytes that are still made, written in the order in which they were put; `put` waits while more than `most` are. */
function writtenInOrder(
  sink: ByteSink,
  most: number,
): { put(bytes: Promise<Uint8Array>): Promise<void>; end(): Promise<void> } {
  const waiting: Promise<Uint8Array>[] = [];
  const shorten = async (length: number): Promise<void> => {
    while (waiting.length > length) {
      const bytes = waiting.shift();
      if (bytes !== undefined) await sink(await bytes);
    }
  };
  return {
    put: async (bytes) => {
      bytes.catch(() => undefined); // its error comes out in its turn
      waiting.push(bytes);
      await shorten(most);
    },
    end: () => shorten(0),
  };
}

/** An older export is replaced; anything else, a model's weights above all, is not. @throws {TunebookError} */
async function requireGgufPlace(file: string): Promise<void> {
  if (!(await isFile(file))) return;
  const opened = await fs.open(file);
  try {
    const first = Buffer.alloc(4);
    const { bytesRead } = await opened.read(first, 0, 4, 0);
    if (bytesRead === 0 || first.readUInt32LE(0) === MAGIC) return;
  } finally {
    await opened.close();
  }
  throw new TunebookError(
    `${file}: expected a new file or a GGUF file to replace, got a file of another kind. Choose another name.`,
  );
}

function paddedBytes({ shape, type }: Pick<GgufTensor, 'shape' | 'type'>): number {
  const bytes = storedBytes(type, sizeOf(shape));
  return bytes + padding(bytes);
}

/** Largest magnitude that float16 holds; block scales are float16 as well. */
const LARGEST_HALF = 65504;
/** By how much a block's scale is smaller than its largest value. */
const SCALE_DIVISORS: Partial<Record<TensorType, number>> = {
  F16: 1,
  Q8_0: 127,
  Q4_0: 8,
  Q4_K: 15,
  Q5_K: 31,
  Q6_K: 32,
};

/** @throws {TunebookError} For NaN, infinite values, and those too large for the type. */
function requireStorable({ name, type }: GgufTensor, values: Float32Array, file: string): void {
  const divisor = SCALE_DIVISORS[type];
  const limit = divisor === undefined ? Number.MAX_VALUE : LARGEST_HALF * divisor;
  let at = 0; // a loop: billions of values, and calls cost as much as their encoding
  while (at < values.length && Math.abs(values[at]) <= limit) at++;
  if (at === values.length) return;
  const value = values[at];
  throw new TunebookError(
    Number.isFinite(value)
      ? `${file}: ${name}: expected values up to ${limit} for ${type}, got ${value}. Choose type bf16 or f32.`
      : `${file}: ${name}: expected finite values, got ${value}. The model is damaged: export an earlier checkpoint.`,
  );
}

function headerOf(entries: GgufEntries, tensors: readonly GgufTensor[]): Uint8Array {
  const bytes = new Bytes();
  bytes.u32(MAGIC);
  bytes.u32(VERSION);
  bytes.u64(tensors.length);
  bytes.u64(entries.length);
  for (const [key, value] of entries) {
    bytes.text(key);
    bytes.value(value);
  }
  let offset = 0;
  for (const tensor of tensors) {
    bytes.text(tensor.name);
    bytes.u32(tensor.shape.length);
    for (const size of [...tensor.shape].reverse()) bytes.u64(size); // the fastest first
    bytes.u32(TENSOR_TYPES[tensor.type].id);
    bytes.u64(offset);
    offset += paddedBytes(tensor);
  }
  bytes.zeros(padding(bytes.length, ALIGNMENT));
  return bytes.all();
}

/** Little-endian bytes that grow. */
class Bytes {
  private data = Buffer.alloc(1 << 16);
  length = 0;

  /** Makes space, then writes: the bytes may have moved by then. */
  private put(count: number, write: (data: Buffer, at: number) => void): void {
    if (this.length + count > this.data.length) {
      const larger = Buffer.alloc(2 * (this.length + count));
      this.data.copy(larger, 0, 0, this.length);
      this.data = larger;
    }
    write(this.data, this.length);
    this.length += count;
  }

  u32(value: number): void {
    this.put(4, (data, at) => data.writeUInt32LE(value, at));
  }

  i32(value: number): void {
    this.put(4, (data, at) => data.writeInt32LE(value, at));
  }

  f32(value: number): void {
    this.put(4, (data, at) => data.writeFloatLE(value, at));
  }

  u64(value: number): void {
    this.put(8, (data, at) => data.writeBigUInt64LE(BigInt(value), at));
  }

  text(value: string): void {
    const length = Buffer.byteLength(value, 'utf8');
    this.u64(length);
    this.put(length, (data, at) => data.write(value, at, 'utf8'));
  }

  zeros(count: number): void {
    this.put(count, (data, at) => data.fill(0, at, at + count));
  }

  value(entry: GgufValue): void {
    switch (entry.type) {
      case 'u32':
      case 'i32':
      case 'f32':
        this.u32(VALUE_TYPES[entry.type]);
        this[entry.type](entry.value);
        break;
      case 'bool':
        this.u32(VALUE_TYPES.bool);
        this.put(1, (data, at) => data.writeUInt8(entry.value ? 1 : 0, at));
        break;
      case 'string':
        this.u32(VALUE_TYPES.string);
        this.text(entry.value);
        break;
      case 'strings':
        this.list('string', entry.value, (one) => this.text(one));
        break;
      case 'i32s':
        this.list('i32', entry.value, (one) => this.i32(one));
        break;
      case 'f32s':
        this.list('f32', entry.value, (one) => this.f32(one));
        break;
    }
  }

  private list<One>(of: 'string' | 'i32' | 'f32', values: readonly One[], write: (one: One) => void): void {
    this.u32(VALUE_TYPES.array);
    this.u32(VALUE_TYPES[of]);
    this.u64(values.length);
    for (const one of values) write(one);
  }

  all(): Uint8Array {
    return this.data.subarray(0, this.length);
  }
}
