/**
 * Profiles the columns of an unknown table by their values (clock times, numbers, texts), for the mapping draft.
 */
import { openTable, readBytes } from './csv-text';
import { ProblemLog } from './problems';
import { parseTime } from './time';

/** Kind of most of a column's cells. */
export type ColumnKind = 'clock' | 'number' | 'text' | 'empty';

export interface ColumnProfile {
  readonly name: string;
  readonly kind: ColumnKind;
  /** Rows without a value. */
  readonly missing: number;
  /** Distinct values, in order of their first row. */
  readonly distinct: readonly string[];
  /** Value of each row, clock times in seconds; NaN for cells of another kind. */
  readonly values: Float64Array;
}

export interface TableProfile {
  readonly columns: readonly ColumnProfile[];
  /** Rows examined. */
  readonly rows: number;
  /** Names of several columns; only the first can be read by its name. */
  readonly twice: readonly string[];
}

/** Most rows examined; more would add nothing. */
const MOST_ROWS = 5000;
/** Least share of cells of one kind. */
const MOST = 0.8;
const NUMBER = /^-?\d+(?:[.,]\d+)?$/;

/**
 * Profiles a table.
 * @throws TunebookError where the file is no table
 */
export function profileTable(file: string, options: { delimiter?: string } = {}): TableProfile {
  const opened = openTable(readBytes(file), { file, log: new ProblemLog(file, {}), ...options });
  const cells = opened.header.map((): string[] => []);
  let rows = 0;
  for (const row of opened.rows()) {
    cells.forEach((column, c) => column.push((row.cells[c] ?? '').trim()));
    if (++rows === MOST_ROWS) break;
  }
  const { header } = opened;
  const twice = [...new Set(header.filter((name, c) => name !== '' && header.indexOf(name) < c))];
  const columns = header.flatMap((name, c) =>
    name === '' || header.indexOf(name) < c ? [] : [profileColumn(name, cells[c])],
  );
  return { columns, rows, twice };
}

function profileColumn(name: string, cells: readonly string[]): ColumnProfile {
  const given = cells.filter((cell) => cell !== '');
  const share = (test: (cell: string) => boolean): number => given.filter(test).length / given.length;
  const kind = (): ColumnKind => {
    if (given.length === 0) return 'empty';
    if (share((cell) => cell.includes(':') && parseTime(cell) !== undefined) >= MOST) return 'clock';
    return share((cell) => NUMBER.test(cell)) >= MOST ? 'number' : 'text';
  };
  const value = (cell: string): number =>
    cell === '' ? NaN : (parseTime(cell)?.seconds ?? Number(cell.replace(',', '.')));
  return {
    name,
    kind: kind(),
    missing: cells.length - given.length,
    distinct: [...new Set(given)],
    values: Float64Array.from(cells, value),
  };
}
