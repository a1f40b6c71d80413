/**
 * Files that stand where a notebook should: what they are, in words, and what to do. And texts that hold half a
 * surrogate pair, which no UTF-8 file can.
 */
import { isGzip } from '../../files';

/**
 * What a file is that is no notebook though it has a notebook's name.
 * @returns a predicate for a sentence about the file; undefined where it may be a notebook
 */
export function foreignKind(bytes: Uint8Array, text: string): string | undefined {
  const start = text.replace(/^\uFEFF/, '').trimStart();
  if (start.startsWith('version https://git-lfs.github.com/'))
    return 'is a pointer of Git LFS, not the notebook itself; fetch it with: git lfs pull';
  if (/^<(?:!doctype\s+html|html|head|body)\b/i.test(start))
    return 'is a page of HTML, as a browser saves it; download the raw file instead';
  if (isGzip(bytes)) return 'is packed with gzip; unpack it first (gunzip)';
  if (bytes[0] === 0x50 && bytes[1] === 0x4b && bytes[2] === 3) return 'is a ZIP archive; unpack it first';
  if (unquotedNotebook(start) !== undefined)
    return 'is a notebook as a text within JSON, encoded twice; `tunebook repair` unpacks it';
  return undefined;
}

/** The notebook inside of a JSON string; undefined for another text. */
export function unquotedNotebook(text: string): string | undefined {
  if (!/^"\s*\{/.test(text)) return undefined;
  try {
    let inner: unknown = JSON.parse(text);
    while (typeof inner === 'string' && inner.trimStart().startsWith('"')) inner = JSON.parse(inner);
    return typeof inner === 'string' && /"(?:cells|nbformat)"\s*:/.test(inner) ? inner : undefined;
  } catch {
    return undefined;
  }
}

/** Places of escapes such as `\ud800` that have no other half, in the text of a JSON file. */
export function loneSurrogates(text: string): number[] {
  const lone: number[] = [];
  let high = -1; // place of a first half that waits for its second
  let end = -1;
  for (const match of text.matchAll(/\\(?:u([0-9a-fA-F]{4})|[^])/g)) {
    const code = match[1] === undefined ? -1 : parseInt(match[1], 16);
    const isLow = code >= 0xdc00 && code <= 0xdfff;
    const isPair = isLow && high >= 0 && end === match.index;
    if (high >= 0 && !isPair) lone.push(high);
    if (isLow && !isPair) lone.push(match.index);
    high = code >= 0xd800 && code <= 0xdbff ? match.index : -1;
    end = match.index + match[0].length;
  }
  if (high >= 0) lone.push(high);
  return lone;
}
