/**
 * Chooses the races to compare one with: same sex and age, and a similar or earlier finish; widened where there are too
 * few. Rows only; `race-evidence.ts` computes medians and shares over them.
 */
import type { Reference } from './reference';
import { ageOf } from './reference';

/** The race that rows are chosen for. */
export interface OneRace {
  /** [groups] */
  readonly groups: readonly string[];
  /** [segments], in the unit. */
  readonly segments: readonly number[];
  readonly target: number;
}

/** How different a race may be and still be compared. */
export interface Width {
  /** Most years between the centres of age groups; Infinity for any age. */
  readonly years: number;
  /** Bounds of the finish, as shares of the athlete's; undefined for any finish. */
  readonly finish?: readonly [low: number, high: number];
  /** Whether other groups (sex) must be the same. */
  readonly sameGroups: boolean;
}

/** Rows, and the width within which they were found. */
export interface FoundRows {
  readonly rows: Int32Array;
  readonly width: Width;
  /** The width tried first; `firstCount` is how many rows it has. */
  readonly first: Width;
  readonly firstCount: number;
}

const YEARS = [6, 12, Infinity];

/** Same sex and age; then other ages, then any sex. */
export const ANY_FINISH: readonly Width[] = widths([undefined]);
/** The same finish: 3 % at first, then other ages, then up to 12 %, then any sex. */
export const SAME_FINISH: readonly Width[] = widths([
  [0.97, 1.03],
  [0.95, 1.05],
  [0.92, 1.08],
  [0.88, 1.12],
]);
/** The next level: 3 to 10 % earlier at first. */
export const EARLIER_FINISH: readonly Width[] = widths([
  [0.9, 0.97],
  [0.85, 0.97],
  [0.8, 0.97],
]);

/** From narrow to wide: age first, then the finish, then sex. */
function widths(finishes: readonly (readonly [number, number] | undefined)[]): Width[] {
  const of = (finish: readonly [number, number] | undefined): Pick<Width, 'finish'> =>
    finish === undefined ? {} : { finish };
  const last = finishes[finishes.length - 1];
  return [
    ...YEARS.map((years) => ({ years, ...of(finishes[0]), sameGroups: true })),
    ...finishes.slice(1).map((finish) => ({ years: Infinity, ...of(finish), sameGroups: true })),
    { years: Infinity, ...of(last), sameGroups: false },
  ];
}

/** The rows within the first width that has enough of them; where none has, those of the widest that found more. */
export function findRows(
  reference: Reference,
  race: OneRace,
  { widths: steps, enough }: { widths: readonly Width[]; enough: number },
): FoundRows {
  const [first] = steps;
  const own = rowsWithin(reference, race, first);
  const found = { rows: own, width: first };
  for (const width of steps.slice(1)) {
    if (found.rows.length >= enough) break;
    const rows = rowsWithin(reference, race, width);
    if (rows.length > found.rows.length) Object.assign(found, { rows, width });
  }
  return { ...found, first, firstCount: own.length };
}

/** Rows within a width, without the race itself. */
export function rowsWithin(reference: Reference, race: OneRace, width: Width): Int32Array {
  const { size, target, groups, ages, ageAt } = reference;
  const age = ageAt < 0 ? NaN : ageOf(race.groups[ageAt]);
  const [low, high] = width.finish ?? [0, Infinity];
  const rows: number[] = [];
  for (let i = 0; i < size; i++) {
    const share = target[i] / race.target;
    if (share < low || share > high) continue;
    if (width.sameGroups && groups.some((column, g) => g !== ageAt && column[i] !== race.groups[g])) continue;
    if (ageAt >= 0 && width.years < Infinity) {
      // Age groups that are no range ("elite") are compared by name.
      const near = Math.abs(ages[i] - age) <= width.years || groups[ageAt][i] === race.groups[ageAt];
      if (!near) continue;
    }
    if (!isItself(reference, race, i)) rows.push(i);
  }
  return Int32Array.from(rows);
}

function isItself({ segments, target }: Reference, race: OneRace, row: number): boolean {
  return target[row] === race.target && segments.every((column, s) => column[row] === race.segments[s]);
}
