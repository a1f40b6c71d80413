/**
 * Readable names of segments and groups of athletes, and formatting of amounts. Names come from the state's mapping,
 * else from the columns.
 */
import { TunebookError, requireObject, requireText } from '../../types';
import { formatMinutes, formatTime } from '../tables/time';
import type { RaceState } from '../labels/race-state';
import type { SegmentKind } from './types';

/** Common names of the columns of a HYROX result. */
const NAMES: Readonly<Record<string, string>> = {
  '1000m Ski': 'ski',
  '50m Sled Push': 'sled push',
  '50m Sled Pull': 'sled pull',
  '80m Burpee Broad Jump': 'burpee broad jumps',
  '1000m Row': 'row',
  '200m Farmer Carry': 'farmer carry',
  '100m Sandbag Lunges': 'sandbag lunges',
  '100 Wall Balls': 'wall balls',
  work_run_time: 'running',
  roxzone_time: 'roxzone',
};

/** Words for values of a group that are a sex, in lower case. */
const PEOPLE: Readonly<Record<string, string>> = {
  male: 'men',
  m: 'men',
  men: 'men',
  man: 'men',
  female: 'women',
  f: 'women',
  w: 'women',
  women: 'women',
  woman: 'women',
};

const RUN = /^(run|running|jog|work_run_time)\b|^run_\d/i;
const CHANGE = /^(roxzone|transition|change|t\d)\b|\b(change|transition)$|^roxzone_/i;

/**
 * The readable name of a segment: the mapping's, else a known one, else the column's words.
 * @example segmentName(state, '50m Sled Pull') === 'sled pull'
 */
export function segmentName(state: Pick<RaceState, 'mapping'>, column: string): string {
  requireObject(state, { where: 'segmentName', what: 'a fitted state' });
  requireText(column, { where: 'segmentName', what: 'the name of a segment' });
  return state.mapping?.names?.[column] ?? NAMES[column] ?? column.replace(/_/g, ' ').trim();
}

/** The kind of a segment: the mapping's, else inferred from its name, else a station. */
export function segmentKind(state: Pick<RaceState, 'mapping'>, column: string): SegmentKind {
  requireObject(state, { where: 'segmentKind', what: 'a fitted state' });
  requireText(column, { where: 'segmentKind', what: 'the name of a segment' });
  const stated = state.mapping?.kinds?.[column];
  if (stated !== undefined) return stated;
  return CHANGE.test(column) ? 'roxzone' : RUN.test(column) ? 'run' : 'station';
}

/** The word for athletes with a value of a group: 'women'; undefined if there is none. */
export function peopleOf(
  state: Pick<RaceState, 'mapping'>,
  group: string,
  value: string,
): string | undefined {
  const stated = state.mapping?.people?.[value];
  if (stated !== undefined) return stated;
  // As HYROX results are read without a mapping: see `raceLabels`.
  if (state.mapping === undefined && group === 'gender') return value === '1' ? 'women' : 'men';
  return /^(sex|gender)$/i.test(group) ? PEOPLE[value.toLowerCase()] : undefined;
}

/**
 * Formats a time: 8:49, or 1:17:05 from an hour on.
 * @throws TunebookError where it is no finite number
 */
export function clockText(seconds: number): string {
  if (!Number.isFinite(seconds))
    throw new TunebookError(`clockText: expected a number of seconds, got ${seconds}.`);
  if (seconds < 0) return `-${clockText(-seconds)}`;
  return Math.round(seconds) < 3600 ? formatMinutes(seconds) : formatTime(seconds);
}

/** Formats an amount: a clock time, or a number with its unit. */
export function amountText(amount: number, look: { clock: boolean; unit: string }): string {
  requireObject(look, {
    where: 'amountText',
    what: 'evidence, or { clock, unit }',
    fields: ['clock', 'unit'],
  });
  const { clock, unit } = look;
  return clock ? clockText(amount) : `${amount} ${unit}`;
}
