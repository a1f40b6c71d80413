/**
 * The input of the corrected labels: any table of athletes (or of anything) with parts, a total and peers.
 */
import { requireObject, TunebookError } from '../../types';
import { SEGMENTS, columnOf } from './columns';
import type { RaceTable } from './columns';

/** Rows with parts whose total is judged. All arrays have `size` entries. */
export interface LabelTable {
  readonly size: number;
  /** Peer groups: name in the context -> value of each row. */
  readonly groups: Readonly<Record<string, readonly string[]>>;
  /** Parts of the total, in the order that answers list them; lower is better. */
  readonly segments: Readonly<Record<string, Float64Array>>;
  /** The total to predict and judge; lower is better. */
  readonly target: Float64Array;
  /** Name of the target in the context. */
  readonly targetName: string;
  /** Unit after numbers in sentences: 'seconds'. */
  readonly unit: string;
}

/** @throws {TunebookError} Where the value is no table of races. */
export function requireRaces(table: unknown, where: string): void {
  requireObject(table, {
    ...{ where, what: 'a table of races', fields: ['size', 'seconds', 'ageGroup'] },
    remedy: "Pass readRaces('races.csv').table.",
  });
}

/** @throws {TunebookError} Where the value is no table to label. */
export function requireLabels(table: unknown, where: string): void {
  requireObject(table, {
    ...{ where, what: 'a table to label', fields: ['size', 'groups', 'segments', 'target'] },
    remedy: 'Pass raceLabels(checkRaces(table, log)).',
  });
}

/** A race result table as a `LabelTable`; gender as in the published contexts, male 0, female 1. */
export function raceLabels(table: RaceTable): LabelTable {
  requireRaces(table, 'raceLabels');
  return {
    size: table.size,
    groups: { gender: table.gender.map((gender) => (gender === 'female' ? '1' : '0')), age: table.ageGroup },
    segments: Object.fromEntries(SEGMENTS.map((name) => [name, columnOf(table, name)])),
    target: columnOf(table, 'total_time'),
    targetName: 'total_time',
    unit: 'seconds',
  };
}

/**
 * Selects rows of a table in the order of `rows`, for instance training and test rows.
 * @param rows from 0
 * @throws TunebookError for a row that is not there
 */
export function selectRows(table: LabelTable, rows: readonly number[]): LabelTable {
  requireLabels(table, 'selectRows');
  const wrong = rows.find((row) => !Number.isInteger(row) || row < 0 || row >= table.size);
  if (wrong !== undefined)
    throw new TunebookError(`selectRows: expected rows from 0 to ${table.size - 1}, got ${wrong}.`);
  const values = (column: Float64Array): Float64Array => Float64Array.from(rows, (row) => column[row]);
  return {
    ...table,
    size: rows.length,
    groups: Object.fromEntries(
      Object.entries(table.groups).map(([name, column]) => [name, rows.map((row) => column[row])]),
    ),
    segments: Object.fromEntries(
      Object.entries(table.segments).map(([name, column]) => [name, values(column)]),
    ),
    target: values(table.target),
  };
}
