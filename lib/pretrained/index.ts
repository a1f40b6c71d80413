/** The door of `pretrained`: models from folders and the hub, adapters, and saving. */
export { AutoModelForCausalLM } from './auto';
export type { FromPretrainedOptions } from './auto';
export { CausalLM } from './causal-lm';
export { savePretrained } from './saving';
export type { SavePretrainedOptions } from './saving';
export { getPeftModel, mergeAndUnload, PeftModel } from './peft';
export type { PeftModelOptions } from './peft';
export { loadAdapter, saveAdapter } from './adapter-files';
export type { SaveAdapterOptions } from './adapter-files';
export { usePrompt } from './companions';
export { withReloaded } from './reload';
export { generateAnswers, modelPlaces, quantizationConfigOf, tokenizerPlace } from './generate-answers';
export type { Asked, GenerateAnswersOptions, GeneratedAnswers } from './generate-answers';
export { generateInFreshProcess } from './fresh-process';
export { addCardSection, writeCard } from './card-file';
export { modelCard } from './model-card';
export type { CardFacts, ModelCardOptions } from './model-card';
