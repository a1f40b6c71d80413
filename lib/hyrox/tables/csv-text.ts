/**
 * Bytes to rows of cells: encoding, separator, lines. All irregularities are reported; none is fatal unless so chosen.
 */
import fs from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { CsvRows, decodeWindows1252, delimiterLine, isGzip, requireLocalPath, textLines } from '../../files';
import type { CsvRow } from '../../files';
import { messageOf, TunebookError } from '../../types';
import type { ProblemLog } from './problems';

export type TableEncoding = 'utf-8' | 'utf-8 with BOM' | 'utf-16le' | 'windows-1252';

export interface OpenedTable {
  /** Trimmed names. */
  header: readonly string[];
  delimiter: string;
  encoding: TableEncoding;
  /** Data rows with their 1-based line, without blank lines and skipped ragged rows. */
  rows(): Generator<{ cells: readonly string[]; line: number }>;
  /** Data rows seen so far, skipped ones included. */
  count(): number;
}

/** The bytes of a file, unpacked where it is gzip. @throws TunebookError where it cannot be read */
export function readBytes(file: string): Uint8Array {
  requireLocalPath(file);
  try {
    const bytes = fs.readFileSync(file);
    return isGzip(bytes) ? gunzipSync(bytes) : bytes;
  } catch (error) {
    throw new TunebookError(`${file}: cannot be read (${messageOf(error)}). Check the path.`);
  }
}

/** Opens a table: detects encoding and separator, reads the header. */
export function openTable(
  bytes: Uint8Array,
  options: { file: string; log: ProblemLog; delimiter?: string },
): OpenedTable {
  const { file, log } = options;
  const { text, encoding } = decode(bytes);
  if (text.includes('\u0000')) {
    throw new TunebookError(`${file}: expected a result table, got a binary file. Give a CSV with a header.`);
  }
  const named = delimiterLine(text.slice(0, 'sep=;'.length)) !== undefined ? 1 : 0;
  const [headerLine = ''] = Array.from(firstLines(text, named + 1), (line) => line.text).slice(named);
  if (headerLine.trim() === '') {
    throw new TunebookError(`${file}: expected a result table, got an empty file. Give a CSV with a header.`);
  }
  const delimiter = options.delimiter ?? guessDelimiter(headerLine);
  if (options.delimiter === undefined && delimiter !== ',') {
    const shown = delimiter === '\t' ? 'a tab' : `'${delimiter}'`;
    log.report('delimiter', 1, '', `columns are separated by ${shown}, not a comma`);
  }
  const [first] = tableRows(text, delimiter, named);
  if (first === undefined || 'reason' in first) {
    throw new TunebookError(
      `${file}: expected a header line, got broken quotes (${first?.reason ?? 'no line'}). Fix the first line.`,
    );
  }
  // The index that pandas writes has no name.
  const header = first.cells.map((name, i) => (name.trim() === '' && i === 0 ? 'Unnamed: 0' : name.trim()));
  if (encoding === 'utf-8 with BOM' || encoding === 'utf-16le') {
    const as = encoding === 'utf-16le' ? 'UTF-16' : 'UTF-8';
    log.report('encoding', 1, header[0] ?? '', `begins with a byte-order mark; read as ${as} without it`);
  }
  if (encoding === 'windows-1252') {
    const place = firstForeignCell(text, delimiter, header);
    log.report('encoding', place.line, place.column, 'not valid UTF-8; read as Windows-1252 (Latin-1)');
  }
  let count = 0;
  function* rows(): Generator<{ cells: readonly string[]; line: number }> {
    let line = 0;
    for (const row of tableRows(text, delimiter, named)) {
      line++;
      if (line === 1 || ('cells' in row && row.cells.length === 0)) continue;
      count++;
      if ('reason' in row) {
        if (log.report('ragged-row', line, '', row.reason) === 'skip') continue;
        throw new TunebookError(
          `${file}, row ${line}: ${row.reason}. Fix the row, or leave it out (handle: { 'ragged-row': 'skip' }).`,
        );
      }
      const { cells } = row;
      if (cells.length !== header.length) {
        const reason = `expected ${header.length} cells, got ${cells.length}`;
        if (log.report('ragged-row', line, '', reason) === 'skip') continue;
      }
      yield { cells, line };
    }
  }
  return { header, delimiter, encoding, rows, count: () => count };
}

/** Decodes a file by its byte-order mark; without one as UTF-8 if valid, else Windows-1252. */
function decode(bytes: Uint8Array): { text: string; encoding: TableEncoding } {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) {
    return { text: new TextDecoder('utf-16le').decode(bytes), encoding: 'utf-16le' };
  }
  const marked = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return { text, encoding: marked ? 'utf-8 with BOM' : 'utf-8' };
  } catch {
    return { text: decodeWindows1252(bytes), encoding: 'windows-1252' };
  }
}

function guessDelimiter(header: string): string {
  const count = (mark: string): number => header.split(mark).length - 1;
  return [',', ';', '\t', '|'].reduce((best, mark) => (count(mark) > count(best) ? mark : best));
}

/** Place of the first non-ASCII character. */
function firstForeignCell(
  text: string,
  delimiter: string,
  header: readonly string[],
): { line: number; column: string } {
  const at = text.search(/[^\u0000-\u007f]/);
  const before = text.slice(0, Math.max(0, at)).split(/\r\n|\n|\r/);
  const cell = before[before.length - 1].split(delimiter).length - 1;
  return { line: before.length, column: header[cell] ?? '' };
}

/** The rows of a table, the header among them; lines may end in any way, and differently. */
function* tableRows(text: string, delimiter: string, passedOver: number): Generator<CsvRow> {
  const table = new CsvRows(delimiter);
  let number = 0;
  for (const line of textLines(text)) {
    if (++number > passedOver) yield* table.push({ ...line, number });
  }
  yield* table.end();
}

function* firstLines(text: string, count: number): Generator<{ text: string }> {
  let left = count;
  for (const line of textLines(text)) {
    if (left-- <= 0) return;
    yield line;
  }
}
