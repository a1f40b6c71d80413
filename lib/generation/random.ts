/**
 * Draws that depend on the seed, the row and the position only: neither batching nor caching moves them.
 */

/** A number in [0, 1) for the token `index` of a row: a hash of the three, finished as MurmurHash3 does. */
export function uniformAt(seed: number, row: number, index: number): number {
  let high = mixed(Math.trunc(seed / 4294967296) ^ 0x9e3779b9);
  for (const part of [seed, row, index]) high = mixed(high ^ mixed(part + 0x7f4a7c15));
  const low = mixed(high ^ 0x5bd1e995);
  return ((high >>> 5) * 67108864 + (low >>> 6)) / 9007199254740992;
}

function mixed(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
