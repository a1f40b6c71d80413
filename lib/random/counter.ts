/**
 * Random numbers that are a hash of their place, so that neither the order of the draws nor batching nor caching
 * moves them. The hash is finished as MurmurHash3 does.
 */

/** A number in [0, 1) for the token `index` of a row: a hash of the three, finished as MurmurHash3 does. */
export function uniformAt(seed: number, row: number, index: number): number {
  let high = mixed(Math.trunc(seed / 4294967296) ^ 0x9e3779b9);
  for (const part of [seed, row, index]) high = mixed(high ^ mixed(part + 0x7f4a7c15));
  const low = mixed(high ^ 0x5bd1e995);
  return ((high >>> 5) * 67108864 + (low >>> 6)) / 9007199254740992;
}

/** Normal numbers from a seed: the fill of new models. Box and Muller (1958) over a counter-based hash. */
export function fillNormal(data: Float32Array, std: number, seed: number): void {
  let state = seed >>> 0;
  const uniform = (): number => {
    state = (state + 0x9e3779b9) >>> 0;
    return (mixed(state) + 0.5) / 4294967296;
  };
  for (let i = 0; i < data.length; i += 2) {
    const radius = std * Math.sqrt(-2 * Math.log(uniform()));
    const angle = 2 * Math.PI * uniform();
    data[i] = radius * Math.cos(angle);
    if (i + 1 < data.length) data[i + 1] = radius * Math.sin(angle);
  }
}

function mixed(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
