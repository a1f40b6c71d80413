/** Generation's door: tokens and texts from models, greedy or sampled, cached and streamed. */
export { generate, streamGenerate } from './generate';
export type { GenerationResult } from './generate';
export { generationBytes } from './passes/coded-model-cache';
export type { FinishReason } from './row';
export type { TokenLogprobs } from './logits';
export { modelDefaults } from './model-defaults';
export type { ModelDefaults } from './model-defaults';
export type { GenerateOptions, GenerationDtype, PrefixAllowedTokensFn, TokenEvent } from './options';
export { restrictToForms } from './restrict-to-forms';
export type { RestrictToFormsOptions } from './restrict-to-forms';
export { restrictToTexts } from './restrict-to-texts';
export type { RestrictToTextsOptions } from './restrict-to-texts';
export { BatchFullError, ContinuousBatch } from './continuous-batch';
export type { BatchCall, BatchCounts, ContinuousBatchOptions } from './continuous-batch';
export { beforeStop } from './stop-strings';
export { answerEndTokens, textGenerator, textStreamer } from './text-generator';
export type { TextGenerator, TextGeneratorOptions } from './text-generator';
export type { Chat } from './chat-ids';
