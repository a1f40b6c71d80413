/**
 * The columns of a HYROX result file, and the table that all later steps work on.
 */
import { requireObject, requireString } from '../../types';

/** The eight stations in race order, as the result files name them. */
export const STATIONS = [
  '1000m Ski',
  '50m Sled Push',
  '50m Sled Pull',
  '80m Burpee Broad Jump',
  '1000m Row',
  '200m Farmer Carry',
  '100m Sandbag Lunges',
  '100 Wall Balls',
] as const;

/** The eight 1 km runs. */
export const RUNS = ['run_1', 'run_2', 'run_3', 'run_4', 'run_5', 'run_6', 'run_7', 'run_8'] as const;

/** The seven transitions. */
export const ROXZONES = [
  'roxzone_1',
  'roxzone_2',
  'roxzone_3',
  'roxzone_4',
  'roxzone_5',
  'roxzone_6',
  'roxzone_7',
] as const;

/** Time columns in race order: run, station, transition, eight times (without a last transition). */
export const RACE_ORDER: readonly string[] = RUNS.flatMap((run, i) =>
  i < ROXZONES.length ? [run, STATIONS[i], ROXZONES[i]] : [run, STATIONS[i]],
);

/** Columns that are sums of others. */
export const SUMS: Readonly<Record<string, readonly string[]>> = {
  work_strength_time: STATIONS,
  roxzone_time: ROXZONES,
  work_run_time: RUNS,
  total_time: ['work_strength_time', 'roxzone_time', 'work_run_time'],
};

/** Every time column, in the order of the real file. */
export const TIME_COLUMNS: readonly string[] = [
  'total_time',
  'work_strength_time',
  'roxzone_time',
  'work_run_time',
  ...RACE_ORDER,
];

/** Every column, in the order of the real file. */
export const FILE_COLUMNS: readonly string[] = ['gender', 'age_group', ...TIME_COLUMNS];

/** The ten times whose sum is the finish time: the segments that feedback is about. */
export const SEGMENTS: readonly string[] = [...STATIONS, 'work_run_time', 'roxzone_time'];

/** Result rows as columns. All arrays have `size` entries. */
export interface RaceTable {
  readonly size: number;
  /** As in the file ('male', 'female'); '' where missing. */
  readonly gender: readonly string[];
  /** As in the file ('25-29'); '' where missing. */
  readonly ageGroup: readonly string[];
  /** Seconds by column; NaN where missing. */
  readonly seconds: Readonly<Record<string, Float64Array>>;
  /** 1-based line in the file, of each row. */
  readonly line: Int32Array;
}

/**
 * Lower and upper age of a group such as '25-29', in years; undefined for other groups.
 */
export function ageRange(group: string): readonly [number, number] | undefined {
  requireString(group, { where: 'ageRange', what: 'an age group, a text' });
  const match = /^\s*(\d{1,3})\s*-\s*(\d{1,3})\s*$/.exec(group);
  if (!match) return undefined;
  const low = Number(match[1]);
  const high = Number(match[2]);
  return low <= high ? [low, high] : undefined;
}

/** The seconds of one column, or an error that names it. */
export function columnOf(table: RaceTable, name: string): Float64Array {
  requireObject(table, { where: 'columnOf', what: 'a table of races', fields: ['seconds'] });
  const column = table.seconds[name];
  if (column === undefined) throw new Error(`internal: no time column ${name} in the race table`);
  return column;
}
