/**
 * A state's races prepared for comparison: scores for the neighbour search, and ages as numbers. Cached as long as the
 * state lives.
 */
import { NearestNeighbors } from '../../retrieval';
import { ageRange } from '../tables/columns';
import type { LabelTable } from '../tables/label-table';
import { scoreAgainst } from '../labels/peers';
import type { RaceState } from '../labels/race-state';

/** The races of a state as columns. */
export interface Reference {
  readonly size: number;
  /** [segments][rows], in the unit. */
  readonly segments: readonly (readonly number[])[];
  /** [rows] */
  readonly target: readonly number[];
  /** [groups][rows] */
  readonly groups: readonly (readonly string[])[];
  /** Index of the group that is an age; -1 if none is. */
  readonly ageAt: number;
  /** [rows]: centre of the age group, in years; NaN if it is no range. */
  readonly ages: Float64Array;
  /** Finds rows by their scores against peers, a column per segment. */
  readonly neighbors: NearestNeighbors;
  /** [rows][segments]: the scores. */
  readonly scores: readonly Float64Array[];
  /** [segments]: shortest and longest time. */
  readonly ranges: readonly (readonly [low: number, high: number])[];
}

const prepared = new WeakMap<RaceState, Reference>();

/** The prepared races of a state. */
export function referenceOf(state: RaceState): Reference {
  let found = prepared.get(state);
  if (found === undefined) prepared.set(state, (found = prepare(state)));
  return found;
}

/** Centre of an age group such as '30-34', in years; NaN if it is no range. */
export function ageOf(group: string): number {
  const range = ageRange(group);
  return range === undefined ? NaN : (range[0] + range[1]) / 2;
}

function prepare(state: RaceState): Reference {
  const { size, groups, segments, target } = state.races;
  const ageAt = groups.findIndex((values) => values.some((value) => ageRange(value) !== undefined));
  const scores = scoresOf(state, {
    size,
    groups: Object.fromEntries(state.groups.map((name, g) => [name, groups[g]])),
    segments: Object.fromEntries(
      state.expectation.peers.segments.map((name, s) => [name, Float64Array.from(segments[s])]),
    ),
    target: Float64Array.from(target),
    targetName: state.targetName,
    unit: state.unit,
  });
  return {
    ...{ size, segments, target, groups, ageAt, scores },
    ages: agesOf(ageAt < 0 ? undefined : groups[ageAt], size),
    neighbors: new NearestNeighbors().fit(scores),
    ranges: segments.map((column) =>
      column.reduce<[number, number]>(
        ([low, high], value) => [Math.min(low, value), Math.max(high, value)],
        [Infinity, -Infinity],
      ),
    ),
  };
}

/** Scores of each row against the state's peers: [rows][segments]. */
export function scoresOf(state: RaceState, table: LabelTable): Float64Array[] {
  const columns = Object.values(scoreAgainst(state.expectation.peers, table).z);
  return Array.from({ length: table.size }, (_, i) => {
    const row = new Float64Array(columns.length);
    for (let s = 0; s < row.length; s++) row[s] = columns[s][i];
    return row;
  });
}

/** [rows]: the middle of each age group, parsed once a group. */
function agesOf(groups: readonly string[] | undefined, size: number): Float64Array {
  const ages = new Float64Array(size).fill(NaN);
  const known = new Map<string, number>();
  groups?.forEach((group, i) => {
    const age = known.get(group) ?? ageOf(group);
    known.set(group, age);
    ages[i] = age;
  });
  return ages;
}
