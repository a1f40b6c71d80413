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
