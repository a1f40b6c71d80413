/**
 * Parameters on the host. Those of one kind lie in one flat array, so that an optimizer walks through it in
 * long strides and nothing is allocated during training.
 */
import { sizeOf } from '../../tensor';
import type { ParameterSpec } from '../families/architecture';

/** A trained tensor of a model. */
export interface Parameter {
  /** Hugging Face's name without the family's prefix. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly decay: boolean;
  /**
   * float32, row-major: a view of the set's flat array. On an engine with a GPU the values that count may be there:
   * read after `engine.device.flush()`, and call `engine.device.invalidate()` after writing.
   */
  readonly data: Float32Array;
}

/** Parameters that lie in one array, decayed ones first. */
export interface ParameterSet {
  readonly flat: Float32Array;
  readonly byName: ReadonlyMap<string, Parameter>;
}

/** Parameters of the given shapes, all zero, in one flat array; those with weight decay come first. */
export function allocateParameters(specs: readonly ParameterSpec[]): ParameterSet {
  const ordered = [...specs.filter((s) => s.decay), ...specs.filter((s) => !s.decay)];
  const flat: Float32Array = new Float32Array(ordered.reduce((total, spec) => total + sizeOf(spec.shape), 0));
  const byName = new Map<string, Parameter>();
  let offset = 0;
  for (const { name, shape, decay } of ordered) {
    const size = sizeOf(shape);
    byName.set(name, { name, shape, decay, data: flat.subarray(offset, offset + size) });
    offset += size;
  }
  return { flat, byName };
}

/**
 * Numbers of which one differs where values do, but for a chance of one in four billion. A change of any bit reaches the
 * low ones by the rotation: a product alone carries upwards, and two changes of signs would cancel each other.
 */
export function checksum(values: Float32Array): number[] {
  const words = new Int32Array(values.buffer, values.byteOffset, values.length);
  const prime = 0x9e3779b1; // XXH32's first
  // By turns into four, since a product waits for the one before.
  let [a, b, c, d] = [words.length, 1, 2, 3];
  const whole = words.length - (words.length % 4);
  for (let i = 0; i < whole; i += 4) {
    a = Math.imul(((a << 13) | (a >>> 19)) ^ words[i], prime);
    b = Math.imul(((b << 13) | (b >>> 19)) ^ words[i + 1], prime);
    c = Math.imul(((c << 13) | (c >>> 19)) ^ words[i + 2], prime);
    d = Math.imul(((d << 13) | (d >>> 19)) ^ words[i + 3], prime);
  }
  for (let i = whole; i < words.length; i++) a = Math.imul(((a << 13) | (a >>> 19)) ^ words[i], prime);
  return [a, b, c, d];
}
