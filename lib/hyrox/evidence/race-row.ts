/**
 * Takes one race out of a table and refuses what cannot be compared: other columns, a missing or impossible time, a sex
 * or age unknown to the state.
 */
import { TunebookError, requireObject } from '../../types';
import type { RaceTable } from '../tables/columns';
import { raceLabels, requireLabels } from '../tables/label-table';
import type { LabelTable } from '../tables/label-table';
import type { RaceState } from '../labels/race-state';
import type { OneRace } from './groups';
import { amountText, segmentName } from './names';
import type { Reference } from './reference';

/** Bounds of a segment, as factors of the shortest and longest known ones. */
const SHORTER = 0.5;
const LONGER = 3;
/** Most difference between the sum of segments and the total, as a share of the total. */
const SUM_TOLERANCE = 0.02;

/** A table with the state's columns. @throws TunebookError where it has others */
export function tableFor(state: RaceState, races: RaceTable | LabelTable, where: string): LabelTable {
  requireObject(races, { where, what: 'a table with the race', fields: ['size'] });
  if ('ageGroup' in races) requireSexes(races, where);
  const table = 'ageGroup' in races ? raceLabels(races) : races;
  requireLabels(table, where);
  const lacking = [
    ...state.groups.filter((name) => !(name in table.groups)),
    ...state.expectation.peers.segments.filter((name) => !(name in table.segments)),
  ];
  if (lacking.length > 0)
    throw new TunebookError(
      `${where}: expected the columns of the state, got none named ${lacking.map((name) => `"${name}"`).join(', ')}. ` +
        'Read the race by the mapping that the state was made with.',
    );
  return table;
}

/** Labels have two sexes: a third value would silently become one of them. */
function requireSexes({ gender }: RaceTable, where: string): void {
  const row = gender.findIndex((value) => value !== 'male' && value !== 'female');
  if (row >= 0)
    throw new TunebookError(
      `${where}: expected the gender male or female, got ${JSON.stringify(gender[row])} in row ${row}. ` +
        'Fill it in, or leave the row out: checkRaces does, and reports it.',
    );
}

/** Place of a row, for errors. */
export interface RowPlace {
  readonly row: number;
  readonly where: string;
}

/**
 * One row of a table, checked.
 * @throws TunebookError where a value is missing or cannot be
 */
export function raceAt(
  state: RaceState,
  table: LabelTable,
  { row, where, reference }: RowPlace & { reference: Reference },
): OneRace {
  if (!Number.isInteger(row) || row < 0 || row >= table.size)
    throw new TunebookError(
      `${where}: expected a row from 0 to ${table.size - 1}, got ${row}. ` +
        (table.size === 0 ? 'The table has no race: see what its reading reported.' : 'Count rows from 0.'),
    );
  const look = { clock: isClock(state), unit: state.unit };
  const columns = state.expectation.peers.segments;
  const segments = columns.map((column, s) => {
    const value = table.segments[column][row];
    const name = segmentName(state, column);
    if (!Number.isFinite(value))
      throw new TunebookError(
        `${where}: expected a time for ${name} ("${column}"), got none in row ${row}. Fill it in; nothing is guessed.`,
      );
    const [low, high] = reference.ranges[s];
    if (value < low * SHORTER || value > high * LONGER || (look.clock && value <= 0))
      throw new TunebookError(
        `${where}: expected a possible time for ${name} ("${column}"), got ${amountText(value, look)}; ` +
          `the state's races lie between ${amountText(low, look)} and ${amountText(high, look)}. Check the row.`,
      );
    return value;
  });
  const target = table.target[row];
  if (!Number.isFinite(target))
    throw new TunebookError(
      `${where}: expected a "${state.targetName}", got none in row ${row}. Fill it in; nothing is guessed.`,
    );
  requireSum({ segments, target }, { state, where });
  return { segments, target, groups: groupsAt(state, table, { row, where }) };
}

/** If the state's totals are sums of segments, the race's must be as well. */
function requireSum(
  { segments, target }: { segments: readonly number[]; target: number },
  { state, where }: { state: RaceState; where: string },
): void {
  const sumOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
  const adds = (values: readonly number[], total: number): boolean =>
    Math.abs(sumOf(values) - total) <= SUM_TOLERANCE * Math.abs(total);
  const { races } = state;
  const first = races.segments.map((column) => column[0]);
  if (!adds(first, races.target[0]) || adds(segments, target)) return;
  const look = { clock: isClock(state), unit: state.unit };
  throw new TunebookError(
    `${where}: expected segments that add up to "${state.targetName}", got ${amountText(sumOf(segments), look)} ` +
      `of ${amountText(target, look)}. Check the row for a time that is missing or counted twice.`,
  );
}

/** @throws TunebookError for a value that no race of the state has */
function groupsAt(state: RaceState, table: LabelTable, { row, where }: RowPlace): string[] {
  return state.groups.map((name, g) => {
    const value = table.groups[name][row];
    if (state.races.groups[g].includes(value)) return value;
    const known = [...new Set(state.races.groups[g])].filter((other) => other !== '').sort();
    throw new TunebookError(
      `${where}: expected "${name}" to be one that the state has seen (${known.join(', ')}), got ${JSON.stringify(value)}. ` +
        'Fix the row, or fit a state to races of such athletes.',
    );
  });
}

/** Whether a state's amounts are clock times. */
export function isClock(state: Pick<RaceState, 'mapping' | 'unit'>): boolean {
  return state.unit === 'seconds' && (state.mapping?.values ?? 'time') === 'time';
}
