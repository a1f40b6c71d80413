/** The door of `models`: families, weights, LoRA, forward and backward passes. Models as people hold them: `pretrained`. */
export type {
  Architecture,
  DropoutSite,
  LayerKind,
  LinearModule,
  ParameterSpec,
} from './families/architecture';
export type { DecoderDescription, LayerDescription, NormPlaces } from './families/decoder-description';
export { isTied, storedName } from './families/architecture';
export { attentionBias, contextLengths, positionIds } from './run/attention-bias';
export { availableMemory, peakMemoryBytes } from './weights/available-memory';
export { embed } from './run/embedding';
export { checkedInputs } from './run/forward-inputs';
export type { ForwardInputs, ForwardOutput } from './run/forward-inputs';
export { headCodes, layerCodes } from './run/layer-codes';
export { ModelWeights } from './run/model-weights';
export type { ModelParts } from './run/model-parts';
export { Runtime } from './run/runtime';
export type { HasRuntime } from './run/runtime';
export { adaptedRows } from './run/adapted-embedding';
export { headOf } from './run/adapted-head';
export { rowsOfPass } from './run/rows-of-pass';
export { headLogits, hiddenStates, stepMode, walk } from './run/stack';
export type { BetweenLayers, LayerCache, SharedFeeds } from './run/stack';
export { CheckpointWeights } from './weights/checkpoint-weights';
export { isQuantized, restore, transposed } from './weights/frozen-layers';
export type { FrozenLayer, FrozenLayers, FrozenTensor } from './weights/frozen-layers';
export { architectureOf, registerFamily } from './families/registry';
export type { Family } from './families/registry';
export { activationNamed } from './families/parts/activation-name';
export { chosenRows } from './families/parts/chosen-rows';
export type { Rope } from './families/parts/rope';
export { gpt2 } from './families/gpt2';
export type { Gpt2Config } from './families/gpt2';
export { LoraAdapter } from './lora/lora';
export { knownTargets, moduleList } from './lora/lora-targets';
export { LoraConfig } from './lora/lora-config';
export type { LoraOptions } from './lora/lora-config';
export { countParameters, summaryLine, trainableSummary } from './lora/parameter-counts';
export { differingParameters } from './weights/weight-sample';
export type { WeightSample } from './weights/weight-sample';
export { deviceMapTable, inferDeviceMap, sizeInBytes } from './weights/device-map';
export type { DeviceMap, DeviceMapRequest, MaxMemory, MemorySize, PlacedModule } from './weights/device-map';
export { loadWeights } from './weights/load-weights';
export type { PlacementOptions } from './weights/load-weights';
export { meanLoss } from './run/loss';
export { allocateParameters } from './weights/parameters';
export type { Parameter, ParameterSet } from './weights/parameters';
export { batchLoss, forwardBackward } from './train/training';
export type { BackwardRequest } from './train/training';
export { allocateGradients } from './train/gradients';
export { gradientStages } from './train/gradient-stages';
export type { Gradients } from './train/gradients';
export { countLabels, rowBucket } from './train/head';
export { CROSS_ENTROPY } from './train/loss-function';
export type { LossFunction } from './train/loss-function';
export type {
  MetricSum,
  MetricSums,
  SequenceLoss,
  TokenLogProbabilities,
  TokenLoss,
  TokenLossResult,
} from './train/sequence-loss';
export { Workspace } from './run/workspace';
