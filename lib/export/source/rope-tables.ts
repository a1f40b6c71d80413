/** Rotary tables that depend on the length of the context (dynamic, longrope). */
import type { Rope } from '../../models';

/** The longest context with the first rotary table, in tokens. */
export function tableBorder(rope: Rope): number {
  let [low, high] = [1, rope.maxPositions];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (rope.tablesOf(middle) === rope.tablesOf(1)) low = middle;
    else high = middle - 1;
  }
  return low;
}
