/**
 * Reads any table by a mapping into a `LabelTable`, with the same reports and choices as for a HYROX result file.
 */
import { requireOptions } from '../../options';
import { TunebookError, requireObject, requireText } from '../../types';
import { openTable, readBytes } from '../tables/csv-text';
import type { LabelTable } from '../tables/label-table';
import type { DatasetMapping } from './mapping';
import { ProblemLog } from '../tables/problems';
import type { ProblemOptions } from '../tables/problems';
import { reportOf } from '../tables/read';
import type { ReadReport } from '../tables/read';
import { median } from '../statistics/statistics';
import { parseTime } from '../tables/time';
import type { TimeFormat } from '../tables/time';

/**
 * Reads, checks and imputes.
 *
 * @throws TunebookError where a mapped column is not in the file, or a problem's handling is 'stop'
 */
export function readMappedTable(
  file: string,
  mapping: DatasetMapping,
  options: ProblemOptions & { delimiter?: string } = {},
): { table: LabelTable; report: ReadReport } {
  requireText(file, { where: 'readMappedTable', what: 'the path of a table' });
  requireObject(mapping, {
    where: 'readMappedTable',
    what: 'a mapping',
    remedy: 'Pass what readMapping gave.',
  });
  requireOptions<ProblemOptions & { delimiter?: string }>(options, {
    where: 'readMappedTable',
    names: { delimiter: true, onProblem: true, handle: true },
  });
  const log = new ProblemLog(file, options);
  const opened = openTable(readBytes(file), {
    file,
    log,
    ...(options.delimiter ? { delimiter: options.delimiter } : {}),
  });
  const used = new Set<number>();
  const place = (column: string): number => {
    const at = opened.header.indexOf(column);
    if (at < 0) {
      throw new TunebookError(
        `${file}, row 1: expected a column "${column}", got ${opened.header.join(', ')}. Fix the mapping.`,
      );
    }
    used.add(at);
    return at;
  };
  const groups = Object.entries(mapping.groups).map(([name, column]) => ({
    name,
    column,
    at: place(column),
  }));
  const parts = Object.entries(mapping.segments).map(([name, column]) => ({
    name,
    column,
    at: place(column),
  }));
  const { target } = mapping;
  const numbers =
    target.column === undefined
      ? parts
      : [...parts, { name: target.name, column: target.column, at: place(target.column) }];
  const groupValues = groups.map((): string[] => []);
  const values = numbers.map((): number[] => []);
  const reader = new CellReader(mapping.values, log);
  const seen = new Map<string, number>();
  for (const { cells, line } of opened.rows()) {
    const row = numbers.map(({ at, column }) => reader.read(cells[at] ?? '', column, line));
    const people = groups.map(({ at }) => (cells[at] ?? '').trim());
    const unnamed = people.indexOf('');
    if (unnamed >= 0) {
      const handling = log.report('missing-value', line, groups[unnamed].column, 'no value to group by');
      if (handling === 'skip') continue;
    }
    if (row.includes(undefined)) continue;
    const key = [...people, ...row].join('\u0001');
    const first = seen.get(key);
    if (first !== undefined) {
      if (log.report('duplicate', line, '', `all values are those of row ${first}`) !== 'keep') continue;
    } else seen.set(key, line);
    people.forEach((value, g) => groupValues[g].push(value === '' ? 'unknown' : value));
    row.forEach((value, c) => values[c].push(value ?? NaN));
  }
  const columns = values.map(imputed);
  const size = columns[0].length;
  const segments = columns.slice(0, parts.length);
  const sum = (): Float64Array =>
    Float64Array.from({ length: size }, (_, i) => segments.reduce((total, column) => total + column[i], 0));
  const table: LabelTable = {
    size,
    groups: Object.fromEntries(groups.map(({ name }, g) => [name, groupValues[g]])),
    segments: Object.fromEntries(parts.map(({ name }, c) => [name, segments[c]])),
    target: target.column === undefined ? sum() : columns[parts.length],
    targetName: target.name,
    unit: mapping.unit,
  };
  return { table, report: reportOf({ file, opened, log, kept: size, used }) };
}

/** Missing values become the column's median; there are some only under 'impute' or 'keep'. */
function imputed(values: readonly number[]): Float64Array {
  const column = Float64Array.from(values);
  if (!column.some(Number.isNaN)) return column;
  const middle = median(column);
  return column.map((value) => (Number.isNaN(value) ? middle : value));
}

/** Cells to numbers, with reports. */
class CellReader {
  private readonly kind: 'time' | 'number';
  private readonly log: ProblemLog;
  private readonly formats = new Map<string, TimeFormat>();

  constructor(kind: 'time' | 'number', log: ProblemLog) {
    this.kind = kind;
    this.log = log;
  }

  /** A number; NaN where it is to be imputed; undefined where the row is dropped. */
  read(cell: string, column: string, line: number): number | undefined {
    const text = cell.trim();
    if (text === '')
      return this.log.report('missing-value', line, column, 'no value') === 'skip' ? undefined : NaN;
    const value = this.kind === 'time' ? this.time(text, column, line) : Number(text.replace(',', '.'));
    if (value === undefined) return undefined;
    if (!Number.isFinite(value)) {
      const wanted = this.kind === 'time' ? 'h:mm:ss or m:ss' : 'a number';
      const handling = this.log.report(
        'bad-time',
        line,
        column,
        `expected ${wanted}, got "${text.slice(0, 40)}"`,
      );
      return handling === 'skip' ? undefined : NaN;
    }
    if (value === 0 && this.kind === 'time') {
      const handling = this.log.report('zero-time', line, column, '0 seconds');
      return handling === 'skip' ? undefined : handling === 'impute' ? NaN : 0;
    }
    return value;
  }

  private time(text: string, column: string, line: number): number | undefined {
    const parsed = parseTime(text);
    if (parsed === undefined) return NaN;
    const usual = this.formats.get(column);
    if (usual === undefined) this.formats.set(column, parsed.format);
    else if (usual !== parsed.format) {
      const reason = `"${text}" is written as ${parsed.format}, the rows before as ${usual}`;
      if (this.log.report('mixed-format', line, column, reason) === 'skip') return undefined;
    }
    return parsed.seconds;
  }
}
