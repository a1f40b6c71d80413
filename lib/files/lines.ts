/** Lines of text, whatever ends them: LF, CRLF, CR, or one here and another there. */

/** What ended a line; '' where the text ends without a line end. */
export type LineEnd = '' | '\n' | '\r\n' | '\r';

/** The lines of a text with their ends. */
export function* textLines(text: string): Generator<{ text: string; end: LineEnd }> {
  const ends = /\r\n|\n|\r/g;
  let from = 0;
  for (let found = ends.exec(text); found !== null; found = ends.exec(text)) {
    yield { text: text.slice(from, found.index), end: found[0] as LineEnd };
    from = ends.lastIndex;
  }
  if (from < text.length) yield { text: text.slice(from), end: '' };
}

const LF = 0x0a;
const CR = 0x0d;

/** The same over the pieces of a file in UTF-8 (or any encoding that keeps ASCII): a piece may end anywhere. */
export async function* byteLines(
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<{ bytes: Uint8Array; end: LineEnd }> {
  let parts: Uint8Array[] = [];
  const line = (end: LineEnd): { bytes: Uint8Array; end: LineEnd } => {
    const bytes = parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
    parts = [];
    return { bytes, end };
  };
  let afterCr = false; // the next piece shows whether it was a CRLF
  for await (const piece of pieces) {
    if (piece.length === 0) continue;
    let start = 0;
    if (afterCr) {
      start = piece[0] === LF ? 1 : 0;
      yield line(start === 1 ? '\r\n' : '\r');
      afterCr = false;
    }
    let lf = piece.indexOf(LF, start);
    let cr = piece.indexOf(CR, start);
    while (lf >= 0 || cr >= 0) {
      const isCr = cr >= 0 && (lf < 0 || cr < lf);
      const at = isCr ? cr : lf;
      parts.push(piece.subarray(start, at));
      start = at + 1;
      if (isCr && start === piece.length) {
        afterCr = true;
        break;
      }
      const isPair = isCr && lf === start;
      if (isPair) start++;
      yield line(isPair ? '\r\n' : isCr ? '\r' : '\n');
      if (lf >= 0 && lf < start) lf = piece.indexOf(LF, start);
      if (cr >= 0 && cr < start) cr = piece.indexOf(CR, start);
    }
    if (start < piece.length) parts.push(piece.subarray(start));
  }
  if (afterCr) yield line('\r');
  else if (parts.length > 0) yield line('');
}
