/**
 * The types that this room gives to its users.
 */
import type { PromptTemplate, RecordKind } from '../prompts';
import type { ConversationReport } from './conversations/types';

import type { Batch, EncodedExample, Tokenizer } from '../types';

/** How records become token ids and labels. */
export interface EncodeOptions {
  tokenizer: Tokenizer;
  /**
   * Default: for conversations and Alpaca's records `chatTemplate({ tokenizer })`, for `prompt` and `completion` these
   * texts as they are, else `instructionTemplate()`.
   */
  template?: PromptTemplate;
  /** What the records are. Default 'auto': found out by their fields and said on the console. */
  format?: RecordKind | 'auto';
  /** Which turns of a conversation are learned: all of the assistant's, or the last. Default 'assistant'. */
  trainOn?: 'assistant' | 'last';
  /**
   * Whether conversations that nothing can be learned from (roles out of order, empty turns, calls of tools without an
   * answer) are an error or left out and reported. Default 'refuse'.
   */
  invalidRecords?: 'refuse' | 'drop';
  /** Tokens, prompt + response + end-of-text. Default: the tokenizer's `modelMaxLength`. */
  maxLength?: number;
  /** 'response': loss on the response and its end-of-text only. 'all': on the prompt too. Default 'response'. */
  labels?: 'response' | 'all';
  /**
   * What happens to an example that is too long; 'drop' leaves it out. A prompt is cut on its 'left' or in its 'middle'
   * (default), its response never. A conversation loses whole 'turns' at its end (default), or is cut on its 'right', as
   * TRL does, be it within a turn. A plain text is cut on its 'right' (default).
   */
  truncation?: 'left' | 'middle' | 'drop' | 'turns' | 'right';
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
  /** What the records were taken as. */
  format: RecordKind;
  total: number;
  /** Records of which there are examples. */
  kept: number;
  /** Examples that were shortened. */
  truncated: readonly { index: number; removedTokens: number }[];
  dropped: readonly { index: number; tokens: number; reason: string }[];
  /** Index in `records` of each example. */
  sourceIndex: readonly number[];
  promptTokens: LengthSummary;
  responseTokens: LengthSummary;
  sequenceTokens: LengthSummary;
  totalTokens: number;
  /** Tokens that the loss sees (labels that are not -100, the first position not counted). */
  lossTokens: number;
  /** Of conversations only: their turns. */
  conversations?: ConversationReport;
}

/** Makes a padded batch of a few examples. */
export type DataCollator = (examples: readonly EncodedExample[]) => Batch;

/** How a collator pads. */
export interface CollatorOptions {
  padTokenId: number;
  /** Longest batch allowed, tokens; a longer example is an error. */
  maxLength: number;
  /** Lengths that batches are padded to, ascending. Default 32, 64, 96, 128, 192, 256, 384, 512, ... up to maxLength. */
  buckets?: readonly number[];
  /** Default 'right'. */
  paddingSide?: 'left' | 'right';
}

/** What decides the order of an epoch's batches. */
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
