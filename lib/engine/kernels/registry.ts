/** Registers recorded forms of TensorFlow.js kernels ("lowers" them to ONNX). */
import type { NamedTensorInfoMap, TensorInfo } from '@tensorflow/tfjs-core';
import { TunebookError } from '../../types';
import { onTensorFlow, tf } from '../graph/tf';
import { TRACE_BACKEND, traceBackend } from '../graph/trace-backend';
import type { TraceBackend } from '../graph/trace-backend';
import type { Value } from '../graph/graph';

const names = new Set<string>();

/** The arguments of a lowering: the backend to record on, the input tensors and the kernel's attributes. */
export interface LoweringCall<Attrs> {
  readonly b: TraceBackend;
  readonly inputs: Record<string, TensorInfo>;
  readonly attrs: Attrs;
}

/** Registers the recorded form of `kernelName`; it returns a value or a list, as the kernel does. */
export function lower<Attrs = Record<string, never>>(
  kernelName: string,
  lowering: (call: LoweringCall<Attrs>) => Value | Value[],
): void {
  names.add(kernelName);
  onTensorFlow(() =>
    tf.registerKernel({
      kernelName,
      backendName: TRACE_BACKEND,
      kernelFunc: ({ inputs, attrs }) => {
        const b = traceBackend();
        const result = lowering({ b, inputs: present(inputs), attrs: attrs as unknown as Attrs });
        return Array.isArray(result) ? result.map((value) => b.tensor(value)) : b.tensor(result);
      },
    }),
  );
}

/** Names of all kernels that can be traced; a test compares each with TensorFlow.js's cpu backend. */
export function loweredKernels(): string[] {
  return [...names].sort();
}

function present(inputs: NamedTensorInfoMap): Record<string, TensorInfo> {
  const all: Record<string, TensorInfo> = {};
  for (const [name, tensor] of Object.entries(inputs)) if (tensor !== undefined) all[name] = tensor;
  return all;
}

/** The shape that two shapes broadcast to, by NumPy's rules. */
export function broadcastShape(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const x = a[a.length - rank + i] ?? 1;
    const y = b[b.length - rank + i] ?? 1;
    if (x !== y && x !== 1 && y !== 1) {
      requireShapes(false, 'expected shapes that broadcast', a, b);
    }
    return x === 1 ? y : x;
  });
}

/**
 * Validates what TensorFlow.js leaves to its backends.
 *
 * @throws {TunebookError} "op: expected X, got [2, 3] and [4]".
 */
export function requireShapes(fits: boolean, expected: string, ...got: readonly (readonly number[])[]): void {
  if (fits) return;
  const shapes = got.map((shape) => `[${shape.join(', ')}]`).join(' and ');
  throw new TunebookError(`engine.compile: ${expected}, got ${shapes}.`);
}

/** Whether two shapes are equal. */
export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i]);
}
