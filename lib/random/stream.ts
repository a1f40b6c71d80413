/**
 * Streams of random numbers from a seed: sfc32, the 32-bit member of Chris Doty-Humphrey's "small fast counting"
 * family (PractRand), seeded in two ways. Each number depends on those drawn before it; not for secrets.
 */

/** A stream of numbers that its seeds fix, on every machine. */
export interface Random {
  /** [0, 1), 32 bits. */
  next(): number;
  /** [0, 2^32). */
  nextUint32(): number;
  /** Integer in [0, bound), each equally likely. */
  nextInt(bound: number): number;
  /** Standard normal (Box-Muller). */
  nextNormal(): number;
  /** A shuffled copy (Fisher-Yates). */
  shuffle<T>(items: readonly T[]): T[];
}

/** Rounds that mix the seed before the first number is given out, as PractRand does for sfc32. */
const WARM_UP_ROUNDS = 12;

/**
 * A generator from any number of seeds. Names keep streams apart: `createRandom('shuffle', seed, epoch)`.
 * @example
 * ```ts
 * import { createRandom } from 'tunebook';
 *
 * console.log(createRandom('shuffle', 42).shuffle([1, 2, 3])); // the same order every time
 * ```
 */
export function createRandom(...seeds: readonly (number | string)[]): Random {
  const text = JSON.stringify(seeds);
  const a = hash(text, 0x811c9dc5);
  const b = hash(text, 0x9e3779b9);
  const c = hash(text, 0x85ebca6b);
  const nextUint32 = sfc32(a, b, c);
  const next = (): number => nextUint32() / 2 ** 32;
  const nextInt = (bound: number): number => {
    // The last, incomplete run of `bound` numbers would favour the small ones: draw again.
    const limit = 2 ** 32 - (2 ** 32 % bound);
    for (;;) {
      const value = nextUint32();
      if (value < limit) return value % bound;
    }
  };
  const nextNormal = (): number => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
  const shuffle = <T>(items: readonly T[]): T[] => {
    const copy = [...items];
    for (let last = copy.length - 1; last > 0; last--) {
      const other = nextInt(last + 1);
      const held = copy[last] as T;
      copy[last] = copy[other] as T;
      copy[other] = held;
    }
    return copy;
  };
  return { next, nextUint32, nextInt, nextNormal, shuffle };
}

/** FNV-1a over UTF-16 units, from a given offset. */
function hash(text: string, offset: number): number {
  let value = offset;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value | 0;
}

/** A sequence of random numbers. */
export interface SeededRandom {
  /** Uniform in [0, 1), 32 bits. */
  next(): number;
  /** Uniform integer in [low, high], both included. */
  integer(low: number, high: number): number;
  /** Standard normal. */
  normal(): number;
  /** One of `items`. */
  pick<T>(items: readonly T[]): T;
  /** A shuffled copy. */
  shuffle<T>(items: readonly T[]): T[];
}

/**
 * A generator for generated data and varied sentences, seeded through splitmix32.
 *
 * @param seed any integer; only its low 32 bits count
 */
export function seededRandom(seed: number): SeededRandom {
  let state = seed | 0;
  const split = (): number => {
    state = (state + 0x9e3779b9) | 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) | 0;
  };
  const nextUint32 = sfc32(split(), split(), split());
  const next = (): number => nextUint32() / 2 ** 32;
  const integer = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1));
  return {
    next,
    integer,
    // Box-Muller; 1 - next() keeps the logarithm finite.
    normal: () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
    pick: <T>(items: readonly T[]): T => items[integer(0, items.length - 1)],
    shuffle: <T>(items: readonly T[]): T[] => {
      const copy = [...items];
      for (let i = copy.length - 1; i > 0; i--) {
        const j = integer(0, i);
        [copy[i], copy[j]] = [copy[j], copy[i]];
      }
      return copy;
    },
  };
}

/** sfc32 from its three words of state, the first numbers left out. */
function sfc32(a: number, b: number, c: number): () => number {
  let counter = 1;
  const nextUint32 = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  };
  for (let i = 0; i < WARM_UP_ROUNDS; i++) nextUint32();
  return nextUint32;
}
