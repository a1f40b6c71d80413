/**
 * Bytes to rows of cells: encoding, separator, lines. Every oddity is reported, none is fatal unless chosen so.
 * Where it stands: under `read.ts` and `mapped-table.ts`.
 */
import fs from 'node:fs';
import { parse } from 'csv-parse/sync';
import { messageOf, TunebookError } from '../../types';
import type { ProblemLog } from './problems';

export type TableEncoding = 'utf-8' | 'utf-8 with BOM' | 'utf-16le' | 'windows-1252';

export interface OpenedTable {
  /** Trimmed names. */
  header: readonly string[];
  delimiter: string;
  encoding: TableEncoding;
  /** Data rows with their 1-based line; blank lines and, where so chosen, ragged rows are left out. */
  rows(): Generator<{ cells: readonly string[]; line: number }>;
  /** Data rows seen so far, those left out included. */
  count(): number;
}

/** The bytes of a file. @throws TunebookError where it cannot be read */
export function readBytes(file: string): Uint8Array {
  try {
    return fs.readFileSync(file);
  } catch (error) {
    throw new TunebookError(`${file}: cannot be read (${messageOf(error)})`);
  }
}

/** Finds out how a table is written. */
export function openTable(
  bytes: Uint8Array,
  options: { file: string; log: ProblemLog; delimiter?: string },
): OpenedTable {
  const { file, log } = options;
  const { text, encoding } = decode(bytes);
  if (text.includes('\u0000')) {
    throw new TunebookError(`${file}: expected a result table, got a binary file. Give a CSV with a header.`);
  }
  const headerEnd = text.search(/[\r\n]/);
  const headerLine = headerEnd < 0 ? text : text.slice(0, headerEnd);
  if (headerLine.trim() === '') {
    throw new TunebookError(`${file}: expected a result table, got an empty file. Give a CSV with a header.`);
  }
  const delimiter = options.delimiter ?? guessDelimiter(headerLine);
  if (options.delimiter === undefined && delimiter !== ',') {
    const shown = delimiter === '\t' ? 'a tab' : `'${delimiter}'`;
    log.report('delimiter', 1, '', `columns are separated by ${shown}, not a comma`);
  }
  const header = (parseText(headerLine, file, delimiter)[0] ?? []).map((name) => name.trim());
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
    let line = 1;
    for (const chunk of chunksOfLines(text, headerEnd < 0 ? text.length : headerEnd)) {
      for (const cells of parseText(chunk, file, delimiter)) {
        line++;
        if (cells.length === 1 && cells[0].trim() === '') continue;
        count++;
        if (cells.length !== header.length) {
          const reason = `expected ${header.length} cells, got ${cells.length}`;
          if (log.report('ragged-row', line, '', reason) === 'skip') continue;
        }
        yield { cells, line };
      }
    }
  }
  return { header, delimiter, encoding, rows, count: () => count };
}

/** Text of a file by its byte-order mark; UTF-8 where it is valid, else Windows-1252. */
function decode(bytes: Uint8Array): { text: string; encoding: TableEncoding } {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) {
    return { text: new TextDecoder('utf-16le').decode(bytes), encoding: 'utf-16le' };
  }
  const marked = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return { text, encoding: marked ? 'utf-8 with BOM' : 'utf-8' };
  } catch {
    return { text: new TextDecoder('windows-1252').decode(bytes), encoding: 'windows-1252' };
  }
}

function guessDelimiter(header: string): string {
  const count = (mark: string): number => header.split(mark).length - 1;
  return [',', ';', '\t', '|'].reduce((best, mark) => (count(mark) > count(best) ? mark : best));
}

/** Where the first character beyond ASCII stands. */
function firstForeignCell(
  text: string,
  delimiter: string,
  header: readonly string[],
): { line: number; column: string } {
  const at = text.search(/[^\u0000-\u007f]/);
  const before = text.slice(0, Math.max(0, at)).split('\n');
  const cell = before[before.length - 1].split(delimiter).length - 1;
  return { line: before.length, column: header[cell] ?? '' };
}

/** Whole lines, about a megabyte at a time, so that millions of cells are never alive at once. */
function* chunksOfLines(text: string, start: number): Generator<string> {
  let from = start;
  while (from < text.length && (text[from] === '\r' || text[from] === '\n')) {
    from += text.startsWith('\r\n', from) ? 2 : 1;
    break;
  }
  const quoted = text.includes('"');
  while (from < text.length) {
    // A quoted cell may hold a line break: such a file is parsed in one piece.
    const wanted = quoted ? -1 : text.indexOf('\n', from + (1 << 20));
    const end = wanted < 0 ? text.length : wanted + 1;
    yield text.slice(from, end);
    from = end;
  }
}

function parseText(text: string, file: string, delimiter: string): string[][] {
  try {
    return parse(text, { delimiter, relax_column_count: true, skip_empty_lines: false }) as string[][];
  } catch (error) {
    throw new TunebookError(`${file}: not readable as a table (${messageOf(error)})`);
  }
}
