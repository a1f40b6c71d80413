/** Generation's door: tokens and texts from models, greedy or sampled, cached and streamed. */
export { generate, streamGenerate } from './generate';
export type { FinishReason, GenerationResult } from './generate';
export type { GenerateOptions, PrefixAllowedTokensFn, TokenEvent } from './options';
export { restrictToTexts } from './restrict-to-texts';
export type { RestrictToTextsOptions } from './restrict-to-texts';
export { textGenerator, textStreamer } from './text-generator';
export type { TextGeneratorOptions } from './text-generator';
