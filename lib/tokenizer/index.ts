/**
 * The tokenizer room's door: text to token ids and back, over @xenova/transformers.
 * Where it stands: first step of the flow; `dataset`, `generation` and `models` use it.
 */
export { AutoTokenizer } from './auto-tokenizer';
export { checkTokenizerFits } from './fits';
export type {
  BatchEncodeOptions,
  BatchEncoding,
  ChatMessage,
  ChatTemplateOptions,
  ModelLimits,
  PretrainedTokenizer,
  TokenizerOptions,
} from './types';
