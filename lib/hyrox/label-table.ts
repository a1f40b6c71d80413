/**
 * What the corrected label maker works on: any table of athletes (or of anything) with parts, a total and peers.
 * Where it stands: between a result table, or a mapped table of one's own, and `corrected.ts`.
 */
import { SEGMENTS, columnOf } from './columns';
import type { RaceTable } from './columns';

/** Rows with parts whose total is judged. All arrays have `size` entries. */
export interface LabelTable {
  readonly size: number;
  /** Who is compared with whom: name as the context shows it -> value of each row. */
  readonly groups: Readonly<Record<string, readonly string[]>>;
  /** Parts of the total, in the order that answers list them; lower is better. */
  readonly segments: Readonly<Record<string, Float64Array>>;
  /** What is predicted and judged; lower is better. */
  readonly target: Float64Array;
  /** Name of the target in the context. */
  readonly targetName: string;
  /** Unit after numbers in sentences: 'seconds'. */
  readonly unit: string;
}

/** A race result table as the label maker wants it: gender as in the published contexts, male 0, female 1. */
export function raceLabels(table: RaceTable): LabelTable {
  return {
    size: table.size,
    groups: { gender: table.gender.map((gender) => (gender === 'female' ? '1' : '0')), age: table.ageGroup },
    segments: Object.fromEntries(SEGMENTS.map((name) => [name, columnOf(table, name)])),
    target: columnOf(table, 'total_time'),
    targetName: 'total_time',
    unit: 'seconds',
  };
}
