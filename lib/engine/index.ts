/** The engine's door: TensorFlow.js functions in, fast native execution out. */
export { createEngine } from './engine';
export { PROVIDERS, run } from './contract/engine-types';
export type {
  BuildRequest,
  BuiltFunction,
  CompiledFunction,
  CompiledVjp,
  DeviceMemory,
  Engine,
  EngineOptions,
  Provider,
  Residuals,
  Traffic,
} from './contract/engine-types';
export { signatureOf } from './contract/host-arrays';
export type { Feeds } from './contract/host-arrays';
export { gpuRace, isGpuWorth, raceText } from './compiled/gpu-race';
export type { GpuRace } from './compiled/gpu-race';
export { findVulkan } from './compiled/vulkan';
export type { Signature, TensorFunction, TensorSpec, VjpRequest } from './contract/functions';
export { memoized } from './contract/functions';
export { loweredKernels } from './kernels';
export { attributeProto, onnxProtobuf } from './graph/onnx';
export type { Attribute } from './graph/graph';
export { onnxRuntime } from './compiled/onnx-runtime';
export { tf } from './graph/tf';
export type { NamedTensors, Tensor } from './graph/tf';
export { linear, plainLinear } from './ops/linear';
export { layerNorm, plainLayerNorm, plainRmsNorm, rmsNorm } from './ops/norm';
export { activation, ACTIVATIONS, plainActivation } from './ops/activation';
export type { ActivationName } from './ops/activation';
export { attention, capped, MASKED, mergeHeads, splitHeads } from './ops/attention';
export { restoreCoded } from './ops/coded-weight';
export type { CodedWeight } from './ops/coded-weight';
export { linearCodes } from './ops/linear-codes';
export type { WeightCodes } from './ops/linear-codes';
export { linear4bit } from './ops/linear-4bit';
export type { PackedWeight } from './ops/linear-4bit';
export { plainRotary, rotary, rotaryFrequencies, rotaryTables } from './ops/rotary';
export type { RotaryTables, Rotation } from './ops/rotary';
export { dropout, dropoutMask, maskOfKey, packedKey, uniformNoise } from './ops/dropout';
export type { DropoutKey } from './ops/dropout';
export { linearCrossEntropy, plainLinearCrossEntropy, rowTable, TILE } from './ops/cross-entropy';
export type { LinearCrossEntropyRequest, LinearCrossEntropyResult, RowTable } from './ops/cross-entropy';
