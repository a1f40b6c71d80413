/**
 * The lines of a data file. UTF-8 is checked line by line, so that one bad byte spoils one line; a file that
 * cannot be UTF-8 at all is read as Windows-1252, and says so.
 */
import { isAscii, isUtf8 } from 'node:buffer';
import { byteLines, decodeWindows1252 } from '../../files';
import type { LineEnd } from '../../files';
import { bytesOf, decoderFor } from './data-file';
import type { DataFile } from './data-file';
import type { RowPlace } from './row';

/** One line. */
export interface Line {
  /** From 1. */
  number: number;
  /** Without its end and, in the first line, without the byte order mark. */
  text: string;
  end: LineEnd;
  /** Why the text is not what the file says. */
  fault?: string;
  /** What a person has to know about the whole file; with the first line that it is true of. */
  note?: string;
  /** The place after it, in a file that is read by its bytes: one that is neither packed nor in another encoding. */
  next?: RowPlace;
}

const AS_WINDOWS =
  'the file is not UTF-8; read as Windows-1252. Where names look wrong, set encoding to what it is.';

/**
 * The lines of a file, ended by LF, CRLF or CR in any mixture.
 * @param from where to begin: the `next` of one of its lines
 */
export async function* linesOf(file: DataFile, from?: RowPlace): AsyncGenerator<Line> {
  const { encoding } = decoderFor(file);
  const isUtf = encoding === 'utf-8';
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  let isWindows: boolean | undefined = file.encoding === undefined ? undefined : false; // undefined: not looked at yet
  const isByBytes = isUtf && file.gzip !== true;
  let { line: number, offset = 0 } = from ?? { line: 0 };
  for await (const { bytes, end } of byteLines(isUtf ? bytesOf(file, offset) : inUtf8(file))) {
    number++;
    offset += bytes.length + end.length;
    let note: string | undefined;
    let fault: string | undefined;
    if (isUtf && isWindows !== true && !isUtf8(bytes)) {
      if (isWindows === undefined) {
        isWindows = await canBeWindows1252(file);
        if (isWindows) note = AS_WINDOWS;
      }
      if (!isWindows) fault = 'is not valid UTF-8';
    }
    const text = isWindows ? decodeWindows1252(bytes) : decoder.decode(bytes);
    if (!isUtf && text.includes('\ufffd')) fault = `is not valid ${encoding}`;
    yield {
      number,
      text: number === 1 && text.startsWith('\ufeff') ? text.slice(1) : text,
      end,
      fault,
      note,
      next: isByBytes ? { line: number, offset } : undefined,
    };
  }
}

/** A file of another encoding as UTF-8; what is not valid in it is U+FFFD. */
async function* inUtf8(file: DataFile): AsyncGenerator<Uint8Array> {
  const decoder = decoderFor(file);
  if (decoder.encoding === 'windows-1252') {
    for await (const bytes of bytesOf(file)) yield Buffer.from(decodeWindows1252(bytes));
    return;
  }
  for await (const bytes of bytesOf(file)) yield Buffer.from(decoder.decode(bytes, { stream: true }));
  yield Buffer.from(decoder.decode());
}

/**
 * Whether all that is not ASCII can be Windows-1252 and nothing can be UTF-8. Its letters beyond ASCII stand
 * alone or in pairs; longer runs are other alphabets. Five bytes have no meaning there, and 0xff is what
 * binary data has.
 */
async function canBeWindows1252(file: DataFile): Promise<boolean> {
  for await (const { bytes } of byteLines(bytesOf(file))) {
    if (isAscii(bytes)) continue;
    if (isUtf8(bytes)) return false;
    const text = Buffer.from(bytes).toString('latin1');
    if (/[\x81\x8d\x8f\x90\x9d\xff]|[\x80-\xff]{4}/.test(text)) return false;
  }
  return true;
}
