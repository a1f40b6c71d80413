/**
 * Evidence on the races of a file, all or nothing: feedback on a misread race is worse than none.
 */
import path from 'node:path';
import { dataFolder } from '../../environment';
import { firstOf, messageOf, requireObject, requireText, TunebookError } from '../../types';
import { raceEvidence } from '../evidence/race-evidence';
import type { RaceEvidence } from '../evidence/types';
import { fit } from '../labels/fit';
import { loadNewRaces, OtherTableError, problemText } from '../labels/load-table';
import type { LoadOptions } from '../labels/load-table';
import { loadState } from '../labels/race-state';
import type { RaceState } from '../labels/race-state';
import { checkRaces } from '../tables/check';
import type { LabelTable } from '../tables/label-table';
import { readRaces } from '../tables/read';

/** Settings of `raceFileEvidence`. */
export interface RaceFileOptions {
  /** A saved state to compare with. Default: one fitted to the shipped sample, which is synthetic. */
  state?: string;
  /** A file with earlier races of the same athlete, oldest first; the input must then have one race. */
  previous?: string;
  /** Number of similar races. Default 25. */
  k?: number;
  /** Handling of fewer than 20 close races. Default 'widen', which the page mentions. */
  fewPeers?: 'widen' | 'refuse';
  /** Column separator. Default: detected. */
  delimiter?: string;
}

/** Evidence of each race of a file. */
export interface RaceFileEvidence {
  readonly state: RaceState;
  /** The reference races, in words. */
  readonly data: string;
  /** Evidence of each row. */
  readonly races: readonly RaceEvidence[];
}

/** Description of the reference without a state. */
const SAMPLE_WORDS = "tunebook's sample, {size} made-up races with the spread of real ones";

/**
 * Reads races and compares each with those of a state.
 * @throws TunebookError where the state is invalid, a row cannot be judged, or a file's columns are not the state's
 */
export async function raceFileEvidence(
  file: string,
  options: RaceFileOptions = {},
): Promise<RaceFileEvidence> {
  requireText(file, { where: 'raceFileEvidence', what: 'the path of a table' });
  requireObject(options, { where: 'raceFileEvidence', what: 'options' });
  const { state, data } = await comparedState(options.state);
  const read = (name: string): LabelTable => loadWhole(name, { state, own: options.state, options });
  const table = read(file);
  const { previous } = options;
  if (previous !== undefined && table.size > 1)
    throw new TunebookError(
      `${file}: expected one race beside --previous, got ${table.size}. Give the earlier races of one athlete at a time.`,
    );
  const earlier = previous === undefined ? undefined : read(previous);
  const failures: string[] = [];
  const races: RaceEvidence[] = [];
  for (let row = 0; row < table.size; row++)
    try {
      races.push(
        raceEvidence(state, table, {
          row,
          ...(earlier === undefined ? {} : { earlier }),
          ...(options.k === undefined ? {} : { nNeighbors: options.k }),
          ...(options.fewPeers === undefined ? {} : { onFewPeers: options.fewPeers }),
        }),
      );
    } catch (error) {
      if (!(error instanceof TunebookError)) throw error;
      failures.push(`race ${row + 1}: ${messageOf(error)}`);
    }
  if (failures.length > 0)
    throw new TunebookError(`${file}, ${firstOf(failures, { most: 5, of: ' races' })}`);
  return { state, data, races };
}

/** The state to compare with, and its description. */
async function comparedState(file: string | undefined): Promise<{ state: RaceState; data: string }> {
  if (file !== undefined) {
    const state = await loadState(file);
    return { state, data: `${count(state.races.size)} races of ${path.basename(file)}` };
  }
  const { table, log } = readRaces(path.join(dataFolder('hyrox'), 'hyrox-sample.csv'));
  // The clusters are not used here: any number of them will do.
  const state = fit(checkRaces(table, log), { k: 3 });
  return { state, data: SAMPLE_WORDS.replace('{size}', count(state.races.size)) };
}

/** "12,345"; the runtime's own formatter takes longer to load than the text to write. */
function count(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** All rows of a file, or an error that names those that cannot be read. */
function loadWhole(
  file: string,
  { state, own, options }: { state: RaceState; own: string | undefined; options: RaceFileOptions },
): LabelTable {
  const load: LoadOptions = {
    handle: { duplicate: 'keep' },
    ...(options.delimiter === undefined ? {} : { delimiter: options.delimiter }),
  };
  let loaded;
  try {
    loaded = loadNewRaces(file, state, load);
  } catch (error) {
    if (own !== undefined || !(error instanceof OtherTableError)) throw error;
    throw new TunebookError(
      `${file}: expected HYROX results, since no state was given and the shipped sample is of HYROX races. ` +
        'Give the state of your sport: tunebook dataset build writes one (see dataset map).',
    );
  }
  const lost = loaded.report.problems.filter(({ handling }) => handling === 'skip');
  if (lost.length > 0)
    throw new TunebookError(
      `${file}, ${firstOf(lost.map(problemText), { most: 5, of: ' rows' })}. Fix the file, or take these rows out; nothing was written.`,
    );
  return loaded.table;
}
