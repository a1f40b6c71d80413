/**
 * CSV with a header line, by csv-parse. Every value is a string.
 */
import { TunebookError } from '../../types';
import { linesOf } from './data-file';
import type { DataFile } from './data-file';
import type { DataRecord, Row } from './row';

/** Characters handed to the parser at a time. */
const CHUNK_LENGTH = 1 << 16;

/** Rows with broken quotes that are stepped over; each one costs a look at the rest of the file. */
const MAX_BROKEN_QUOTES = 100;

/** csv-parse's words for a row with too few or too many values. */
const WRONG_LENGTH = /^Invalid Record Length: columns length is (\d+), got (\d+) on line \d+$/;

/** Where a row's quotes are broken, and what csv-parse said. */
interface BrokenRow {
  firstLine: number;
  reason: string;
}

/** What one pass over the file learnt. */
interface Pass {
  columns: string[] | undefined;
  broken: BrokenRow | undefined;
}

/**
 * The rows of a CSV file; the line number is that of the row's last line.
 *
 * csv-parse steps over a row with too few or too many values, but loses its way after a broken quote: then
 * reading starts anew in the line after the one where the broken row began.
 */
export async function* readCsv(file: DataFile, delimiter: string): AsyncGenerator<Row> {
  let firstLine = 1;
  let columns: string[] | undefined;
  for (let broken = 0; broken <= MAX_BROKEN_QUOTES; broken++) {
    const pass: Pass = yield* readFrom(file, { firstLine, columns, delimiter });
    if (pass.broken === undefined) return;
    if (pass.columns === undefined) {
      throw new TunebookError(
        `${file.path}:1: expected a header line, got broken quotes (${pass.broken.reason}).`,
      );
    }
    yield { line: pass.broken.firstLine, reason: pass.broken.reason };
    firstLine = pass.broken.firstLine + 1;
    columns = pass.columns;
  }
  throw new TunebookError(
    `${file.path}: more than ${MAX_BROKEN_QUOTES} rows have broken quotes. Is ${JSON.stringify(delimiter)} its ` +
      'delimiter, and are quotes inside values doubled?',
  );
}

async function* readFrom(
  file: DataFile,
  options: { firstLine: number; columns: string[] | undefined; delimiter: string },
): AsyncGenerator<Row, Pass> {
  const { parse } = await import('csv-parse');
  const { firstLine, delimiter } = options;
  const pass: Pass = { columns: options.columns, broken: undefined };
  const invalid = new Set<number>();
  const rows: Row[] = [];
  let lastLine = firstLine - 1;
  const parser = parse({
    delimiter,
    skip_empty_lines: true,
    skip_records_with_error: true,
    columns:
      options.columns ?? ((header: string[]) => (pass.columns = checkHeader(file.path, header, delimiter))),
    // Rows are taken here, in the order of the file, and not from the stream.
    on_record: (record: DataRecord, { lines }) => {
      const line = lines + firstLine - 1;
      if (pass.broken === undefined) {
        rows.push(
          has(invalid, lastLine + 1, line) ? { line, reason: 'is not valid UTF-8' } : { line, record },
        );
      }
      lastLine = line;
      return null;
    },
    on_skip: (error) => {
      if (error === undefined || pass.broken !== undefined) return undefined;
      const line = ('lines' in error && typeof error.lines === 'number' ? error.lines : 0) + firstLine - 1;
      if (/QUOTE/.test(error.code)) {
        pass.broken = { firstLine: lastLine + 1, reason: quoteReason(error.code) };
      } else {
        rows.push({ line, reason: error.message.replace(WRONG_LENGTH, 'expected $1 values, got $2') });
        lastLine = line;
      }
      return undefined;
    },
  });
  parser.resume();
  const failed = new Promise<never>((_, reject) => parser.on('error', reject));
  failed.catch(() => undefined);
  try {
    for await (const text of chunksOf(file, { firstLine, invalid })) {
      await Promise.race([failed, new Promise((resolve) => parser.write(text, resolve))]);
      yield* rows.splice(0);
      if (pass.broken !== undefined) return pass;
    }
    await Promise.race([failed, new Promise((resolve) => parser.end(() => resolve(undefined)))]);
    yield* rows;
    return pass;
  } finally {
    parser.destroy();
  }
}

/** The text from a line on. Lines that are not valid UTF-8 are noted. */
async function* chunksOf(
  file: DataFile,
  { firstLine, invalid }: { firstLine: number; invalid: Set<number> },
): AsyncGenerator<string> {
  let chunk = '';
  for await (const { number, text, valid } of linesOf(file)) {
    if (number < firstLine) continue;
    if (!valid) invalid.add(number);
    chunk += `${text}\n`;
    if (chunk.length < CHUNK_LENGTH) continue;
    yield chunk;
    chunk = '';
  }
  if (chunk !== '') yield chunk;
}

function quoteReason(code: string): string {
  if (code === 'CSV_QUOTE_NOT_CLOSED') return 'a quote is opened and never closed';
  if (code === 'CSV_INVALID_CLOSING_QUOTE') return 'a closing quote is followed by more text';
  return 'a quote stands inside a value that is not quoted';
}

function checkHeader(path: string, header: readonly string[], delimiter: string): string[] {
  const names = header.map((name) => name.trim());
  const other = [';', '\t', ',', '|'].find((mark) => mark !== delimiter && (names[0] ?? '').includes(mark));
  if (names.length === 1 && other !== undefined) {
    throw new TunebookError(
      `${path}: expected columns parted by ${JSON.stringify(delimiter)}, got the one name ${JSON.stringify(names[0])}. ` +
        `Set delimiter: ${JSON.stringify(other)}.`,
    );
  }
  const repeated = names.find((name, i) => names.indexOf(name) !== i);
  if (repeated !== undefined || names.includes('')) {
    throw new TunebookError(
      `${path}: expected a header line with one name for each column, got ` +
        (names.includes('') ? `an empty name in column ${names.indexOf('') + 1}` : `"${repeated}" twice`) +
        '. Name the columns in the first line.',
    );
  }
  return names;
}

function has(numbers: ReadonlySet<number>, first: number, last: number): boolean {
  for (const number of numbers) if (number >= first && number <= last) return true;
  return false;
}
