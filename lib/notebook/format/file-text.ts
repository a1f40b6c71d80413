/** The bytes of a notebook file as text: UTF-8, and what other programs make of it on the way. */
import { decodeWindows1252 } from '../../files';

/** A file's text. */
export interface FileText {
  readonly text: string;
  /** Why the file is not UTF-8, in words; empty for a good file. */
  readonly fault: string;
}

/** The number of bytes of the UTF-8 character at a place; 0 where there is none. */
function characterBytes(bytes: Uint8Array, at: number): number {
  const first = bytes[at];
  if (first < 0x80) return 1;
  const count = first < 0xc2 || first > 0xf4 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(at, at + count));
    return count;
  } catch {
    return 0;
  }
}

function mixedText(bytes: Uint8Array): FileText {
  const parts: string[] = [];
  let from = 0;
  let wrong = 0;
  let line = 0;
  for (let at = 0; at < bytes.length;) {
    const count = characterBytes(bytes, at);
    if (count === 0) {
      parts.push(
        Buffer.from(bytes.subarray(from, at)).toString('utf8'),
        decodeWindows1252(bytes.subarray(at, at + 1)),
      );
      from = at + 1;
      if (wrong++ === 0) line = parts[0].split('\n').length;
    }
    at += Math.max(1, count);
  }
  parts.push(Buffer.from(bytes.subarray(from)).toString('utf8'));
  return {
    text: parts.join(''),
    fault: `${wrong} byte(s) that are not UTF-8, first in line ${line}; read as Windows-1252`,
  };
}

/**
 * The text of a file. A byte order mark of UTF-8 stays in it.
 * UTF-16, as PowerShell writes it, is read, and so are single bytes of Windows-1252.
 */
export function fileText(bytes: Uint8Array): FileText {
  const wide =
    bytes[0] === 0xff && bytes[1] === 0xfe
      ? 'utf-16le'
      : bytes[0] === 0xfe && bytes[1] === 0xff
        ? 'utf-16be'
        : '';
  if (wide !== '')
    return { text: new TextDecoder(wide).decode(bytes), fault: 'UTF-16 where UTF-8 is expected' };
  try {
    return { text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes), fault: '' };
  } catch {
    return mixedText(bytes);
  }
}
