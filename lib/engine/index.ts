/** The engine's door: TensorFlow.js functions in, fast native execution out. */
export { createEngine } from './engine';
export type { CompiledFunction, CompiledVjp, Engine, EngineOptions, Residuals } from './engine';
export type { Feeds } from './host-arrays';
export type { Provider } from './session';
export { PROVIDERS } from './session';
export type { Signature, TensorFunction, TensorSpec, VjpRequest } from './functions';
export { loweredKernels } from './kernels';
export { tf } from './tf';
export type { NamedTensors, Tensor } from './tf';
export { linear, plainLinear } from './ops/linear';
export { layerNorm, plainLayerNorm, plainRmsNorm, rmsNorm } from './ops/norm';
export { activation, ACTIVATIONS, plainActivation } from './ops/activation';
export type { ActivationName } from './ops/activation';
export { attention, MASKED, mergeHeads, splitHeads } from './ops/attention';
export { dropoutMask } from './ops/dropout';
export type { DropoutKey } from './ops/dropout';
export { linearCrossEntropy, plainLinearCrossEntropy } from './ops/cross-entropy';
export type { LinearCrossEntropyRequest, LinearCrossEntropyResult } from './ops/cross-entropy';
