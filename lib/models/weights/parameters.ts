/**
 * Parameters on the host. Those of one kind lie in one flat array, so that an optimizer walks through it in
 * long strides and nothing is allocated during training.
 */
import { sizeOf } from '../../tensor';
import type { ParameterSpec } from '../families/architecture';

export interface Parameter {
  /** Hugging Face's name without the family's prefix. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly decay: boolean;
  /**
   * float32, row-major: a view of the set's flat array. On an engine with a GPU the values that count may be there:
   * read after `engine.device.settle()`, and call `engine.device.forget()` after writing.
   */
  readonly data: Float32Array;
}

/** Parameters that lie in one array, decayed ones first. */
export interface ParameterSet {
  readonly flat: Float32Array;
  readonly byName: ReadonlyMap<string, Parameter>;
}

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

/** Normal numbers from a seed: the fill of new models. Box and Muller (1958) over a counter-based hash. */
export function fillNormal(data: Float32Array, std: number, seed: number): void {
  let state = seed >>> 0;
  const uniform = (): number => {
    state = (state + 0x9e3779b9) >>> 0;
    let h = state;
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    return (((h ^ (h >>> 16)) >>> 0) + 0.5) / 4294967296;
  };
  for (let i = 0; i < data.length; i += 2) {
    const radius = std * Math.sqrt(-2 * Math.log(uniform()));
    const angle = 2 * Math.PI * uniform();
    data[i] = radius * Math.cos(angle);
    if (i + 1 < data.length) data[i + 1] = radius * Math.sin(angle);
  }
}
