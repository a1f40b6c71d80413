/**
 * TensorFlow.js, loaded once for the whole library, on first use. The engine's language: models, losses and
 * optimizers are TensorFlow.js functions, run as they are (eager) or traced to ONNX (compiled).
 */
import { createRequire } from 'node:module';
import type * as TensorFlow from '@tensorflow/tfjs-core';

/** The core, whose tensors have the operations as methods. */
type Core = typeof TensorFlow &
  typeof import('@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops');

let loaded: Core | undefined;
const registrations: (() => void)[] = [];

function load(): Core {
  if (loaded) return loaded;
  const require = createRequire(__filename);
  // Otherwise TensorFlow.js advises to install another package on every start.
  (require('@tensorflow/tfjs-core') as typeof TensorFlow).env().set('PROD', true);
  loaded = require('@tensorflow/tfjs') as Core;
  for (const register of registrations.splice(0)) register();
  return loaded;
}

/** Registers kernels or gradients of our own once TensorFlow.js is loaded, or now where it is. */
export function onTensorFlow(register: () => void): void {
  if (loaded) register();
  else registrations.push(register);
}

/**
 * TensorFlow.js, loaded when a member is first read: half of what an import of this library would take is its layers,
 * converter and WebGL. Our modules read no member while they load; `onTensorFlow` is for what they register.
 * Its type is the core's, in which models are written: that of the layers would be a third of what cells read.
 */
export const tf: Core = new Proxy({} as Core, {
  get: (_, name) => Reflect.get(load(), name) as unknown,
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
