/** Changes since an athlete's last race. */
import { TunebookError } from '../../types';
import type { LabelTable } from '../tables/label-table';
import type { RaceState } from '../labels/race-state';
import type { OneRace } from './groups';
import { raceAt } from './race-row';
import type { Reference } from './reference';
import type { ChangedTime, ChangeEvidence } from './types';

/** Most segments whose changes get a line of their own, largest first. */
const CITED = 3;

/** @throws TunebookError where there is no earlier race, or it has a missing or impossible time */
export function changeSince(
  own: OneRace,
  options: {
    state: RaceState;
    reference: Reference;
    earlier: LabelTable;
    round: (value: number) => number;
    /** Number of lines before these. */
    lines: number;
  },
): ChangeEvidence {
  const { state, reference, earlier, round, lines } = options;
  const where = 'raceEvidence, earlier';
  if (earlier.size === 0)
    throw new TunebookError(`${where}: expected at least one race, got none. Leave "earlier" out.`);
  const last = raceAt(state, earlier, { row: earlier.size - 1, where, reference });
  const changed = (before: number, now: number): ChangedTime => ({
    ...{ before: round(before), own: round(now) },
    change: round(round(now) - round(before)),
  });
  const segments = state.expectation.peers.segments.map((column, s) => ({
    column,
    ...changed(last.segments[s], own.segments[s]),
  }));
  const cited = [...segments]
    .filter(({ change }) => change !== 0)
    .sort((a, b) => Math.abs(b.change) - Math.abs(a.change))
    .slice(0, CITED)
    .map(({ column }) => column);
  let line = lines + 1;
  return {
    races: earlier.size,
    finish: { ...changed(last.target, own.target), line },
    segments: segments.map((one) => (cited.includes(one.column) ? { ...one, line: ++line } : one)),
  };
}
