/** The models' door: language models, LoRA, checkpoints and the hub. */
import './methods';

export { architectureOf, AutoModelForCausalLM, countParameters, savePretrained } from './auto';
export type { FromPretrainedOptions, SavePretrainedOptions } from './auto';
export type { Architecture, DropoutSite, LinearModule, ParameterSpec } from './families/architecture';
export { storedName } from './families/architecture';
export { attentionBias, positionIds } from './run/attention-bias';
export { availableMemory, peakMemoryBytes } from './weights/available-memory';
export { CausalLM } from './run/causal-lm';
export type { LayerCache } from './run/causal-lm';
export type { ForwardInputs, ForwardOutput } from './run/forward-inputs';
export type { FrozenLayer, FrozenLayers, FrozenTensor } from './weights/frozen-layers';
export { gpt2 } from './families/gpt2';
export type { Gpt2Config } from './families/gpt2';
export { mistral } from './families/mistral';
export type { MistralConfig } from './families/mistral';
export { LoraAdapter } from './lora/lora';
export { LoraConfig } from './lora/lora-config';
export type { LoraOptions } from './lora/lora-config';
export { trainableSummary } from './lora/parameter-counts';
export { getPeftModel, mergeAndUnload, PeftModel } from './peft';
export type { PeftModelOptions } from './peft';
export { loadAdapter, saveAdapter } from './adapter-files';
export { devicePlanTable, planDevices, sizeInBytes } from './weights/device-map';
export type {
  DevicePlan,
  DevicePlanRequest,
  MaxMemory,
  MemorySize,
  PlacedModule,
} from './weights/device-map';
export type { PlacementOptions } from './weights/load-weights';
export { IGNORED, meanLoss } from './run/loss';
export type { Parameter, ParameterSet } from './weights/parameters';
export { batchLoss, forwardBackward } from './train/training';
export type { BackwardRequest } from './train/training';
export { allocateGradients } from './train/gradients';
export type { Gradients } from './train/gradients';
export { countLabels, rowBucket } from './train/head';
export { withWorkspace, Workspace } from './run/workspace';
export { openSafetensors, readSafetensorsHeader, writeSafetensors } from '../checkpoint';
export type { SafetensorsFile, TensorSource } from '../checkpoint';
export { matchStateDict, openCheckpoint, writeCheckpoint } from '../checkpoint';
export type { Checkpoint } from '../checkpoint';
export { resolveModelFolder } from '../hub';
export type { HubOptions } from '../hub';
export { withReloaded } from './reload';
