/**
 * Opens a data file and looks at its first bytes, so that a file which is not what its name says is refused in
 * words; gives its text in pieces, and its lines.
 */
import { isUtf8 } from 'node:buffer';
import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { messageOf, TunebookError } from '../../types';

/** A file whose first bytes agree with its format. */
export interface DataFile {
  path: string;
  sizeBytes: number;
  /** As TextDecoder names it. */
  encoding: string;
}

/** One line, without its end. */
export interface Line {
  /** From 1. */
  number: number;
  /** What is not valid in the file's encoding is U+FFFD. */
  text: string;
  /** False where the bytes are not valid UTF-8; other encodings cannot be told. */
  valid: boolean;
}

const HEAD_BYTES = 4096;

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
  { bytes: [0xff, 0xfe], name: 'UTF-16 text', advice: "Set encoding: 'utf-16le'." },
  { bytes: [0xfe, 0xff], name: 'UTF-16 text', advice: "Set encoding: 'utf-16be'." },
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

/**
 * Opens a file for reading as a format.
 *
 * @throws TunebookError where it cannot be read, is empty, or is something else by its first bytes.
 */
export async function openDataFile(
  path: string,
  { format, encoding }: { format: string; encoding: string },
): Promise<DataFile> {
  const sizeBytes = await sizeOf(path);
  if (sizeBytes === 0) throw new TunebookError(`${path}: expected ${format} records, got an empty file.`);
  const head = await readHead(path);
  const decoder = decoderFor(path, encoding);
  const wide = decoder.encoding.startsWith('utf-16');
  const found = SIGNATURES.find(({ bytes }) => bytes.every((byte, i) => head[i] === byte));
  if (format === 'parquet') {
    if (found?.name === 'Parquet') return { path, sizeBytes, encoding };
    throw new TunebookError(
      `${path}: expected Parquet, got ${found?.name ?? (head.includes(0) ? 'other binary data' : 'text')}. ` +
        'Is it another format under that name, or a page that was saved in its place?',
    );
  }
  if (found !== undefined && !(wide && found.name.startsWith('UTF-16'))) {
    throw new TunebookError(`${path}: expected ${format} text, got ${found.name}. ${found.advice}`);
  }
  if (!wide && head.includes(0)) {
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
  return { path, sizeBytes, encoding };
}

/** A file's text in pieces, without the byte order mark. What is not valid in its encoding is U+FFFD. */
export async function* textOf(file: DataFile): AsyncGenerator<string> {
  const decoder = decoderFor(file.path, file.encoding);
  for await (const bytes of bytesOf(file)) yield decoder.decode(bytes, { stream: true });
  yield decoder.decode();
}

/** A file's lines. UTF-8 is checked line by line, so that one bad byte spoils one line. */
export async function* linesOf(file: DataFile): AsyncGenerator<Line> {
  const decoder = decoderFor(file.path, file.encoding);
  let number = 0;
  if (decoder.encoding === 'utf-8') {
    for await (const bytes of byteLinesOf(file)) {
      number++;
      yield { number, text: decoder.decode(bytes), valid: isUtf8(bytes) };
    }
    return;
  }
  let rest = '';
  for await (const text of textOf(file)) {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) yield { number: ++number, text: line, valid: true };
  }
  if (rest !== '') yield { number: ++number, text: rest, valid: true };
}

async function* byteLinesOf(file: DataFile): AsyncGenerator<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const bytes of bytesOf(file)) {
    let start = 0;
    for (let end = bytes.indexOf(0x0a); end !== -1; end = bytes.indexOf(0x0a, start)) {
      parts.push(bytes.subarray(start, end));
      yield parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
      parts.length = 0;
      start = end + 1;
    }
    if (start < bytes.length) parts.push(bytes.subarray(start));
  }
  if (parts.length > 0) yield Buffer.concat(parts);
}

async function* bytesOf(file: DataFile): AsyncGenerator<Uint8Array> {
  try {
    for await (const bytes of createReadStream(file.path, { highWaterMark: 1 << 18 })) {
      if (bytes instanceof Uint8Array) yield bytes;
    }
  } catch (error) {
    throw new TunebookError(`${file.path}: cannot be read (${messageOf(error)}).`);
  }
}

function decoderFor(path: string, encoding: string): TextDecoder {
  try {
    return new TextDecoder(encoding);
  } catch {
    throw new TunebookError(
      `${path}: expected the name of a text encoding, got ${JSON.stringify(encoding)}. Try 'utf-8', 'utf-16le' or 'latin1'.`,
    );
  }
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

async function readHead(path: string): Promise<Uint8Array> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
