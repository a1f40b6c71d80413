/**
 * Measures the quality of neighbours without labels: error per segment in seconds against chance, and how well
 * neighbours in the other segments predict a hidden one. `raceEvidence` finds neighbours the same way.
 */
import { requireOptions } from '../../options';
import { TunebookError, requireObject } from '../../types';
import { seededRandom } from '../../random';
import { requireState } from '../labels/race-state';
import type { RaceState } from '../labels/race-state';
import { ANY_FINISH, rowsWithin } from './groups';
import type { OneRace } from './groups';
import { referenceOf } from './reference';
import type { Reference } from './reference';

/** Settings of `measureNeighbors`. */
export interface MeasureOptions {
  /** Races sampled from the state. Default 200. */
  athletes?: number;
  /** Neighbours to measure. Default 10. */
  nNeighbors?: number;
  /** Numbers of neighbours to predict a hidden segment by. Default [25]. */
  hiddenBy?: readonly number[];
  /** Seed of the sampling. Default 42. */
  seed?: number;
}

/** Mean absolute errors, in the state's unit. */
export interface NeighborQuality {
  /** Neighbours' segments against the athlete's. */
  readonly neighbors: number;
  /** The same for random races. */
  readonly chance: number;
  /** A hidden segment predicted by the mean of the neighbours in the other segments, for each of `hiddenBy`. */
  readonly hidden: readonly { readonly nNeighbors: number; readonly error: number }[];
  /** A hidden segment predicted by the mean of the same sex and age. */
  readonly sameSexAndAge: number;
  /**
   * For comparison only: predicted by the 25 closest finishes, which leak, since a finish contains the hidden segment.
   */
  readonly closestFinish: number;
}

/**
 * Measures neighbours among a state's own races, each left out of its own comparison.
 * @throws TunebookError where the state has fewer than two races
 * @example
 * const { table, log } = hyrox.readRaces(projectPath('data/hyrox/hyrox-sample.csv'));
 * const state = hyrox.fit(hyrox.checkRaces(table, log));
 * const { neighbors, chance } = hyrox.measureNeighbors(state, { athletes: 20 });
 * console.log(neighbors < chance / 2); // true
 */
export function measureNeighbors(state: RaceState, options: MeasureOptions = {}): NeighborQuality {
  requireState(state, 'measureNeighbors');
  requireObject(options, { where: 'measureNeighbors', what: 'options' });
  requireOptions<MeasureOptions>(options, {
    where: 'measureNeighbors',
    names: { athletes: true, nNeighbors: true, hiddenBy: true, seed: true },
  });
  const { athletes = 200, nNeighbors = 10, hiddenBy = [25], seed = 42 } = options;
  const reference = referenceOf(state);
  if (reference.size < 2)
    throw new TunebookError(
      `measureNeighbors: expected at least two races, got ${reference.size}. Fit the state on more rows (dataset build).`,
    );
  const random = seededRandom(seed);
  const means = { neighbors: new Mean(), chance: new Mean(), mean: new Mean(), finish: new Mean() };
  const hidden = hiddenBy.map((k) => ({ k, error: new Mean() }));
  for (let n = 0; n < athletes; n++) {
    const row = random.integer(0, reference.size - 1);
    const race = raceOf(reference, row);
    const pool = rowsWithin(reference, race, ANY_FINISH[0]);
    if (pool.length === 0) continue;
    const allowed = new Set(pool);
    const filter = (other: number): boolean => allowed.has(other);
    const near = reference.neighbors.kneighbors(reference.scores[row], { nNeighbors, filter }).indices;
    const drawn = Array.from({ length: nNeighbors }, () => random.integer(0, reference.size - 1));
    const closest = closestFinishes(reference, race, pool);
    reference.segments.forEach((column, s) => {
      for (const other of near) means.neighbors.add(Math.abs(column[other] - race.segments[s]));
      for (const other of drawn) means.chance.add(Math.abs(column[other] - race.segments[s]));
      const off = (rows: Int32Array): number => Math.abs(meanOf(column, rows) - race.segments[s]);
      means.mean.add(off(pool));
      means.finish.add(off(closest));
      // The search uses neither the hidden segment nor the finish, which contains it.
      const columns = reference.segments.map((_, c) => c).filter((c) => c !== s);
      for (const { k, error } of hidden)
        error.add(
          off(
            reference.neighbors.kneighbors(reference.scores[row], { nNeighbors: k, filter, columns }).indices,
          ),
        );
    });
  }
  return {
    neighbors: means.neighbors.value,
    chance: means.chance.value,
    hidden: hidden.map(({ k, error }) => ({ nNeighbors: k, error: error.value })),
    sameSexAndAge: means.mean.value,
    closestFinish: means.finish.value,
  };
}

const CLOSEST = 25;

function closestFinishes({ target }: Reference, race: OneRace, pool: Int32Array): Int32Array {
  const apart = (row: number): number => Math.abs(target[row] - race.target);
  return Int32Array.from([...pool].sort((a, b) => apart(a) - apart(b)).slice(0, CLOSEST));
}

function raceOf({ groups, segments, target }: Reference, row: number): OneRace {
  return {
    groups: groups.map((column) => column[row]),
    segments: segments.map((column) => column[row]),
    target: target[row],
  };
}

function meanOf(column: readonly number[], rows: Int32Array): number {
  return rows.reduce((sum, row) => sum + column[row], 0) / rows.length;
}

class Mean {
  private sum = 0;
  private count = 0;

  add(value: number): void {
    this.sum += value;
    this.count++;
  }

  get value(): number {
    return this.sum / this.count;
  }
}
