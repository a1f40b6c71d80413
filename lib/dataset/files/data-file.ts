/**
 * Opens a data file and looks at its first bytes, so that a file which is not what its name says is refused in
 * words; unpacks gzip; finds out about byte order marks.
 */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pipeline } from 'node:stream';
import { TextDecoder } from 'node:util';
import { createGunzip } from 'node:zlib';
import { isGzip } from '../../files';
import { messageOf, TunebookError } from '../../types';

/** A file whose first bytes agree with its format. */
export interface DataFile {
  path: string;
  sizeBytes: number;
  /** As TextDecoder names it; undefined: UTF-8, or Windows-1252 where it cannot be UTF-8. */
  encoding: string | undefined;
  /** Whether it is packed. */
  gzip?: boolean;
}

const HEAD_BYTES = 4096;

/** Text may have a stray zero, binary data has many. */
const MAX_ZERO_SHARE = 0.1;

/** What a file is by its first bytes, and what to do about it. */
const SIGNATURES: readonly { bytes: readonly number[]; name: string; advice: string }[] = [
  { bytes: [0x50, 0x41, 0x52, 0x31], name: 'Parquet', advice: "Set format: 'parquet'." },
  { bytes: [0x1f, 0x8b], name: 'gzip', advice: 'Unpack it first (gunzip).' },
  {
    bytes: [0x50, 0x4b, 0x03, 0x04],
    name: 'a zip archive (or an Excel sheet)',
    advice: 'Unpack it, or save the sheet as CSV.',
  },
  { bytes: [0x28, 0xb5, 0x2f, 0xfd], name: 'zstd', advice: 'Unpack it first (zstd -d).' },
  { bytes: [0x42, 0x5a, 0x68], name: 'bzip2', advice: 'Unpack it first (bunzip2).' },
  { bytes: [0xfd, 0x37, 0x7a, 0x58, 0x5a], name: 'xz', advice: 'Unpack it first (unxz).' },
];

/** Byte order marks of encodings other than UTF-8. */
const MARKS: readonly { bytes: readonly number[]; encoding: string }[] = [
  { bytes: [0xff, 0xfe], encoding: 'utf-16le' },
  { bytes: [0xfe, 0xff], encoding: 'utf-16be' },
];

/** Texts that stand in for a file that was not fetched. */
const STAND_INS: readonly { pattern: RegExp; name: string; advice: string }[] = [
  {
    pattern: /^\s*<(!doctype|html)/i,
    name: 'a web page',
    advice: 'Download the file itself, not the page about it.',
  },
  {
    pattern: /^version https:\/\/git-lfs/,
    name: 'a Git LFS pointer',
    advice: 'Fetch the file with git lfs pull.',
  },
];

/** How a file is meant to be read. */
interface OpenRequest {
  readonly format: string;
  readonly encoding: string | undefined;
  /** Whether the format's reader takes gzip as well. */
  readonly unpacks: boolean;
}

/**
 * Opens a file for reading as a format.
 *
 * @throws TunebookError where it cannot be read, is empty, or is something else by its first bytes.
 */
export async function openDataFile(path: string, request: OpenRequest): Promise<DataFile> {
  const { format, unpacks } = request;
  const sizeBytes = await sizeOf(path);
  if (sizeBytes === 0) throw new TunebookError(`${path}: expected ${format} records, got an empty file.`);
  const file: DataFile = { path, sizeBytes, encoding: request.encoding };
  let head = await headOf(file);
  if (unpacks && isGzip(head)) {
    file.gzip = true;
    head = await headOf(file);
    if (head.length === 0)
      throw new TunebookError(`${path}: expected ${format} records, got nothing, packed.`);
  }
  const found = SIGNATURES.find(({ bytes }) => beginsWith(head, bytes));
  if (format === 'parquet') {
    if (found?.name === 'Parquet') return file;
    throw new TunebookError(
      `${path}: expected Parquet, got ${found?.name ?? (head.includes(0) ? 'other binary data' : 'text')}. ` +
        'Is it another format under that name, or a page that was saved in its place?',
    );
  }
  if (found !== undefined) {
    throw new TunebookError(`${path}: expected ${format} text, got ${found.name}. ${found.advice}`);
  }
  file.encoding ??= MARKS.find(({ bytes }) => beginsWith(head, bytes))?.encoding;
  const decoder = decoderFor(file);
  const zeros = head.reduce((count, byte) => count + (byte === 0 ? 1 : 0), 0);
  if (!decoder.encoding.startsWith('utf-16') && zeros > MAX_ZERO_SHARE * head.length) {
    throw new TunebookError(
      `${path}: expected ${format} text, got bytes with zeros among them: binary data, or UTF-16. ` +
        "Give its format or its encoding (such as 'utf-16le').",
    );
  }
  const text = decoder.decode(head);
  const standIn = STAND_INS.find(({ pattern }) => pattern.test(text));
  if (standIn !== undefined) {
    throw new TunebookError(`${path}: expected ${format} records, got ${standIn.name}. ${standIn.advice}`);
  }
  return file;
}

/**
 * A file's bytes, unpacked, in pieces.
 * @param start bytes that are left out
 * @throws TunebookError where they cannot be read
 */
export async function* bytesOf(file: DataFile, start = 0): AsyncGenerator<Uint8Array> {
  const raw = createReadStream(file.path, { highWaterMark: 1 << 18, start });
  // An error of either ends the other; it is thrown where the pieces are taken.
  const stream = file.gzip === true ? pipeline(raw, createGunzip(), () => undefined) : raw;
  try {
    for await (const bytes of stream as AsyncIterable<unknown>) {
      if (bytes instanceof Uint8Array) yield bytes;
    }
  } catch (error) {
    const packed = file.gzip === true ? ' Its gzip is damaged or cut short: fetch it again.' : '';
    throw new TunebookError(`${file.path}: cannot be read (${messageOf(error)}).${packed}`);
  }
}

/** @throws TunebookError where the encoding has no such name */
export function decoderFor({ path, encoding = 'utf-8' }: DataFile): TextDecoder {
  try {
    return new TextDecoder(encoding);
  } catch {
    throw new TunebookError(
      `${path}: expected the name of a text encoding, got ${JSON.stringify(encoding)}. Try 'utf-8', 'utf-16le' or 'latin1'.`,
    );
  }
}

function beginsWith(head: Uint8Array, bytes: readonly number[]): boolean {
  return bytes.every((byte, i) => head[i] === byte);
}

async function sizeOf(path: string): Promise<number> {
  try {
    const found = await stat(path);
    if (found.isFile()) return found.size;
  } catch (error) {
    throw new TunebookError(`${path}: cannot be read (${messageOf(error)}). Check the path.`);
  }
  throw new TunebookError(`${path}: expected a file, got a folder. Name one of its files.`);
}

async function headOf(file: DataFile): Promise<Uint8Array> {
  for await (const bytes of bytesOf(file)) return bytes.subarray(0, HEAD_BYTES);
  return new Uint8Array();
}
