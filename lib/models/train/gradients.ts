/** Gradients of a model's trainable parameters. */
import type { Parameter } from '../weights/parameters';

/** One flat array in the parameters' order, and a view of it for each. */
export interface Gradients {
  readonly flat: Float32Array;
  readonly byName: ReadonlyMap<string, Float32Array>;
  readonly shapes: ReadonlyMap<string, readonly number[]>;
}

/** Gradients for parameters, all zero, in one flat array. */
export function allocateGradients(parameters: readonly Parameter[]): Gradients {
  const flat: Float32Array = new Float32Array(parameters.reduce((total, p) => total + p.data.length, 0));
  const byName = new Map<string, Float32Array>();
  let offset = 0;
  for (const parameter of parameters) {
    byName.set(parameter.name, flat.subarray(offset, offset + parameter.data.length));
    offset += parameter.data.length;
  }
  return { flat, byName, shapes: new Map(parameters.map(({ name, shape }) => [name, shape])) };
}
