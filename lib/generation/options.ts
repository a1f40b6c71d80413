/**
 * What may be asked of generation, named as transformers' GenerationConfig, checked once before anything runs.
 */
import { z } from 'zod';
import type { Architecture } from '../models';
import { TunebookError } from '../types';
import type { Tokenizer } from '../types';

/** A token as it is generated. */
export interface TokenEvent {
  /** Row of `inputIds`, from 0. */
  readonly row: number;
  /** How many tokens this row had generated before, from 0. */
  readonly index: number;
  readonly token: number;
}

/** Options of `generate`. Fields that only concern sampling are ignored without `doSample`, as in transformers. */
export interface GenerateOptions {
  /** Prompts as token ids. Rows may differ in length; padding is not needed. */
  inputIds: readonly (readonly number[])[];
  /** 1 for real tokens, 0 for padding, one row per prompt; default: all are real. */
  attentionMask?: readonly (readonly number[])[];
  /** Most tokens to generate per row; default 20. A row also ends at the model's longest context. */
  maxNewTokens?: number;
  /** No end-of-sequence token before so many new ones; default 0. */
  minNewTokens?: number;
  /** Draw from the distribution instead of taking the most likely token; default false. */
  doSample?: boolean;
  /** Divides the logits: below 1 sharper, above 1 flatter; default 1. */
  temperature?: number;
  /** Draw only from so many most likely tokens; 0: from all. Default 50. */
  topK?: number;
  /** Draw only from the most likely tokens that together reach this probability; default 1: all. */
  topP?: number;
  /** Over 1: makes tokens of the prompt and of the answer so far less likely (Keskar et al. 2019); default 1. */
  repetitionPenalty?: number;
  /** Tokens that end a row; default the model configuration's `eos_token_id`. null: none. */
  eosTokenId?: number | readonly number[] | null;
  /** Fills `sequences`; default the configuration's `pad_token_id`, then the first end-of-sequence token. */
  padTokenId?: number | null;
  /** Texts that end a row once the new tokens contain one; needs `tokenizer`. */
  stopStrings?: string | readonly string[];
  /** Turns tokens into text for `stopStrings`. */
  tokenizer?: Pick<Tokenizer, 'decode'>;
  /** Seed of the draws; default 0. The same seed, prompts and weights give the same tokens. */
  seed?: number;
  /** Keep keys and values of earlier tokens instead of computing them again; default true. */
  useCache?: boolean;
  /** Called with every token as it is generated, rows in order within a step. */
  onToken?: (event: TokenEvent) => void;
  /** Stops between two tokens with the signal's reason as the error. */
  signal?: AbortSignal;
}

const tokenId = z.int().min(0);
const rows = z.array(z.array(z.number()));
const isFunction = (value: unknown): boolean => typeof value === 'function';
const optionsSchema = z.strictObject({
  inputIds: rows.min(1),
  attentionMask: rows.optional(),
  maxNewTokens: z.int().min(1).default(20),
  minNewTokens: z.int().min(0).default(0),
  doSample: z.boolean().default(false),
  temperature: z.number().positive().default(1),
  topK: z.int().min(0).default(50),
  topP: z.number().positive().max(1).default(1),
  repetitionPenalty: z.number().positive().default(1),
  eosTokenId: z.union([tokenId, z.array(tokenId)]).nullish(),
  padTokenId: tokenId.nullish(),
  stopStrings: z.union([z.string().min(1), z.array(z.string().min(1))]).default([]),
  tokenizer: z
    .custom<Pick<Tokenizer, 'decode'>>((value) => isFunction((value as Tokenizer | null)?.decode))
    .optional(),
  seed: z.int().default(0),
  useCache: z.boolean().default(true),
  onToken: z.custom<(event: TokenEvent) => void>(isFunction).optional(),
  signal: z.instanceof(AbortSignal).optional(),
});

/** The options with every default filled in. */
export interface GenerationPlan {
  /** Real tokens of each row. */
  readonly prompts: readonly (readonly number[])[];
  /** Most new tokens of each row. */
  readonly limits: readonly number[];
  readonly minNewTokens: number;
  readonly sampling?: SamplingPlan;
  readonly repetitionPenalty: number;
  readonly endTokens: readonly number[];
  /** Absent where no row can need it. */
  readonly padTokenId?: number;
  readonly stopStrings: readonly string[];
  readonly tokenizer?: Pick<Tokenizer, 'decode'>;
  readonly useCache: boolean;
  readonly onToken?: (event: TokenEvent) => void;
  readonly signal?: AbortSignal;
}

/** How to draw a token. */
export interface SamplingPlan {
  readonly temperature: number;
  /** 0: all tokens. */
  readonly topK: number;
  readonly topP: number;
  readonly seed: number;
}

/** @throws TunebookError that lists what cannot be used: unknown options, ids outside the vocabulary, long prompts. */
export function generationPlan(architecture: Architecture, options: GenerateOptions): GenerationPlan {
  const parsed = optionsSchema.safeParse(options);
  if (!parsed.success) throw new TunebookError(`generate: ${z.prettifyError(parsed.error)}`);
  const { inputIds, attentionMask, maxNewTokens, doSample, temperature, topK, topP, seed, ...rest } =
    parsed.data;
  const prompts = realTokens(inputIds, attentionMask);
  const { maxPositions, vocabSize } = architecture;
  prompts.forEach((prompt, row) => checkPrompt(prompt, row, { maxPositions, vocabSize }));
  if (rest.stopStrings.length > 0 && rest.tokenizer === undefined) {
    throw new TunebookError(
      "generate: expected a tokenizer with stopStrings, got none. Pass the model's own.",
    );
  }
  const endTokens = listOf(
    rest.eosTokenId === undefined ? configured(architecture, 'eos_token_id') : rest.eosTokenId,
  );
  const stopStrings = typeof rest.stopStrings === 'string' ? [rest.stopStrings] : rest.stopStrings;
  const padTokenId = rest.padTokenId ?? listOf(configured(architecture, 'pad_token_id'))[0] ?? endTokens[0];
  const mayNeedPadding =
    prompts.length > 1 &&
    (endTokens.length > 0 || stopStrings.length > 0 || prompts.some((p) => p.length !== prompts[0].length));
  if (padTokenId === undefined && mayNeedPadding) {
    throw new TunebookError(
      'generate: expected a padTokenId where rows end at different lengths, got none. ' +
        'Pass padTokenId (GPT-2 uses its end-of-sequence token, 50256).',
    );
  }
  return {
    ...rest,
    prompts,
    limits: prompts.map((prompt) => Math.min(maxNewTokens, maxPositions - prompt.length)),
    sampling: doSample ? { temperature, topK, topP, seed } : undefined,
    endTokens,
    padTokenId,
    stopStrings,
  };
}

// Positions count real tokens only and nothing attends to padding, so a row without its padding is the same row.
function realTokens(inputIds: readonly number[][], mask: readonly number[][] | undefined): number[][] {
  if (mask === undefined) return inputIds.map((row) => [...row]);
  const fits = mask.length === inputIds.length && mask.every((row, b) => row.length === inputIds[b].length);
  if (!fits) {
    throw new TunebookError(
      `generate: expected attentionMask rows as long as those of inputIds (${lengths(inputIds)}), got ${lengths(mask)}.`,
    );
  }
  return inputIds.map((row, b) => row.filter((_, t) => mask[b][t] !== 0));
}

function lengths(rowsOfIds: readonly number[][]): string {
  return rowsOfIds.map((row) => row.length).join(', ');
}

function checkPrompt(
  prompt: readonly number[],
  row: number,
  limits: { maxPositions: number; vocabSize: number },
): void {
  const { maxPositions, vocabSize } = limits;
  if (prompt.length === 0) {
    throw new TunebookError(
      `generate: expected at least one token in each prompt, got none in row ${row}. ` +
        `To start from nothing, pass the beginning-of-sequence token.`,
    );
  }
  if (prompt.length >= maxPositions) {
    throw new TunebookError(
      `generate: expected prompts under the model's context of ${maxPositions} tokens, got ${prompt.length} in ` +
        `row ${row}. Shorten the prompt, or use a model with a longer context.`,
    );
  }
  const wrong = prompt.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabSize);
  if (wrong !== undefined) {
    throw new TunebookError(
      `generate: expected token ids from 0 to ${vocabSize - 1}, got ${wrong} in row ${row}. ` +
        `The tokenizer does not fit this model.`,
    );
  }
}

function configured(architecture: Architecture, field: string): number | number[] | null {
  const parsed = z.union([tokenId, z.array(tokenId)]).safeParse(architecture.toJson()[field]);
  return parsed.success ? parsed.data : null;
}

function listOf(value: number | readonly number[] | null | undefined): readonly number[] {
  if (value === null || value === undefined) return [];
  return typeof value === 'number' ? [value] : value;
}
