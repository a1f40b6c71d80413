/**
 * Result files to a `RaceTable`: delimiter, encoding, header, times; nothing is dropped silently.
 * Where it stands: the first step of `lib/dataset/hyrox`; `check.ts` looks at the values next.
 */
import fs from 'node:fs';
import { parse } from 'csv-parse/sync';
import { TunebookError } from '../../types.js';
import { FILE_COLUMNS, SUMS, TIME_COLUMNS, type RaceTable } from './columns.js';
import { ProblemLog, type ProblemKind, type ProblemOptions, type RaceProblem } from './problems.js';
import { parseTime, type TimeFormat } from './time.js';

export interface ReadOptions extends ProblemOptions {
  /** Column separator. Default: the one of , ; tab | that the header has most of. */
  delimiter?: string;
  /** Name that `FILE_COLUMNS` uses -> name in the file. Default: the same names. */
  columns?: Readonly<Record<string, string>>;
}

/** What was found in a file. */
export interface ReadReport {
  file: string;
  rows: number;
  kept: number;
  delimiter: string;
  encoding: 'utf-8' | 'utf-8 with BOM' | 'utf-16le' | 'windows-1252';
  /** Columns of the file that are not used. */
  extraColumns: readonly string[];
  /** Number of problems of each kind. */
  counts: Partial<Record<ProblemKind, number>>;
  /** The first 1,000 of them. */
  problems: readonly RaceProblem[];
}

export interface ReadRaces {
  table: RaceTable;
  report: ReadReport;
  /** For the steps after reading: it goes on counting. */
  log: ProblemLog;
}

/**
 * Reads a result file.
 *
 * @throws TunebookError where the file is empty, no result file, or a problem's handling is 'stop'
 */
export function readRaces(file: string, options: ReadOptions = {}): ReadRaces {
  let bytes: Buffer;
  try {
    bytes = fs.readFileSync(file);
  } catch (error) {
    throw new TunebookError(`${file}: cannot be read (${error instanceof Error ? error.message : error})`);
  }
  return parseRaces(bytes, { ...options, file });
}

/** `readRaces` on bytes that are already in memory. */
export function parseRaces(bytes: Uint8Array, options: ReadOptions & { file: string }): ReadRaces {
  const { file } = options;
  const log = new ProblemLog(file, options);
  const { text, encoding } = decode(bytes);
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
  const header = parseText(headerLine, file, delimiter)[0].map((name) => name.trim());
  const layout = findColumns(header, options.columns ?? {}, log, file);
  const builder = new TableBuilder(layout, log);
  if (encoding === 'windows-1252') {
    log.report('encoding', firstForeignLine(text), '', 'not valid UTF-8; read as Windows-1252 (Latin-1)');
  }
  let line = 1;
  for (const chunk of chunksOfLines(text, headerEnd < 0 ? text.length : headerEnd)) {
    for (const cells of parseText(chunk, file, delimiter)) {
      line++;
      if (cells.length === 1 && cells[0].trim() === '') continue;
      builder.add(cells, line, header.length);
    }
  }
  const table = builder.table();
  const used = new Set(layout.values());
  return {
    table,
    log,
    report: {
      file,
      rows: builder.rows,
      kept: table.size,
      delimiter,
      encoding,
      extraColumns: header.filter((_, i) => !used.has(i)),
      counts: log.counts,
      problems: log.listed,
    },
  };
}

/** Text of a file by its byte-order mark; UTF-8 where it is valid, else Windows-1252. */
function decode(bytes: Uint8Array): { text: string; encoding: ReadReport['encoding'] } {
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

function firstForeignLine(text: string): number {
  for (let i = 0, line = 1; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 10) line++;
    if (code > 127) return line;
  }
  return 1;
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
    throw new TunebookError(
      `${file}: not readable as a table (${error instanceof Error ? error.message : String(error)})`,
    );
  }
}

/** Place of each known column in the file, by name whatever the order, case or spaces around it. */
function findColumns(
  header: readonly string[],
  names: Readonly<Record<string, string>>,
  log: ProblemLog,
  file: string,
): Map<string, number> {
  const places = new Map<string, number>();
  const simple = (name: string): string => name.trim().toLowerCase();
  const byName = new Map(header.map((name, i) => [simple(name), i]));
  const missing: string[] = [];
  for (const column of FILE_COLUMNS) {
    const place = byName.get(simple(names[column] ?? column));
    if (place === undefined) missing.push(column);
    else places.set(column, place);
  }
  if (!FILE_COLUMNS.some((column) => !(column in SUMS) && places.has(column))) {
    throw new TunebookError(
      `${file}: expected the columns ${FILE_COLUMNS.slice(0, 8).join(', ')}, ...; got ${header.slice(0, 8).join(', ')}. ` +
        'Name your columns in a mapping file.',
    );
  }
  for (const column of missing) {
    const derivable = column in SUMS || (TIME_COLUMNS.includes(column) && missing.length === 1);
    if (derivable) {
      log.report('missing-column', 1, column, 'the column is missing; it is computed from the others');
    } else if (log.report('missing-column', 1, column, 'the column is missing') !== 'keep') {
      throw new TunebookError(
        `${file}: column "${column}" is missing and cannot be computed from the others. ` +
          'Add it, name it in a mapping file, or choose to keep rows without it.',
      );
    }
  }
  return places;
}

/** Grows the columns of a table row by row. */
class TableBuilder {
  rows = 0;
  private readonly gender: string[] = [];
  private readonly ageGroup: string[] = [];
  private readonly lines: number[] = [];
  private readonly seconds: Record<string, number[]> = {};
  private readonly formats = new Map<string, TimeFormat>();
  private readonly layout: ReadonlyMap<string, number>;
  private readonly log: ProblemLog;

  constructor(layout: ReadonlyMap<string, number>, log: ProblemLog) {
    this.layout = layout;
    this.log = log;
    for (const column of TIME_COLUMNS) this.seconds[column] = [];
  }

  /** Adds a row, or leaves it out where a problem's handling says so. */
  add(cells: readonly string[], line: number, width: number): void {
    this.rows++;
    if (cells.length !== width) {
      const reason = `expected ${width} cells, got ${cells.length}`;
      if (this.log.report('ragged-row', line, '', reason) === 'skip') return;
    }
    const times: number[] = [];
    let skip = false;
    for (const column of TIME_COLUMNS) {
      const place = this.layout.get(column);
      const value = place === undefined ? NaN : this.time(cells[place] ?? '', column, line);
      if (value === undefined) skip = true;
      times.push(value ?? NaN);
    }
    if (skip) return;
    TIME_COLUMNS.forEach((column, i) => this.seconds[column].push(times[i]));
    this.gender.push((cells[this.layout.get('gender') ?? -1] ?? '').trim().toLowerCase());
    this.ageGroup.push((cells[this.layout.get('age_group') ?? -1] ?? '').trim());
    this.lines.push(line);
  }

  /** Seconds; NaN where missing; undefined where the row is to be left out. */
  private time(cell: string, column: string, line: number): number | undefined {
    const parsed = parseTime(cell);
    if (parsed === undefined) {
      const empty = cell.trim() === '';
      const handling = empty
        ? this.log.report('missing-value', line, column, 'no time')
        : this.log.report('bad-time', line, column, `expected h:mm:ss or m:ss, got "${cell.slice(0, 40)}"`);
      return handling === 'skip' ? undefined : NaN;
    }
    const usual = this.formats.get(column);
    if (usual === undefined) this.formats.set(column, parsed.format);
    else if (usual !== parsed.format) {
      const reason = `"${cell.trim()}" is written as ${parsed.format}, the rows before as ${usual}`;
      if (this.log.report('mixed-format', line, column, reason) === 'skip') return undefined;
    }
    return parsed.seconds;
  }

  table(): RaceTable {
    return {
      size: this.lines.length,
      gender: this.gender,
      ageGroup: this.ageGroup,
      seconds: Object.fromEntries(
        Object.entries(this.seconds).map(([name, values]) => [name, Float64Array.from(values)]),
      ),
      line: Int32Array.from(this.lines),
    };
  }
}
