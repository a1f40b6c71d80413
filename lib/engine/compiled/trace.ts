/**
 * Traces functions of TensorFlow.js tensors to graphs: the function alone, or its vector-Jacobian product split into a
 * forward and a backward graph.
 */
import { TunebookError } from '../../types';
import { checkVjpRequest, differentiable, namedTensors, requireInfluence } from '../contract/functions';
import type { Signature, TensorFunction, VjpRequest } from '../contract/functions';
import type { Feeds } from '../contract/host-arrays';
import '../kernels';
import { nodesFor } from '../graph/graph';
import type { Graph, Value } from '../graph/graph';
import { tf } from '../graph/tf';
import type { NamedTensors, Tensor } from '../graph/tf';
import { TRACE_BACKEND, traceBackend } from '../graph/trace-backend';
import type { TraceTarget } from '../graph/trace-backend';

/** Name of the backward graph's upstream gradient input. */
export const UPSTREAM = 'upstream';

/**
 * Traces a function once.
 *
 * @throws {TunebookError} If it reads values, calls a kernel without ONNX form, or its shapes do not fit.
 */
export function traceFunction(
  fn: TensorFunction,
  signature: Signature,
  { target, constants = {} }: { target: TraceTarget; constants?: Feeds },
): Graph {
  return onTraceBackend(target, () => {
    const { tensors, values } = placeholders(signature);
    for (const [name, constant] of Object.entries(constants))
      tensors[name] = traceBackend().constant(constant);
    const outputs = new Map<string, Value>();
    for (const [name, tensor] of Object.entries(namedTensors(fn(tensors))))
      outputs.set(name, traceBackend().value(tensor));
    return pruned(values, outputs);
  });
}

/** A vector-Jacobian product as two graphs. */
export interface SplitGraphs {
  /** Outputs: the function's, then the residuals. */
  readonly forward: Graph;
  /** Inputs: the function's where needed, the residuals and UPSTREAM. Outputs: one per `wrt`. */
  readonly backward: Graph;
  readonly residuals: ReadonlyMap<string, Value>;
}

/**
 * Traces value and gradients once and cuts where the upstream gradient enters: what depends on it runs in the backward
 * pass, what the outputs need runs in the forward pass, and values that cross the cut are residuals.
 */
export function traceVjp(request: VjpRequest, target: TraceTarget): SplitGraphs {
  checkVjpRequest(request);
  return onTraceBackend(target, () => {
    const b = traceBackend();
    const { tensors, values } = placeholders(request.signature);
    const outputs = new Map<string, Value>();
    const differentiated = request.wrt.map((name) => tensors[name]);
    const value = (...inputs: Tensor[]): Tensor => {
      const named = { ...tensors };
      request.wrt.forEach((name, i) => (named[name] = inputs[i]));
      const results = namedTensors(request.fn(named));
      for (const [name, tensor] of Object.entries(results)) outputs.set(name, b.value(tensor));
      return differentiable(results, request.output);
    };
    const shape = tf.tidy(() => value(...differentiated).shape);
    outputs.clear();
    const upstream = b.input(UPSTREAM, shape, 'float32');
    const { grads } = tf.engine().gradients(() => value(...differentiated), differentiated, upstream, true);
    const gradients = new Map<string, Value>();
    request.wrt.forEach((name, i) => {
      requireInfluence(grads[i], name, request.output);
      if (request.accumulate?.includes(name)) {
        const sum = b.input(`acc_${name}`, request.signature[name].shape, 'float32');
        values.set(`acc_${name}`, b.value(sum));
        gradients.set(`d_${name}`, b.value(tf.add(grads[i], sum)));
      } else {
        gradients.set(`d_${name}`, b.value(grads[i]));
      }
    });
    const wanted = differentiated.map((tensor) => b.value(tensor));
    const remat = request.remat ?? false;
    return split({ values, outputs, gradients, wanted, upstream: b.value(upstream), remat });
  });
}

// Operators so cheap that the backward pass recomputes them instead of keeping residuals.
const FREE = new Set(['Reshape', 'Cast', 'Expand', 'Identity']);

function split(traced: {
  values: ReadonlyMap<string, Value>;
  outputs: ReadonlyMap<string, Value>;
  gradients: ReadonlyMap<string, Value>;
  /** Inputs of the gradients. */
  wanted: readonly Value[];
  upstream: Value;
  remat: boolean;
}): SplitGraphs {
  const forwardNodes = new Set(nodesFor(traced.outputs.values()));
  const backwardNodes = nodesFor(traced.gradients.values());
  const fromInputs = new Set<Value>([...traced.values.values(), traced.upstream]);
  const fromUpstream = new Set<Value>([traced.upstream]);
  const fromWanted = new Set<Value>(traced.wanted);
  // Dequantized weights: as residuals they would be as large as unquantized ones.
  const fromBytes = new Set<Value>([...traced.values.values()].filter(({ dtype }) => dtype === 'uint8'));
  for (const node of backwardNodes) {
    for (const set of [fromInputs, fromUpstream, fromWanted, fromBytes]) {
      if (node.inputs.some((v) => set.has(v))) node.outputs.forEach((output) => set.add(output));
    }
  }
  const residuals = new Map<string, Value>();
  const kept = new Set<Value>();
  const visited = new Set<Value>();
  const visit = (value: Value): void => {
    const node = value.producer;
    if (node === undefined || visited.has(value)) return;
    visited.add(value);
    const repeat =
      traced.remat ||
      !forwardNodes.has(node) ||
      fromUpstream.has(value) ||
      !fromInputs.has(value) ||
      FREE.has(node.op) ||
      (fromBytes.has(value) && !fromWanted.has(value)) ||
      (value.dtype !== 'float32' && value.dtype !== 'int32');
    if (repeat) node.inputs.forEach(visit);
    else kept.add(value);
  };
  for (const gradient of traced.gradients.values()) visit(gradient);
  for (const value of [...kept].sort((x, y) => x.id - y.id))
    residuals.set(`residual_${residuals.size}`, value);

  return {
    forward: pruned(traced.values, new Map([...traced.outputs, ...residuals])),
    backward: pruned(
      new Map([...traced.values, ...residuals, [UPSTREAM, traced.upstream]]),
      traced.gradients,
    ),
    residuals,
  };
}

/** Drops inputs that no output needs. */
function pruned(inputs: ReadonlyMap<string, Value>, outputs: ReadonlyMap<string, Value>): Graph {
  const used = new Set<Value>(outputs.values());
  for (const node of nodesFor(outputs.values(), new Set(inputs.values())))
    node.inputs.forEach((v) => used.add(v));
  return { inputs: new Map([...inputs].filter(([, value]) => used.has(value))), outputs };
}

function placeholders(signature: Signature): { tensors: NamedTensors; values: Map<string, Value> } {
  const tensors: NamedTensors = {};
  const values = new Map<string, Value>();
  for (const [name, spec] of Object.entries(signature)) {
    const tensor = traceBackend().input(name, spec.shape, spec.dtype);
    tensors[name] = tensor;
    values.set(name, traceBackend().value(tensor));
  }
  return { tensors, values };
}

function onTraceBackend<Result>(target: TraceTarget, record: () => Result): Result {
  const backend = traceBackend();
  if (!tf.getBackend()) tf.setBackend('cpu');
  const before = tf.getBackend();
  if (before === TRACE_BACKEND) throw new Error('internal: a trace inside a trace');
  tf.setBackend(TRACE_BACKEND);
  backend.begin(target);
  tf.engine().startScope('trace');
  const random = Math.random;
  Math.random = refuseRandom;
  try {
    return record();
  } catch (error) {
    throw explained(error);
  } finally {
    Math.random = random;
    tf.engine().endScope();
    tf.setBackend(before);
  }
}

/** Replaces Math.random, which seeds TensorFlow.js's random operations that have no seed. */
function refuseRandom(): never {
  throw new TunebookError(
    'engine.compile: expected a function without random operations, got one (tf.randomNormal, tf.dropout, ' +
      'Math.random ...): its numbers would be the same in every run. Feed them as an input, as dropoutMask does, or ' +
      'give the operation a seed if the same numbers are wanted.',
  );
}

function explained(error: unknown): unknown {
  if (error instanceof TunebookError || !(error instanceof Error)) return error;
  const kernel =
    /registered kernel '(\w+)'/.exec(error.message)?.[1] ??
    /Kernel '(\w+)' not registered/.exec(error.message)?.[1];
  if (kernel !== undefined) {
    return new TunebookError(
      `engine.compile: expected kernels that have an ONNX form, got '${kernel}'. Write the function with other ` +
        `TensorFlow.js operations, add the kernel in lib/engine/kernels, or use an eager engine.`,
      { cause: error },
    );
  }
  if (error.message.startsWith('internal:')) return error;
  return new TunebookError(`engine.compile: the function failed while it was traced: ${error.message}`, {
    cause: error,
  });
}
