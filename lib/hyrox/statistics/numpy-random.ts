/**
 * NumPy's legacy random generator (`RandomState`), as far as the published analysis used it: reproduces the 80/20 split
 * and the initial k-means centres exactly, without Python.
 *
 * Sources: Matsumoto and Nishimura 1998 (MT19937); NumPy's `RandomState` documentation (shuffle draws
 * 32-bit words under a mask and rejects; doubles have 53 bits).
 */

const N = 624;
const M = 397;

/** Draws needed by the replay. */
export interface LegacyRandom {
  /** 32 random bits. */
  word(): number;
  /** Uniform in [0, 1), 53 bits. */
  double(): number;
  /** 0 .. size-1 in random order. */
  permutation(size: number): Int32Array;
}

/** `numpy.random.RandomState(seed)` for a seed in 0 .. 2^32-1. */
export function legacyRandom(seed: number): LegacyRandom {
  const state = new Uint32Array(N);
  state[0] = seed;
  for (let i = 1; i < N; i++) {
    const previous = state[i - 1] ^ (state[i - 1] >>> 30);
    state[i] = Math.imul(1812433253, previous) + i;
  }
  let at = N;

  function refill(): void {
    for (let i = 0; i < N; i++) {
      const y = (state[i] & 0x80000000) | (state[(i + 1) % N] & 0x7fffffff);
      state[i] = state[(i + M) % N] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    at = 0;
  }

  function word(): number {
    if (at === N) refill();
    let y = state[at++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  function atMost(max: number): number {
    const mask = 2 ** (32 - Math.clz32(max)) - 1;
    for (;;) {
      const value = (word() & mask) >>> 0;
      if (value <= max) return value;
    }
  }

  return {
    word,
    double: () => ((word() >>> 5) * 67108864 + (word() >>> 6)) / 9007199254740992,
    permutation(size) {
      const order = Int32Array.from({ length: size }, (_, i) => i);
      for (let i = size - 1; i > 0; i--) {
        const j = atMost(i);
        [order[i], order[j]] = [order[j], order[i]];
      }
      return order;
    },
  };
}

/**
 * scikit-learn's `train_test_split` of rows 0 .. size-1 with an integer `random_state`.
 *
 * @returns 1 where a row is in the training part
 */
export function publishedSplit(size: number, testShare: number, seed: number): Uint8Array {
  const inTrain = new Uint8Array(size).fill(1);
  const order = legacyRandom(seed).permutation(size);
  for (let i = 0; i < Math.ceil(size * testShare); i++) inTrain[order[i]] = 0;
  return inTrain;
}
