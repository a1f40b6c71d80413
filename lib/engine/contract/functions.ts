/**
 * What engines take: functions of named tensors, the shapes and types to compile them for, and requests for their
 * gradients. Both engines validate here, with the same errors.
 */
import { TunebookError } from '../../types';
import type { EngineDtype } from '../../types';
import { tf } from '../graph/tf';
import type { NamedTensors, Tensor } from '../graph/tf';

/** Shape and dtype of one input. */
export interface TensorSpec {
  readonly shape: readonly number[];
  readonly dtype: EngineDtype;
}
/** The inputs that a function is compiled for, by name. */
export type Signature = Readonly<Record<string, TensorSpec>>;
/** A pure function of named tensors: it reads no values, and has no randomness and no state. */
export type TensorFunction = (inputs: NamedTensors) => NamedTensors;

/** A function and the gradients wanted of it. */
export interface VjpRequest {
  readonly fn: TensorFunction;
  readonly signature: Signature;
  /** Inputs to differentiate with respect to. */
  readonly wrt: readonly string[];
  /** The differentiated output; the others have no gradient. */
  readonly output: string;
  /** Keep no residuals: the backward pass recomputes the forward pass (gradient checkpointing). */
  readonly remat?: boolean;
  /**
   * Leave the forward pass's outputs on the engine's device, if it has one, for other functions to read; their host
   * arrays are then only handles (see `DeviceMemory.read`).
   */
  readonly outputsStay?: boolean;
  /** Inputs of `wrt` whose gradients are added to an extra input `acc_<name>` of the backward pass. */
  readonly accumulate?: readonly string[];
}

/** Inputs that the backward half adds to the function's own. */
const RESERVED = /^(upstream|acc_.*|residual_\d+)$/;

/** @throws {TunebookError} If `wrt` or `accumulate` name an input without gradient. */
export function checkVjpRequest(request: VjpRequest): void {
  const { signature, wrt, accumulate = [] } = request;
  const floats = Object.keys(signature).filter((name) => signature[name].dtype === 'float32');
  const refuse = (option: string, allowed: readonly string[], names: readonly string[]): void => {
    const wrong = names.filter((name) => !allowed.includes(name));
    if (names.length > 0 && wrong.length === 0) return;
    throw new TunebookError(
      `engine.compileVjp: expected ${option} of float32 inputs (${allowed.join(', ')}), ` +
        `got ${wrong.join(', ') || 'none'}.`,
    );
  };
  const taken = Object.keys(signature).find((name) => RESERVED.test(name));
  if (taken !== undefined) {
    throw new TunebookError(
      `engine.compileVjp: expected inputs other than upstream, acc_* and residual_*, got '${taken}'. Rename it.`,
    );
  }
  refuse('wrt', floats, wrt);
  if (accumulate.length > 0) refuse('accumulate', wrt, accumulate);
}

/** @throws {TunebookError} If a function returned anything but float32 and int32 tensors by name. */
export function namedTensors(results: unknown): NamedTensors {
  const isRecord = typeof results === 'object' && results !== null && !(results instanceof tf.Tensor);
  const entries: [string, unknown][] = isRecord ? Object.entries(results) : [];
  if (entries.length === 0 || entries.some(([, value]) => !(value instanceof tf.Tensor))) {
    throw new TunebookError(
      `engine.compile: expected a function that returns tensors by name, such as { y: tf.square(x) }, got ` +
        `${results instanceof Promise ? 'a promise' : describe(entries, results)}.`,
    );
  }
  const tensors = results as NamedTensors;
  for (const [name, { dtype }] of Object.entries(tensors)) {
    if (dtype === 'float32' || dtype === 'int32') continue;
    throw new TunebookError(
      `engine.compile: expected float32 or int32 outputs, got '${name}' of type ${dtype}. Cast it inside the function.`,
    );
  }
  return tensors;
}

/** @throws {TunebookError} If the differentiated output does not exist or is not float32. */
export function differentiable(results: NamedTensors, output: string): Tensor {
  const tensor: Tensor | undefined = results[output];
  if (tensor?.dtype === 'float32') return tensor;
  const got = tensor === undefined ? `only ${Object.keys(results).join(', ')}` : `type ${tensor.dtype}`;
  throw new TunebookError(`engine.compileVjp: expected a float32 output '${output}', got ${got}.`);
}

/** @throws {TunebookError} If the output does not depend on the input. */
export function requireInfluence(gradient: Tensor | null | undefined, name: string, output: string): void {
  if (gradient !== null && gradient !== undefined) return;
  throw new TunebookError(
    `engine.compileVjp: expected every input of wrt to influence '${output}', got '${name}', ` +
      `which does not. Leave it out of wrt.`,
  );
}

function describe(entries: readonly [string, unknown][], results: unknown): string {
  if (results instanceof tf.Tensor) return 'a tensor without a name';
  const wrong = entries.filter(([, value]) => !(value instanceof tf.Tensor)).map(([name]) => name);
  return wrong.length > 0 ? `something else in ${wrong.join(', ')}` : 'none';
}

/** Caches results by key: functions are compiled once per function object, so the same object must come back. */
export function memoized<Key, Result>(make: (key: Key) => Result): (key: Key) => Result {
  const byObject = new WeakMap<object, Result>();
  const byValue = new Map<Key, Result>();
  return (key) => {
    const isObject = typeof key === 'object' && key !== null;
    const known = isObject ? byObject.get(key) : byValue.get(key);
    if (known !== undefined) return known;
    const made = make(key);
    if (isObject) byObject.set(key, made);
    else byValue.set(key, made);
    return made;
  };
}
