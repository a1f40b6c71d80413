/**
 * Finds columns that are sums of others, such as a finish time of its legs, from their values alone. Used by the
 * mapping draft.
 */
import { fitLinear } from './regression';
import { moments } from './statistics';

/** Most rows examined: enough for tens of columns. */
const MOST_ROWS = 400;
/** Sums and parts are rounded independently. */
const TOLERANCE = 1.5;
/** Least share of rows that must agree; the others are errors of the file. */
const AGREE = 0.9;

/**
 * The parts of each column that is a sum, none of them a sum itself; undefined for other columns.
 *
 * From the smallest column to the largest, each is fitted by least squares to the earlier ones that are no sums. The
 * weights rounded to 0 and 1 are a guess, which the rows confirm or refute.
 * @param columns [columns][rows], all finite
 */
export function sumParts(columns: readonly ArrayLike<number>[]): (readonly number[] | undefined)[] {
  const size = Math.min(MOST_ROWS, columns[0]?.length ?? 0);
  const spread = columns.map((column) => moments(Array.from(column).slice(0, size)));
  const order = columns.map((_, c) => c).sort((a, b) => spread[a].mean - spread[b].mean);
  const parts = columns.map((): readonly number[] | undefined => undefined);
  const single: number[] = [];
  for (const c of order) {
    if (spread[c].sd === 0) continue;
    parts[c] = partsOf(columns, { column: c, among: single, size });
    if (parts[c] === undefined) single.push(c);
  }
  return parts;
}

function partsOf(
  columns: readonly ArrayLike<number>[],
  { column, among, size }: { column: number; among: readonly number[]; size: number },
): readonly number[] | undefined {
  if (among.length < 2 || size < among.length + 10) return undefined;
  const y = columns[column];
  const all = Array.from({ length: size }, (_, row) => row);
  const fitOn = (rows: readonly number[]): { weights: number[]; error: (row: number) => number } => {
    const model = fitLinear(
      rows.map((row) => among.map((c) => columns[c][row])),
      rows.map((row) => y[row]),
    );
    return {
      weights: model.coefficients,
      error: (row) => Math.abs(y[row] - model.predict(among.map((c) => columns[c][row]))),
    };
  };
  // A second fit on the rows that agree with the first: a few wrong rows distort all weights.
  const { error } = fitOn(all);
  const best = all.slice().sort((a, b) => error(a) - error(b));
  const { weights } = fitOn(best.slice(0, Math.max(among.length + 5, Math.floor(0.8 * size))));
  const parts = among.filter((_, i) => Math.round(weights[i]) === 1).sort((a, b) => a - b);
  if (parts.length < 2) return undefined;
  const agreeing = all.filter(
    (row) => Math.abs(y[row] - parts.reduce((sum, c) => sum + columns[c][row], 0)) <= TOLERANCE,
  );
  return agreeing.length >= AGREE * size ? parts : undefined;
}
