/** Some rows of a table, in that order. */
import type { LabelTable } from '../../lib/hyrox';

export function rowsOf(of: LabelTable, rows: readonly number[]): LabelTable {
  const pick = (column: Float64Array): Float64Array => Float64Array.from(rows, (i) => column[i]);
  return {
    ...of,
    size: rows.length,
    groups: Object.fromEntries(Object.entries(of.groups).map(([name, c]) => [name, rows.map((i) => c[i])])),
    segments: Object.fromEntries(Object.entries(of.segments).map(([name, c]) => [name, pick(c)])),
    target: pick(of.target),
  };
}
