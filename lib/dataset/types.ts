/**
 * The types that this room gives to its users.
 */
import type { PromptTemplate } from '../prompts';
import type { Batch, EncodedExample, Tokenizer } from '../types';

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
