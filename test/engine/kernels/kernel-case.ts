/**
 * What a kernel case is, and how its inputs are filled: the tables are in `elementwise-cases.ts`,
 * `shape-cases.ts` and `fused-cases.ts`, the test in `kernels.test.ts`.
 */
import { tf } from '../../../lib/engine';
import type { NamedTensors, Signature, Tensor } from '../../../lib/engine';
import type { HostTensor } from '../../../lib/types';

export interface InputSpec {
  readonly shape: readonly number[];
  /** Default 'float32'. Booleans are fed as int32 and compared with zero inside the function. */
  readonly dtype?: 'float32' | 'int32' | 'bool' | 'uint8';
  /** Default 'normal' for float32, 'integers' (-5 to 5) for int32, 0 to 255 for uint8, 0 or 1 for bool; or the values themselves. */
  readonly values?: 'normal' | 'positive' | 'integers' | readonly number[];
  /** Part of the function instead of an input: lowerings simplify constants. */
  readonly constant?: boolean;
}

export interface KernelCase {
  readonly inputs: Readonly<Record<string, InputSpec>> | readonly InputSpec[];
  readonly attrs?: Record<string, unknown>;
  /** Largest difference, absolute plus relative; default 2e-5. */
  readonly tolerance?: number;
  /** Inputs that have a gradient; default: all of float32. */
  readonly wrt?: readonly string[];
  /** Why TensorFlow.js itself cannot differentiate the case. */
  readonly noGradient?: string;
  /** Computes the same on the cpu backend, for kernels that only the tracing backend has. */
  readonly reference?: (inputs: NamedTensors, attrs: Record<string, unknown>) => Tensor;
}

export type KernelCases = Readonly<Record<string, readonly KernelCase[]>>;

export const f = (...shape: number[]): InputSpec => ({ shape });
export const positive = (...shape: number[]): InputSpec => ({ shape, values: 'positive' });
export const int = (...shape: number[]): InputSpec => ({ shape, dtype: 'int32' });
export const bool = (...shape: number[]): InputSpec => ({ shape, dtype: 'bool' });
export const full = (value: number, ...shape: number[]): InputSpec => ({
  shape,
  values: Array<number>(sizeOf(shape)).fill(value),
  constant: true,
});
export const given = (
  values: readonly number[],
  dtype?: InputSpec['dtype'],
  shape?: number[],
): InputSpec => ({
  shape: shape ?? [values.length],
  values,
  dtype,
});

const ARRAYS = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array };

export interface BuiltCase {
  readonly signature: Signature;
  readonly feeds: Record<string, HostTensor>;
  /** Names of the inputs that a gradient can be asked for. */
  readonly floats: string[];
  /** The kernel's inputs from the function's inputs. */
  readonly kernelInputs: (tensors: NamedTensors) => NamedTensors;
  readonly isList: boolean;
}

/** Inputs of a case, filled from `seed`. */
export function buildCase(test: KernelCase, seed: number): BuiltCase {
  const isList = Array.isArray(test.inputs);
  const specs = Object.entries(test.inputs).map(([name, spec]) => ({
    name: `in_${name}`,
    key: name,
    ...spec,
  }));
  const random = numbers(seed);
  const signature: Record<string, Signature[string]> = {};
  const feeds: Record<string, HostTensor> = {};
  const constants: Record<string, number[]> = {};
  for (const { name, shape, dtype = 'float32', values, constant } of specs) {
    const filled = typeof values === 'object' ? [...values] : fill(values, dtype, sizeOf(shape), random);
    if (constant) {
      constants[name] = filled;
      continue;
    }
    const fed = dtype === 'bool' ? 'int32' : dtype;
    signature[name] = { shape, dtype: fed };
    feeds[name] = { data: ARRAYS[fed].from(filled), shape };
  }
  return {
    signature,
    feeds,
    floats: specs
      .filter((s) => !s.constant && (s.dtype ?? 'float32') === 'float32')
      .filter((s) => test.wrt?.includes(s.key) ?? true)
      .map((s) => s.name),
    isList,
    kernelInputs: (tensors) =>
      Object.fromEntries(
        specs.map(({ name, key, shape, dtype = 'float32' }) => {
          const known = constants[name];
          if (known !== undefined && dtype !== 'uint8') return [key, tf.tensor(known, [...shape], dtype)];
          return [key, dtype === 'bool' ? tf.cast(tensors[name], 'bool') : tensors[name]];
        }),
      ),
  };
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Uniform numbers in [0, 1) from a seed (a linear congruential generator, Numerical Recipes' constants). */
export function numbers(seed: number): () => number {
  let state = (seed * 2654435761 + 12345) >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 4294967296;
  };
}

/** float32 numbers around zero, about normal. */
export function normal(shape: readonly number[], seed: number): HostTensor {
  const random = numbers(seed);
  return { data: Float32Array.from(fill('normal', 'float32', sizeOf(shape), random)), shape };
}

function fill(
  values: InputSpec['values'],
  dtype: 'float32' | 'int32' | 'bool' | 'uint8',
  length: number,
  random: () => number,
): number[] {
  return Array.from({ length }, () => {
    if (dtype === 'bool') return random() < 0.5 ? 0 : 1;
    if (dtype === 'uint8') return Math.floor(random() * 256);
    if (values === 'positive') return dtype === 'int32' ? 1 + Math.floor(random() * 5) : 0.2 + 2 * random();
    if (dtype === 'int32' || values === 'integers') return Math.floor(random() * 11) - 5;
    return (random() + random() + random() + random() - 2) * 1.7;
  });
}
