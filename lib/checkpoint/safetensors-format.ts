/**
 * The header of a safetensors file: 8 bytes of little-endian length, then JSON that names each tensor with
 * its dtype, shape and byte range, then the bytes. This file parses untrusted bytes into a validated table, and formats
 * a table as bytes; it touches no disk.
 *
 * Format: https://github.com/huggingface/safetensors (README, "Format").
 */
import { isJsonObject } from '../files';
import { TunebookError } from '../types';

/** Longest accepted header, in bytes; the reference implementation has the same limit. */
export const MAX_HEADER_BYTES = 100_000_000;
/** Most dimensions of a tensor. */
export const MAX_RANK = 16;
/** Longest tensor name, in UTF-16 units. */
export const MAX_NAME_LENGTH = 1024;

const DTYPE_BYTES = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  U16: 2,
  I16: 2,
  F16: 2,
  BF16: 2,
  U32: 4,
  I32: 4,
  F32: 4,
  U64: 8,
  I64: 8,
  F64: 8,
} as const;

/** Element types by their names in the format. */
export type SafetensorsDtype = keyof typeof DTYPE_BYTES;

/** Bytes per element. */
export function dtypeSizeBytes(dtype: SafetensorsDtype): number {
  return DTYPE_BYTES[dtype];
}

/** The type, shape and place of a tensor in its file. */
export interface TensorInfo {
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  /** Number of elements, the product of `shape`. */
  readonly size: number;
  /** First byte, from the start of the file. */
  readonly byteOffset: number;
  readonly byteLength: number;
}

/** The validated header of one file. */
export interface SafetensorsHeader {
  /** By name, in the order of their bytes. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** The free text entries of `__metadata__`, for instance `format: 'pt'`. */
  readonly metadata: ReadonlyMap<string, string>;
  /** Bytes before the first tensor. */
  readonly dataOffset: number;
}

/**
 * Reads and validates the length field of a header.
 *
 * @param start The first bytes of the file: at least 8, or all of them. More than 8 give better messages.
 * @param fileSizeBytes Size of the whole file.
 * @returns Bytes of JSON that follow the length field.
 * @throws {TunebookError} If the file is empty, truncated or not safetensors.
 */
export function parseHeaderLength(start: Uint8Array, fileSizeBytes: number, where: string): number {
  if (fileSizeBytes === 0) throw new TunebookError(`${where}: the file is empty. Download or save it again.`);
  const looks = looksLike(start);
  if (looks !== undefined) throw new TunebookError(`${where}: expected a safetensors file, got ${looks}`);
  if (fileSizeBytes < 8) {
    throw new TunebookError(
      `${where}: expected at least 8 bytes, got ${fileSizeBytes}: the file is truncated. Download or save it again.`,
    );
  }
  const length = Number(new DataView(start.buffer, start.byteOffset, 8).getBigUint64(0, true));
  if (length > MAX_HEADER_BYTES) {
    throw new TunebookError(
      `${where}: expected a header of at most ${MAX_HEADER_BYTES} bytes (MAX_HEADER_BYTES), got a length of ` +
        `${length}: this is no safetensors file, or a hostile one.`,
    );
  }
  if (length > fileSizeBytes - 8) {
    throw new TunebookError(
      `${where}: expected ${length} bytes of header, got ${fileSizeBytes - 8}: the file is truncated. ` +
        'Download or save it again.',
    );
  }
  return length;
}

/** What a file that is not safetensors seems to be, and what to do about it. */
function looksLike(start: Uint8Array): string | undefined {
  const text = Buffer.from(start).toString('latin1');
  if (text.startsWith('version https://git-lfs')) {
    return 'a git-lfs pointer: the weights themselves were not fetched. Run: git lfs pull';
  }
  if (/^\s*<(!doctype|html|\?xml)/i.test(text)) return 'a web page. Download the file itself.';
  // PyTorch's pickles are zip archives, or start with the pickle protocol's mark.
  if (text.startsWith('PK\x03\x04') || /^\x80[\x02-\x05]/.test(text)) {
    return 'a pickle or zip archive (PyTorch .bin/.pt). Convert it with save_pretrained(..., safe_serialization=True).';
  }
  if (text.startsWith('GGUF')) return 'a GGUF file. Use the safetensors files of the same model.';
  return undefined;
}

/**
 * Parses and validates the JSON of a header.
 *
 * @param json The bytes after the length field, as many as it says.
 * @param fileSizeBytes Size of the whole file, which the tensors must fill exactly.
 * @throws {TunebookError} If the format does not allow something; names the tensor.
 */
export function parseHeader(json: Uint8Array, fileSizeBytes: number, where: string): SafetensorsHeader {
  let text: string;
  let parsed: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(json);
    parsed = JSON.parse(text);
  } catch (error) {
    throw new TunebookError(
      `${where}: expected a header of JSON, got something else: this is no safetensors file, or it is damaged.`,
      { cause: error },
    );
  }
  if (!isJsonObject(parsed)) throw new TunebookError(`${where}: expected a JSON object as the header.`);
  const repeated = findRepeatedKey(text);
  if (repeated !== undefined) {
    throw new TunebookError(`${where}: expected each name once, got ${quote(repeated)} twice in the header.`);
  }

  const dataOffset = 8 + json.byteLength;
  const entries: [string, TensorInfo][] = [];
  let metadata: ReadonlyMap<string, string> = new Map();
  for (const [name, entry] of Object.entries(parsed)) {
    if (name === '__metadata__') metadata = parseMetadata(entry, where);
    else entries.push([name, parseEntry(name, entry, dataOffset, where)]);
  }
  entries.sort(([, a], [, b]) => a.byteOffset - b.byteOffset || a.byteLength - b.byteLength);
  requireExactCover(entries, dataOffset, fileSizeBytes, where);
  return { tensors: new Map(entries), metadata, dataOffset };
}

/**
 * The bytes before the tensors: the length field and JSON, padded with spaces to a multiple of 8.
 *
 * @param tensors In the order of their bytes.
 */
export function formatHeader(
  tensors: Iterable<{ name: string; dtype: SafetensorsDtype; shape: readonly number[]; byteLength: number }>,
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const parts: string[] = [];
  if (Object.keys(metadata).length > 0) parts.push(`"__metadata__":${JSON.stringify(metadata)}`);
  let offset = 0;
  for (const { name, dtype, shape, byteLength } of tensors) {
    const entry = { dtype, shape, data_offsets: [offset, offset + byteLength] };
    parts.push(`${JSON.stringify(name)}:${JSON.stringify(entry)}`);
    offset += byteLength;
  }
  const json = Buffer.from(`{${parts.join(',')}}`, 'utf8');
  const paddedLength = Math.ceil(json.byteLength / 8) * 8;
  const bytes = new Uint8Array(8 + paddedLength).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(paddedLength), true);
  bytes.set(json, 8);
  return bytes;
}

/**
 * Refuses names that pollute prototypes when used as keys, and the format's own.
 *
 * @throws {TunebookError} Naming the name and the rule.
 */
export function requireSafeName(name: string, where: string): void {
  if (['__proto__', 'constructor', 'prototype', '__metadata__'].includes(name)) {
    throw new TunebookError(`${where}: ${quote(name)} is not allowed as a tensor name.`);
  }
  if (name.length > MAX_NAME_LENGTH) {
    throw new TunebookError(
      `${where}: expected names of at most ${MAX_NAME_LENGTH} characters (MAX_NAME_LENGTH), got ${name.length}.`,
    );
  }
}

/**
 * Number of elements of an untrusted shape.
 *
 * @throws {TunebookError} If a dimension is negative or not an integer, or the product exceeds 2^53.
 */
export function elementCount(shape: readonly number[], where: string): number {
  let count = 1;
  for (const dimension of shape) {
    if (!Number.isSafeInteger(dimension) || dimension < 0) {
      throw new TunebookError(
        `${where}: expected a shape of whole numbers from 0, got [${shape.join(', ')}].`,
      );
    }
    count *= dimension;
  }
  if (!Number.isSafeInteger(count)) {
    throw new TunebookError(`${where}: the shape [${shape.join(', ')}] has too many elements.`);
  }
  return count;
}

function parseEntry(name: string, entry: unknown, dataOffset: number, file: string): TensorInfo {
  requireSafeName(name, file);
  const where = `${file}: tensor ${quote(name)}`;
  if (!isJsonObject(entry)) throw new TunebookError(`${where}: expected an object in the header.`);
  const { dtype, shape, data_offsets: offsets } = entry;
  if (!isDtype(dtype)) {
    throw new TunebookError(
      `${where}: expected a dtype out of ${Object.keys(DTYPE_BYTES).join(', ')}, got ${quote(dtype)}.`,
    );
  }
  if (!isNumberArray(shape) || shape.length > MAX_RANK) {
    throw new TunebookError(
      `${where}: expected a shape of at most ${MAX_RANK} numbers (MAX_RANK), got ${quote(shape)}.`,
    );
  }
  const size = elementCount(shape, where);
  if (!isNumberArray(offsets) || offsets.length !== 2 || !offsets.every(Number.isSafeInteger)) {
    throw new TunebookError(`${where}: expected data_offsets of two whole numbers, got ${quote(offsets)}.`);
  }
  const [begin, end] = offsets;
  if (begin < 0 || end < begin) {
    throw new TunebookError(`${where}: data_offsets [${begin}, ${end}] are out of range or out of order.`);
  }
  const byteLength = size * DTYPE_BYTES[dtype];
  if (byteLength !== end - begin) {
    throw new TunebookError(
      `${where}: expected ${byteLength} bytes for ${dtype} [${shape.join(', ')}], got ${end - begin} ` +
        `(data_offsets ${begin} to ${end}).`,
    );
  }
  return { dtype, shape, size, byteOffset: dataOffset + begin, byteLength };
}

function parseMetadata(entry: unknown, where: string): ReadonlyMap<string, string> {
  const metadata = new Map<string, string>();
  for (const [key, value] of Object.entries(isJsonObject(entry) ? entry : { '': 0 })) {
    if (typeof value !== 'string') {
      throw new TunebookError(`${where}: expected __metadata__ to map names to text, got ${quote(entry)}.`);
    }
    metadata.set(key, value);
  }
  return metadata;
}

/** Tensors, sorted by offset, must follow each other without gap or overlap to the end of the file. */
function requireExactCover(
  entries: readonly [string, TensorInfo][],
  dataOffset: number,
  fileSizeBytes: number,
  where: string,
): void {
  let expected = dataOffset;
  let previous = 'the header';
  for (const [name, { byteOffset, byteLength }] of entries) {
    if (byteOffset !== expected) {
      const fault = byteOffset < expected ? `overlaps ${previous}` : `leaves a hole after ${previous}`;
      throw new TunebookError(
        `${where}: tensor ${quote(name)} ${fault}: expected it at byte ${expected - dataOffset} of the data, ` +
          `got ${byteOffset - dataOffset}.`,
      );
    }
    expected = byteOffset + byteLength;
    previous = quote(name);
  }
  if (expected > fileSizeBytes) {
    throw new TunebookError(
      `${where}: expected ${expected} bytes, got ${fileSizeBytes}: the file is truncated. Download or save it again.`,
    );
  }
  if (expected < fileSizeBytes) {
    throw new TunebookError(
      `${where}: expected ${expected} bytes, got ${fileSizeBytes}: ${fileSizeBytes - expected} bytes at the end ` +
        'belong to no tensor.',
    );
  }
}

/** JSON.parse silently keeps the last of two equal keys, so the keys are scanned again. */
function findRepeatedKey(validJson: string): string | undefined {
  const open: Set<string>[] = [];
  let lastString = '';
  for (const [token] of validJson.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"|[{}:]/g)) {
    if (token === '{') open.push(new Set());
    else if (token === '}') open.pop();
    else if (token !== ':') lastString = token;
    else {
      const key: unknown = JSON.parse(lastString);
      const keys = open[open.length - 1];
      if (typeof key !== 'string' || keys === undefined) continue;
      if (keys.has(key)) return key;
      keys.add(key);
    }
  }
  return undefined;
}

function isDtype(value: unknown): value is SafetensorsDtype {
  return typeof value === 'string' && Object.hasOwn(DTYPE_BYTES, value);
}

function isNumberArray(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'number');
}

/** Untrusted text for a message: escaped and truncated. */
function quote(value: unknown): string {
  const text =
    typeof value === 'object' && value !== null ? listing(value) : (JSON.stringify(value) ?? String(value));
  return text.length > 120 ? `${text.slice(0, 117)}...` : text;
}

/** Not JSON.stringify: deep nesting would overflow the stack. */
function listing(value: object): string {
  return Array.isArray(value) && value.every((item) => typeof item === 'number')
    ? `[${value.join(', ')}]`
    : 'an object';
}
