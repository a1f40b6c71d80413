/**
 * Optimizer state in 8 bits (Dettmers et al. 2022, "8-bit Optimizers via Block-wise Quantization"): each block of
 * 256 values is divided by its largest absolute value, and each quotient becomes the nearest of 256 codes of a
 * dynamic map, whose spacing shrinks towards zero over seven decades.
 */

/** Values that share a scale, as in bitsandbytes. */
export const BLOCK = 256;

/**
 * The dynamic map of bitsandbytes (create_dynamic_map, 7 exponent bits): for each of the decades 1e-6 to 1, the
 * midpoints of equal parts of [0.1, 1] times the decade, twice as many with each; and 0 and 1.
 * @param signed half of the codes are negative; otherwise each decade has twice as many
 * @returns float32 [256], ascending
 */
export function dynamicMap(signed: boolean): Float32Array {
  const codes = [0, 1];
  for (let i = 0; i < 7; i++) {
    const parts = 2 ** (signed ? i : i + 1);
    for (let part = 0; part < parts; part++) {
      const code = 10 ** (i - 6) * (0.1 + (0.9 * (part + 0.5)) / parts);
      codes.push(code);
      if (signed) codes.push(-code);
    }
  }
  return Float32Array.from(codes).sort();
}

/** Storage of one moment of a parameter, read and written in ranges. */
export interface MomentStore {
  /** Reads values [start, end) into the beginning of `out`; start is a multiple of BLOCK, end - start at most BLOCK. */
  load(start: number, end: number, out: Float32Array): void;
  /** Writes the first end - start of `values` as values [start, end). */
  store(start: number, end: number, values: Float32Array): void;
}

/** A moment in float32. */
export function plainMoment(data: Float32Array): MomentStore {
  return {
    load: (start, end, out) => out.set(data.subarray(start, end)),
    store: (start, end, values) => data.set(values.subarray(0, end - start), start),
  };
}

/**
 * A moment in 8 bits.
 * @param map from `dynamicMap`
 * @param codes [n]
 * @param scales largest absolute value of each block, float32 [ceil(n / BLOCK)]
 */
export function blockwiseMoment(map: CodeMap, codes: Uint8Array, scales: Float32Array): MomentStore {
  const quotients = new Float32Array(BLOCK);
  const { values: code } = map;
  return {
    load(start, end, out) {
      const scale = scales[start / BLOCK];
      for (let i = start; i < end; i++) out[i - start] = code[codes[i]] * scale;
    },
    store(start, end, values) {
      const length = end - start;
      let largest = 0;
      for (let i = 0; i < length; i++) {
        const size = Math.abs(values[i]);
        if (size > largest) largest = size;
      }
      scales[start / BLOCK] = largest;
      const divisor = largest === 0 ? 1 : largest;
      for (let i = 0; i < length; i++) quotients[i] = values[i] / divisor;
      map.encode(quotients, codes.subarray(start, end));
    },
  };
}

/** A map with a fast search for the nearest code. */
export interface CodeMap {
  readonly values: Float32Array;
  /** Nearest code of each value in [-1, 1]; ties go to the lower one. */
  encode(values: Float32Array, codes: Uint8Array): void;
}

export function codeMap(values: Float32Array): CodeMap {
  const middles = new Float64Array(256).fill(Infinity);
  for (let code = 0; code < 255; code++) middles[code] = (values[code] + values[code + 1]) / 2;
  // First candidate by a float's upper 16 bits: the code of the lowest value with these bits.
  const first = new Uint8Array(1 << 16);
  const bits = new Uint32Array(1);
  const float = new Float32Array(bits.buffer);
  for (let prefix = 0; prefix < first.length; prefix++) {
    // The lowest negative value with these bits has all lower bits set.
    bits[0] = (prefix << 16) | (prefix & 0x8000 ? 0xffff : 0);
    let code = 0;
    while (float[0] > middles[code]) code++;
    first[prefix] = code;
  }
  return {
    values,
    encode(quotients, codes) {
      const words = new Uint32Array(quotients.buffer, quotients.byteOffset, quotients.length);
      for (let i = 0; i < codes.length; i++) {
        let code = first[words[i] >>> 16];
        while (quotients[i] > middles[code]) code++;
        codes[i] = code;
      }
    },
  };
}
