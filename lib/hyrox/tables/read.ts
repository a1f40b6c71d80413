/**
 * Reads result files into a `RaceTable`: delimiter, encoding, header, times; nothing is dropped silently. `check.ts`
 * checks the values next.
 */
import { requireOptions } from '../../options';
import { TunebookError, requireList, requireObject, requireText } from '../../types';
import { FILE_COLUMNS, RACE_ORDER, SUMS, TIME_COLUMNS } from './columns';
import type { RaceTable } from './columns';
import { openTable, readBytes } from './csv-text';
import type { OpenedTable, TableEncoding } from './csv-text';
import { ProblemLog } from './problems';
import type { ProblemKind, ProblemOptions, RaceProblem } from './problems';
import { parseTime } from './time';
import type { TimeFormat } from './time';

/** How a table of races is read. */
export interface ReadOptions extends ProblemOptions {
  /** Column separator. Default: the most frequent of , ; tab | in the header. */
  delimiter?: string;
  /** Name that `FILE_COLUMNS` uses -> name in the file. Default: the same names. */
  columns?: Readonly<Record<string, string>>;
}

/** Report on a file. */
export interface ReadReport {
  file: string;
  rows: number;
  kept: number;
  delimiter: string;
  encoding: TableEncoding;
  /** Unused columns of the file. */
  extraColumns: readonly string[];
  /** Number of problems of each kind. */
  counts: Partial<Record<ProblemKind, number>>;
  /** The first 1,000 of them. */
  problems: readonly RaceProblem[];
}

/** A table of races, and what was found while reading it. */
export interface ReadRaces {
  table: RaceTable;
  report: ReadReport;
  /** The log, which later steps continue. */
  log: ProblemLog;
}

/**
 * Reads a result file.
 *
 * @throws TunebookError where the file is empty, no result file, or a problem's handling is 'stop'
 */
export function readRaces(file: string, options: ReadOptions = {}): ReadRaces {
  requireText(file, { where: 'readRaces', what: 'the path of a result table' });
  requireObject(options, { where: 'readRaces', what: 'options' });
  requireOptions<ReadOptions>(options, {
    where: 'readRaces',
    names: { delimiter: true, columns: true, onProblem: true, handle: true },
  });
  return parseRaces(readBytes(file), { ...options, file });
}

/** `readRaces` on bytes that are already in memory. */
export function parseRaces(bytes: Uint8Array, options: ReadOptions & { file: string }): ReadRaces {
  requireList(bytes, { where: 'parseRaces', what: 'the bytes of a result table' });
  requireObject(options, { where: 'parseRaces', what: 'options { file }' });
  const { file } = options;
  const log = new ProblemLog(file, options);
  const opened = openTable(bytes, {
    file,
    log,
    ...(options.delimiter ? { delimiter: options.delimiter } : {}),
  });
  const layout = findColumns(opened.header, options.columns ?? {}, log, file);
  const builder = new TableBuilder(layout, log);
  for (const { cells, line } of opened.rows()) builder.add(cells, line);
  const table = builder.table();
  const used = new Set(layout.values());
  return { table, log, report: reportOf({ file, opened, log, kept: table.size, used }) };
}

/** The report so far; `counts` and `problems` grow with the log. */
export function reportOf(found: {
  file: string;
  opened: OpenedTable;
  log: ProblemLog;
  kept: number;
  used: ReadonlySet<number>;
}): ReadReport {
  const { file, opened, log, kept, used } = found;
  return {
    file,
    rows: opened.count(),
    kept,
    delimiter: opened.delimiter,
    encoding: opened.encoding,
    extraColumns: opened.header.filter((_, i) => !used.has(i)),
    counts: log.counts,
    problems: log.listed,
  };
}

/** Index of each known column in the file, by name, ignoring order, case and surrounding spaces. */
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
  // Sums follow from their parts, and one part from the total.
  const parts = missing.filter((column) => RACE_ORDER.includes(column));
  const isComputed = (column: string): boolean =>
    column in SUMS || (parts.length === 1 && column === parts[0] && places.has('total_time'));
  const lost = missing.filter((column) => !isComputed(column));
  for (const column of missing.filter(isComputed))
    log.computed('missing-column', 1, column, 'the column is missing; it is computed from the others');
  const isKept = lost.map(
    (column) => log.report('missing-column', 1, column, 'the column is missing') === 'keep',
  );
  if (isKept.includes(false))
    throw new TunebookError(
      `${file}: ${lost.length === 1 ? 'column' : 'columns'} ${lost.map((column) => `"${column}"`).join(', ')} ` +
        `${lost.length === 1 ? 'is' : 'are'} missing and cannot be computed from the others. ` +
        `Add ${lost.length === 1 ? 'it' : 'them'}, name them in a mapping file, or choose to keep rows without.`,
    );
  return places;
}

/** Builds the columns of a table row by row. */
class TableBuilder {
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

  /** Adds a row, or drops it as a problem's handling says. */
  add(cells: readonly string[], line: number): void {
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

  /** Seconds; NaN where missing; undefined where the row is to be dropped. */
  private time(cell: string, column: string, line: number): number | undefined {
    const parsed = parseTime(cell);
    if (parsed === undefined) {
      const empty = cell.trim() === '';
      if (empty && column in SUMS) {
        this.log.computed('missing-value', line, column, 'no time; it is computed from its parts');
        return NaN;
      }
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
