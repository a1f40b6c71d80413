/**
 * The door of `tokenizer`: text to token ids and back, over @xenova/transformers.
 * Where it stands: the first step of the flow, for `dataset` and `generation`.
 */
export { AutoTokenizer } from './auto-tokenizer';
export { checkTokenizerFits } from './fits';
export { addTokens } from './add-tokens';
export type { AddTokensOptions } from './add-tokens';
export { fillForm, formPicks, formText, requireForm } from './answer-form';
export type { AnswerForm, FilledForm } from './answer-form';
export { promptIds } from './prompt-ids';
export { withPatterns } from './transformers-js/library-files';
export type {
  BatchEncodeOptions,
  BatchEncoding,
  ChatMessage,
  ChatTemplateOptions,
  MaskedConversation,
  ModelLimits,
  ModelToFit,
  PretrainedTokenizer,
  TokenizerOptions,
} from './types';
