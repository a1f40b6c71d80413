/**
 * Which races one is compared with: the same sex and age, and a finish that is alike or earlier; widened where too few.
 * Where it stands: rows only; medians and shares over them are `race-evidence.ts`'s.
 */
import type { Reference } from './reference';
import { ageOf } from './reference';

/** One race, as rows are chosen for it. */
export interface OneRace {
  /** [groups] */
  readonly groups: readonly string[];
  /** [segments], in the unit. */
  readonly segments: readonly number[];
  readonly target: number;
}

/** How far apart a race may be, to be compared with. */
export interface Width {
  /** Years between the middles of age groups; Infinity for any age. */
  readonly years: number;
  /** Least and largest share of the athlete's finish; undefined for any finish. */
  readonly finish?: readonly [low: number, high: number];
  /** Whether groups other than age (sex) have to be the same. */
  readonly sameGroups: boolean;
}

/** Rows, and the width they were found within. */
export interface FoundRows {
  readonly rows: Int32Array;
  readonly width: Width;
  /** The width that was tried first, and how many are within it. */
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

/** Rows within a width, the race itself left out where it is one of them. */
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
      // Ages that are no range ("elite") are compared by name.
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
