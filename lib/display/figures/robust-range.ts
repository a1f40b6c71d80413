/** Where a figure's axis ends: a few values far above the rest must not press the others flat. */

/** Fewer values than this are all shown: nothing is known of what is usual. */
const LEAST_VALUES = 10;

/** Where an axis ends at the top, and what goes beyond. */
export interface RobustRange {
  readonly high: number;
  /** How many values are above `high`; the largest of all. */
  readonly above: number;
  readonly most: number;
}

/**
 * The top of an axis: the maximum, or, where that is three times as far from the minimum as the 90 % quantile, one and
 * a half times that quantile's distance.
 */
export function robustRange(values: readonly number[]): RobustRange {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  const [low, most] = [sorted[0] ?? 0, sorted.at(-1) ?? 1];
  const usual = sorted[Math.ceil(0.9 * sorted.length) - 1] ?? most;
  if (sorted.length < LEAST_VALUES || usual === low || most - low <= 3 * (usual - low))
    return { high: most, above: 0, most };
  const high = low + 1.5 * (usual - low);
  return { high, above: sorted.filter((value) => value > high).length, most };
}
