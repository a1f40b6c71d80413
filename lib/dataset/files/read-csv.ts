/**
 * CSV with a header line. Every value is a string; the line number is that of the row's first line.
 */
import { CsvRows, delimiterLine } from '../../files';
import type { CsvRow } from '../../files';
import { TunebookError } from '../../types';
import type { DataFile } from './data-file';
import { linesOf } from './text-lines';
import type { Row } from './row';

/** Rows with broken quotes that are stepped over: with more, the delimiter is another. */
const MAX_BROKEN_QUOTES = 100;

/**
 * The rows of a CSV file.
 *
 * @param delimiter default: ',', or what a first line `sep=;` names
 */
export async function* readCsv(file: DataFile, delimiter: string | undefined): AsyncGenerator<Row> {
  let table: CsvRows | undefined;
  const invalid = new Map<number, string>();
  const header = new Header(file.path, delimiter ?? ',');
  const records = function* (rows: readonly CsvRow[]): Generator<Row> {
    for (const row of rows) {
      const record = header.record(row);
      const reason = 'cells' in row ? faultIn(invalid, row.line, row.lastLine) : undefined;
      if (record !== undefined) yield reason === undefined ? record : { line: row.line, reason };
    }
  };
  for await (const line of linesOf(file)) {
    if (line.note !== undefined) yield { line: line.number, note: line.note };
    if (table === undefined) {
      const named = delimiterLine(line.text);
      table = new CsvRows((header.delimiter = delimiter ?? named ?? ','));
      if (named !== undefined) continue;
    }
    if (line.fault !== undefined) invalid.set(line.number, line.fault);
    else if (line.text.includes('\0')) invalid.set(line.number, 'has a zero character: the text is damaged');
    yield* records(table.push(line));
  }
  yield* records(table?.end() ?? []);
}

/** Names the values of each row. */
class Header {
  private names: string[] | undefined;
  private brokenQuotes = 0;
  private readonly path: string;
  delimiter: string;

  constructor(path: string, delimiter: string) {
    this.path = path;
    this.delimiter = delimiter;
  }

  /** A row as a record; undefined for blank lines and the header itself. */
  record(row: CsvRow): Row | undefined {
    const { line } = row;
    if ('reason' in row) {
      if (this.names === undefined) {
        throw new TunebookError(
          `${this.path}:1: expected a header line, got broken quotes (${row.reason}). Fix it.`,
        );
      }
      if (++this.brokenQuotes > MAX_BROKEN_QUOTES) throw this.tooManyBroken();
      return row;
    }
    const { cells } = row;
    if (cells.length === 0) return undefined;
    const { names } = this;
    if (names === undefined) {
      this.names = checkHeader(this.path, cells, this.delimiter);
      return undefined;
    }
    if (cells.length !== names.length)
      return { line, reason: `expected ${names.length} values, got ${cells.length}` };
    return { line, record: Object.fromEntries(names.map((name, i): [string, string] => [name, cells[i]])) };
  }

  private tooManyBroken(): TunebookError {
    return new TunebookError(
      `${this.path}: more than ${MAX_BROKEN_QUOTES} rows have broken quotes. Is ${JSON.stringify(this.delimiter)} its ` +
        'delimiter, and are quotes inside values doubled?',
    );
  }
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
  // The index that pandas and R write has no name; pandas and datasets call it this.
  if (names.length > 1 && names[0] === '') names[0] = 'Unnamed: 0';
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

/** The fault of one of a row's lines; those that are passed go. */
function faultIn(faults: Map<number, string>, first: number, last: number): string | undefined {
  let found: string | undefined;
  for (const [line, fault] of faults) {
    if (line > last) continue;
    if (line >= first) found ??= fault;
    faults.delete(line);
  }
  return found;
}
