/**
 * Which columns of a table are sums of which others: a finish time of its legs, a running time of its runs.
 * Where it stands: under the mapping draft, which knows nothing of a table but its values.
 */
import { fitLinear } from './regression';
import { moments } from './statistics';

/** Rows that are looked at: enough for tens of columns. */
const MOST_ROWS = 400;
/** Sums and parts are rounded each for itself. */
const TOLERANCE = 1.5;
/** Rows that have to agree; the rest are mistakes of the file. */
const AGREE = 0.9;

/**
 * For each column the columns it is the sum of, none of them a sum itself; undefined where it is no sum.
 *
 * From the smallest column to the largest each is fitted by least squares to those before it that are no sums. Their
 * weights, rounded to 0 and 1, are a guess, which the rows then confirm or refuse.
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
  // A second fit to the rows that the first one suits: a few wrong rows bend every weight.
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
