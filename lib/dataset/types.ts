/**
 * The types that this room gives to its users.
 */
import type { Batch, EncodedExample, Tokenizer } from '../types';
import type { PretrainedTokenizer } from '../tokenizer';
import type { DataRecord } from './files/row';

/** How a record becomes text: the same prompt in training and at inference. */
export interface PromptTemplate {
  /** Text up to the place where the model begins to write; encoded with the tokenizer's special tokens. */
  formatPrompt(record: DataRecord): string;
  /** The text that the model shall write, without the end-of-text token. */
  formatResponse(record: DataRecord): string;
  /**
   * Prompt and response as the model reads them in training, where more than the response follows the prompt: a chat
   * template ends the turn in its own way. Default: the prompt, the response, the end-of-text token.
   */
  formatTurn?(record: DataRecord): FormattedTurn;
}

/** A conversation with its answer. */
export interface FormattedTurn {
  /** As `formatPrompt` gives it. */
  readonly prompt: string;
  /** All of it; encoded with the tokenizer's special tokens. */
  readonly text: string;
  /** What follows the prompt, up to the end of the turn and what the template writes after it. */
  readonly continuation: string;
  /** Whether the template ends the turn; the end-of-text token follows where it does not. */
  readonly isEnded: boolean;
}

export interface InstructionTemplateOptions {
  /** Text for `{system}` where a record has no `system` field. */
  system?: string;
  /** Text with `{field}` places, up to the response. */
  prompt?: string;
  /** Default '{response}'. */
  response?: string;
  /** Values for fields that a record lacks. A field with neither is an error. */
  defaults?: Readonly<Record<string, string>>;
}

export interface ChatPromptOptions {
  tokenizer: PretrainedTokenizer;
  /** The user's turn, with `{field}` places. */
  user?: string;
  /** A system turn. Default: none. */
  system?: string;
  /** Default '{response}'. */
  response?: string;
}

/** How records become token ids and labels. */
export interface EncodeOptions {
  tokenizer: Tokenizer;
  /** Default: `instructionTemplate()`. */
  template?: PromptTemplate;
  /** Tokens, prompt + response + end-of-text. Default: the tokenizer's `modelMaxLength`. */
  maxLength?: number;
  /** 'response': loss on the response and its end-of-text only. 'all': on the prompt too. Default 'response'. */
  labels?: 'response' | 'all';
  /** Where a prompt that is too long is cut, or that its example is dropped. Default 'middle'. */
  truncation?: 'left' | 'middle' | 'drop';
  /** End each response with the end-of-text token, unless a chat template ends the turn itself. Default true. */
  appendEos?: boolean;
}

/** Spread of a number of tokens. */
export interface LengthSummary {
  min: number;
  mean: number;
  median: number;
  p95: number;
  max: number;
}

/** What became of the records: how many were kept, cut and dropped, and how long they are in tokens. */
export interface EncodingReport {
  total: number;
  kept: number;
  /** Examples whose prompt was shortened; the response is always whole. */
  truncated: readonly { index: number; removedTokens: number }[];
  dropped: readonly { index: number; tokens: number; reason: string }[];
  /** Index in `records` of each kept example. */
  sourceIndex: readonly number[];
  promptTokens: LengthSummary;
  responseTokens: LengthSummary;
  sequenceTokens: LengthSummary;
  totalTokens: number;
  /** Tokens that the loss sees (labels that are not -100, the first position not counted). */
  lossTokens: number;
}

/** Makes a padded batch of a few examples. */
export type DataCollator = (examples: readonly EncodedExample[]) => Batch;

export interface CollatorOptions {
  padTokenId: number;
  /** Longest batch allowed, tokens; a longer example is an error. */
  maxLength: number;
  /** Lengths that batches are padded to, ascending. Default 32, 64, 96, 128, 192, 256, 384, 512, ... up to maxLength. */
  buckets?: readonly number[];
  /** Default 'right'. */
  paddingSide?: 'left' | 'right';
}

export interface BatchOrderOptions {
  /** Tokens of each example. */
  lengths: readonly number[];
  /** Examples in a batch. */
  batchSize: number;
  seed: number;
  /** 0-based. */
  epoch: number;
  /** Put examples of like length together. Default false. */
  groupByLength?: boolean;
  /** Drop the last batch if it is not full. Default false. */
  dropLast?: boolean;
  /** Keep the records' own order (evaluation). Default true. */
  shuffle?: boolean;
}
