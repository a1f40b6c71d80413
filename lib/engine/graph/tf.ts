/**
 * TensorFlow.js, loaded once for the whole library, on first use. The engine's language: models, losses and
 * optimizers are TensorFlow.js functions, run as they are (eager) or traced to ONNX (compiled).
 */
import { createRequire } from 'node:module';
import * as core from '@tensorflow/tfjs-core';
import type * as TensorFlow from '@tensorflow/tfjs';

/** Names of kernels and classes, and where our own kernels and gradients are registered. */
const CORE_NAME = /^_?[A-Z]|^register(Gradient|Kernel)$/;

let loaded: typeof TensorFlow | undefined;

function load(): typeof TensorFlow {
  if (loaded) return loaded;
  // Otherwise TensorFlow.js advises to install another package on every start.
  core.env().set('PROD', true);
  loaded = createRequire(__filename)('@tensorflow/tfjs') as typeof TensorFlow;
  return loaded;
}

/**
 * A module that is looked up in TensorFlow.js when a function is asked for. Half of what an import of this library
 * would take is TensorFlow.js's layers, converter and WebGL. The names of kernels and the classes, which our modules
 * read while they load, are those of its core.
 */
export const tf: typeof TensorFlow = new Proxy({} as typeof TensorFlow, {
  get: (_, name) =>
    Reflect.get(loaded === undefined && CORE_NAME.test(String(name)) ? core : load(), name) as unknown,
  has: (_, name) => name in load(),
  ownKeys: () => Reflect.ownKeys(load()),
  getOwnPropertyDescriptor: (_, name) => {
    const found = Reflect.getOwnPropertyDescriptor(load(), name);
    return found && { ...found, configurable: true };
  },
});

/** TensorFlow.js's types under the same name. */
// eslint-disable-next-line @typescript-eslint/no-namespace
export declare namespace tf {
  type Rank = TensorFlow.Rank;
  type Scalar = TensorFlow.Scalar;
  type Tensor<R extends TensorFlow.Rank = TensorFlow.Rank> = TensorFlow.Tensor<R>;
  type Tensor1D = TensorFlow.Tensor1D;
  type Tensor2D = TensorFlow.Tensor2D;
  type Tensor3D = TensorFlow.Tensor3D;
  type Tensor4D = TensorFlow.Tensor4D;
}
/** A tensor of TensorFlow.js. */
export type Tensor = TensorFlow.Tensor;
/** Tensors by name: the arguments and results of the engine's functions. */
export type NamedTensors = Record<string, TensorFlow.Tensor>;
