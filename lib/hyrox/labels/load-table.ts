/**
 * Loads and checks tables to label: HYROX results, or any table by a mapping. Used by `build.ts` and for feedback on
 * new races.
 */
import { requireOptions } from '../../options';
import { firstOf, requireText, shortList, TunebookError } from '../../types';
import { checkRaces } from '../tables/check';
import { FILE_COLUMNS, SUMS } from '../tables/columns';
import { openTable, readBytes } from '../tables/csv-text';
import { raceLabels } from '../tables/label-table';
import type { LabelTable } from '../tables/label-table';
import { ProblemLog } from '../tables/problems';
import type { ProblemOptions, RaceProblem } from '../tables/problems';
import { readRaces } from '../tables/read';
import type { ReadReport } from '../tables/read';
import { readMappedTable } from '../mapping/mapped-table';
import type { DatasetMapping } from '../mapping/mapping';
import { requireState } from './race-state';
import type { RaceState } from './race-state';

/** The table has other columns than the state's: it is of another sport. */
export class OtherTableError extends TunebookError {}

/** Rows to label, and the report on their file. */
export interface LoadedTable {
  table: LabelTable;
  report: ReadReport;
}

/** How a table is read. */
export interface LoadOptions extends ProblemOptions {
  /** Default: detected. */
  delimiter?: string;
}

/**
 * Reads and checks a table.
 * @param mapping of a table that holds no HYROX results
 * @throws TunebookError where a column or every row is missing
 */
export function loadTable(
  file: string,
  mapping: DatasetMapping | undefined,
  options: LoadOptions,
): LoadedTable {
  const loaded = mapping ? readMappedTable(file, mapping, options) : loadRaces(file, options);
  const { table, report } = loaded;
  if (table.size === 0)
    throw new TunebookError(
      `${noRow(file, report)} Choose 'impute' or 'keep' for some of these, or fix the file.`,
    );
  return loaded;
}

/**
 * Reads and checks new races for a state, by the mapping that the state was made with.
 * @throws TunebookError where the table has other columns than the state's, or no row is left
 * @example
 * const state = await hyrox.loadState('outputs/races.state.json');
 * const { table, report } = hyrox.loadNewRaces('my-race.csv', state);
 */
export function loadNewRaces(file: string, state: RaceState, options: LoadOptions = {}): LoadedTable {
  requireText(file, { where: 'loadNewRaces', what: 'the path of a table' });
  requireState(state, 'loadNewRaces');
  requireOptions<LoadOptions>(options, {
    where: 'loadNewRaces',
    names: { delimiter: true, onProblem: true, handle: true },
  });
  let loaded: LoadedTable;
  try {
    loaded = state.mapping ? readMappedTable(file, state.mapping, options) : loadRaces(file, options);
  } catch (error) {
    requireStateColumns(file, state, options);
    throw error;
  }
  if (loaded.table.size === 0) throw new TunebookError(`${noRow(file, loaded.report)} Fix the file.`);
  return loaded;
}

function loadRaces(file: string, options: LoadOptions): LoadedTable {
  const { table, report, log } = readRaces(file, options);
  const checked = checkRaces(table, log);
  return { table: raceLabels(checked), report: { ...report, kept: checked.size } };
}

/** Why no row is left, with the first reasons. */
function noRow(file: string, { rows, problems }: ReadReport): string {
  if (rows === 0) return `${file}: no row is left of 0: there is none below the header.`;
  const lost = problems.filter(({ handling }) => handling === 'skip');
  return `${file}: no row is left of ${rows}: ${firstOf(lost.map(problemText), { most: 3 })}.`;
}

/** 'row 2, column "Swim": no value' */
export function problemText({ row, column, reason }: RaceProblem): string {
  return `row ${row}${column === '' ? '' : `, column "${column}"`}: ${reason}`;
}

/** @throws TunebookError where the table is not of the state's kind */
function requireStateColumns(file: string, { mapping }: RaceState, options: LoadOptions): void {
  const log = new ProblemLog(file, {});
  const { header } = openTable(readBytes(file), { file, log, ...pickDelimiter(options) });
  const target = mapping?.target.column;
  const wanted = mapping
    ? [...Object.values(mapping.groups), ...Object.values(mapping.segments), ...(target ? [target] : [])]
    : FILE_COLUMNS.filter((name) => !(name in SUMS));
  const simple = (name: string): string => (mapping ? name : name.toLowerCase());
  const present = new Set(header.map(simple));
  const missing = wanted.filter((name) => !present.has(simple(name)));
  if (missing.length === 0) return;
  if (missing.length > wanted.length / 2)
    throw new OtherTableError(
      `${file}: expected the columns of the state (${shortList(wanted, 8)}), got ${shortList(header, 8)}: the state is of another ` +
        'kind of table. Give the one that belongs to this table; tunebook dataset build makes it.',
    );
  throw new TunebookError(
    `${file}: expected the columns of the state; ${missing.map((name) => `"${name}"`).join(', ')} ` +
      `${missing.length === 1 ? 'is' : 'are'} missing. Add ${missing.length === 1 ? 'it' : 'them'} to the table.`,
  );
}

function pickDelimiter({ delimiter }: LoadOptions): { delimiter?: string } {
  return delimiter === undefined ? {} : { delimiter };
}
