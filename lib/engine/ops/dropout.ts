/**
 * Dropout masks and noise from a counter-based generator: a mask is a pure function of (seed, step, layer, site), so a
 * resumed run draws the same masks, on every engine, and the backward pass draws the forward's again instead
 * of keeping it.
 */

export interface DropoutKey {
  readonly seed: number;
  /** Optimizer step and micro-batch, counted in one number. */
  readonly step: number;
  readonly layer: number;
  /** Which dropout of the layer. */
  readonly site: number;
}

/**
 * A mask to multiply with: 0 with probability `rate`, else 1 / (1 - rate).
 * @param length number of elements
 * @param rate in [0, 1)
 * @returns float32 [length]
 */
export function dropoutMask(key: DropoutKey, length: number, rate: number): Float32Array {
  const mask = new Float32Array(length);
  const kept = 1 / (1 - rate);
  // One 32-bit draw makes two 16-bit decisions; the rate is exact to 1 / 65536.
  const threshold = Math.round(rate * 65536);
  const stream = streamOf(key);
  for (let i = 0; i < length; i += 2) {
    const bits = mix(stream ^ Math.imul(i + 1, 0x9e3779b1));
    mask[i] = (bits & 0xffff) < threshold ? 0 : kept;
    if (i + 1 < length) mask[i + 1] = bits >>> 16 < threshold ? 0 : kept;
  }
  return mask;
}

/**
 * Uniform numbers in (-1, 1), with mean 0.
 * @returns float32 [length]
 */
export function uniformNoise(key: DropoutKey, length: number): Float32Array {
  const stream = streamOf(key);
  const noise = new Float32Array(length);
  for (let i = 0; i < length; i++) {
    // 24 bits, as many as a float32 holds exactly.
    noise[i] = ((mix(stream ^ Math.imul(i + 1, 0x9e3779b1)) >>> 8) + 0.5) / (1 << 23) - 1;
  }
  return noise;
}

function streamOf(key: DropoutKey): number {
  return mix(mix(mix(mix(key.seed) ^ key.step) ^ key.layer) ^ key.site);
}

/** The 32-bit finalizer of MurmurHash3 (Appleby, public domain constants): every input bit moves every output bit. */
function mix(x: number): number {
  let h = x | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
