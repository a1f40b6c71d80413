/**
 * What may be asked of generation, named as transformers' GenerationConfig, checked once before anything runs.
 */
import { lazySchema, prettifyError } from '../schema';
import type { Architecture } from '../models';
import { TunebookError } from '../types';
import type { TokenLogprobs } from './logits';
import { eosTokenIds, modelDefaults } from './model-defaults';
import type { ModelDefaults } from './model-defaults';
import type { Tokenizer } from '../types';

/** A token as it is generated. */
export interface TokenEvent {
  /** Row of `inputIds`, from 0. */
  readonly row: number;
  /** How many tokens this row had generated before, from 0. */
  readonly index: number;
  readonly token: number;
  /** Where `topLogprobs` asks for it. */
  readonly logprobs?: TokenLogprobs;
}

/**
 * Tokens that may come next in a row; at least one.
 * @param batchId row of `inputIds`, from 0
 * @param inputIds the row's prompt without padding, and its new tokens
 */
export type PrefixAllowedTokensFn = (batchId: number, inputIds: readonly number[]) => readonly number[];

/**
 * Options of `generate`. What is not given comes from the model's generation_config.json, then from the defaults below.
 * Fields that only concern sampling are ignored without `doSample`, as in transformers.
 */
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
  /**
   * Tokens that end a row; default the `eos_token_id` of config.json and generation_config.json together. null: none.
   */
  eosTokenId?: number | readonly number[] | null;
  /** Fills `sequences`; default the files' `pad_token_id`, then the first end-of-sequence token. */
  padTokenId?: number | null;
  /** Texts that end a row once the new tokens contain one; needs `tokenizer`. */
  stopStrings?: string | readonly string[];
  /** Turns tokens into text for `stopStrings`. */
  tokenizer?: Pick<Tokenizer, 'decode'>;
  /** Restricts each next token; `restrictToTexts` makes one. Default: every token is allowed. */
  prefixAllowedTokensFn?: PrefixAllowedTokensFn;
  /** Seed of the draws; default 0. The same seed, prompts and weights give the same tokens. */
  seed?: number;
  /** Gives each token's log-probability, and those of so many most likely tokens; default: none. */
  topLogprobs?: number;
  /**
   * Guesses so many tokens ahead by what followed the last ones earlier in prompt and answer, and computes them in one
   * pass: the same tokens, drawn ones too (as far as a pass of several tokens rounds as passes of one), in less time where
   * answers copy from their prompts. For one prompt a call, on the CPU. Default: none.
   */
  promptLookupNumTokens?: number;
  /** Most of the last tokens that `promptLookupNumTokens` looks for; default 2. */
  maxMatchingNgramSize?: number;
  /** Keep keys and values of earlier tokens instead of computing them again; default true. */
  useCache?: boolean;
  /**
   * Type of the weights that tokens are computed by. 'float32': exactly the model's own. 'q8': codes of 8 bits (int4's
   * own of 4), multiplied as integers, made at the first call and kept: on the CPU several times faster, and rounded, so
   * that now and then another token follows. Layers on disk, and those whose codes find no memory, are computed exactly;
   * where no layer can be coded (a GPU, DoRA, no cache) all are, and a line says so. 'auto', the default: 'q8' for
   * frozen weights of 4 bits, which are slow to read exactly, and 'float32' for all others.
   */
  dtype?: GenerationDtype;
  /** false: generation_config.json is passed over, its end-of-sequence tokens excepted; default true. */
  useModelDefaults?: boolean;
  /** Called with every token as it is generated, rows in order within a step. */
  onToken?: (event: TokenEvent) => void;
  /** Stops between two tokens with the signal's reason as the error. */
  signal?: AbortSignal;
}

/** Types of weights that generation can compute by. */
const GENERATION_DTYPES = ['auto', 'float32', 'q8'] as const;
/** One of them. */
export type GenerationDtype = (typeof GENERATION_DTYPES)[number];

const tokenId = lazySchema((z) => z.int().min(0));
const rows = lazySchema((z) => z.array(z.array(z.number())));
const isFunction = (value: unknown): boolean => typeof value === 'function';
const optionsSchema = lazySchema((z) =>
  z.strictObject({
    inputIds: rows().min(1),
    attentionMask: rows().optional(),
    maxNewTokens: z.int().min(1).optional(),
    minNewTokens: z.int().min(0).optional(),
    doSample: z.boolean().optional(),
    temperature: z.number().positive().optional(),
    topK: z.int().min(0).optional(),
    topP: z.number().positive().max(1).optional(),
    repetitionPenalty: z.number().positive().optional(),
    eosTokenId: z.union([tokenId(), z.array(tokenId())]).nullish(),
    padTokenId: tokenId().nullish(),
    stopStrings: z.union([z.string().min(1), z.array(z.string().min(1))]).optional(),
    tokenizer: z
      .custom<Pick<Tokenizer, 'decode'>>((value) => isFunction((value as Tokenizer | null)?.decode))
      .optional(),
    prefixAllowedTokensFn: z.custom<PrefixAllowedTokensFn>(isFunction).optional(),
    seed: z.int().default(0),
    topLogprobs: z.int().min(0).optional(),
    promptLookupNumTokens: z.int().min(1).optional(),
    maxMatchingNgramSize: z.int().min(1).default(2),
    useCache: z.boolean().default(true),
    dtype: z.enum(GENERATION_DTYPES).default('auto'),
    useModelDefaults: z.boolean().default(true),
    onToken: z.custom<(event: TokenEvent) => void>(isFunction).optional(),
    signal: z.instanceof(AbortSignal).optional(),
  }),
);

/** The options with every default filled in. */
export interface GenerationSettings {
  /** Real tokens of each row. */
  readonly prompts: readonly (readonly number[])[];
  /** Most new tokens of each row. */
  readonly limits: readonly number[];
  /** Fewest new tokens of each row. */
  readonly minimums: readonly number[];
  readonly sampling?: SamplingSettings;
  readonly repetitionPenalty: number;
  readonly endTokens: readonly number[];
  /** Absent where no row can need it. */
  readonly padTokenId?: number;
  readonly stopStrings: readonly string[];
  readonly tokenizer?: Pick<Tokenizer, 'decode'>;
  readonly prefixAllowedTokensFn?: PrefixAllowedTokensFn;
  /** How many of the most likely tokens are given beside each; absent: no log-probabilities. */
  readonly topLogprobs?: number;
  /** Of one row, with a cache. */
  readonly promptLookup?: PromptLookup;
  readonly useCache: boolean;
  readonly dtype: GenerationDtype;
  readonly onToken?: (event: TokenEvent) => void;
  readonly signal?: AbortSignal;
}

/** How far to look ahead, and by how much to look. */
export interface PromptLookup {
  /** Most guesses of a pass. */
  readonly numTokens: number;
  /** Most of the last tokens that are looked for; fewer where so many are not found. */
  readonly maxMatchingNgramSize: number;
}

/** How to draw a token. */
export interface SamplingSettings {
  readonly temperature: number;
  /** 0: all tokens. */
  readonly topK: number;
  readonly topP: number;
  readonly seed: number;
}

/** Without a length from anywhere; transformers' own. */
const MAX_NEW_TOKENS = 20;

/** What settings need to know of a model. */
export interface GenerationModel {
  readonly architecture: Architecture;
  /** Content of generation_config.json, where the model came with one. */
  readonly generationConfig?: Readonly<Record<string, unknown>>;
}

/** @throws TunebookError that lists what cannot be used: unknown options, ids outside the vocabulary, long prompts. */
export function generationSettings(model: GenerationModel, options: GenerateOptions): GenerationSettings {
  const parsed = optionsSchema().safeParse(options);
  if (!parsed.success) throw new TunebookError(`generate: ${prettifyError(parsed.error)}`);
  const { architecture } = model;
  const { inputIds, attentionMask, seed, useModelDefaults, ...call } = parsed.data;
  const own = modelDefaults(useModelDefaults ? model.generationConfig : undefined);
  const prompts = realTokens(inputIds, attentionMask);
  const { maxPositions, vocabSize } = architecture;
  prompts.forEach((prompt, row) => checkPrompt(prompt, row, { maxPositions, vocabSize }));
  const stopStrings = [call.stopStrings ?? own.stopStrings ?? []].flat();
  if (stopStrings.length > 0 && call.tokenizer === undefined) {
    throw new TunebookError(
      "generate: expected a tokenizer with stopStrings, got none. Pass the model's own.",
    );
  }
  const { promptLookupNumTokens: numTokens, maxMatchingNgramSize, useCache } = call;
  if (numTokens !== undefined && (prompts.length > 1 || !useCache))
    throw new TunebookError(
      'generate: expected one prompt and a cache with promptLookupNumTokens, got ' +
        `${useCache ? `${prompts.length} prompts` : 'useCache: false'}. Ask one after the other, or leave it out.`,
    );
  const endTokens =
    call.eosTokenId === undefined
      ? modelEndTokens(model)
      : call.eosTokenId === null
        ? []
        : [call.eosTokenId].flat();
  const [configured] = numbersOf(architecture.toJson().pad_token_id);
  const padTokenId = call.padTokenId ?? own.padTokenId ?? configured ?? endTokens[0];
  const mayNeedPadding =
    prompts.length > 1 &&
    (endTokens.length > 0 || stopStrings.length > 0 || prompts.some((p) => p.length !== prompts[0].length));
  if (padTokenId === undefined && mayNeedPadding) {
    throw new TunebookError(
      'generate: expected a padTokenId where rows end at different lengths, got none. ' +
        'Pass padTokenId (GPT-2 uses its end-of-sequence token, 50256).',
    );
  }
  const { temperature = own.temperature ?? 1, topK = own.topK ?? 50, topP = own.topP ?? 1 } = call;
  return {
    prompts,
    limits: prompts.map(({ length }) =>
      Math.min(mostNew(length, call.maxNewTokens, own), maxPositions - length),
    ),
    minimums: prompts.map(
      ({ length }) => call.minNewTokens ?? own.minNewTokens ?? Math.max(0, (own.minLength ?? 0) - length),
    ),
    sampling: (call.doSample ?? own.doSample ?? false) ? { temperature, topK, topP, seed } : undefined,
    repetitionPenalty: call.repetitionPenalty ?? own.repetitionPenalty ?? 1,
    endTokens,
    padTokenId,
    stopStrings,
    tokenizer: call.tokenizer,
    prefixAllowedTokensFn: call.prefixAllowedTokensFn,
    topLogprobs: call.topLogprobs,
    promptLookup: numTokens === undefined ? undefined : { numTokens, maxMatchingNgramSize },
    useCache,
    dtype: call.dtype,
    onToken: call.onToken,
    signal: call.signal,
  };
}

/** Most tokens after a prompt; a `max_length` of the model that the prompt already fills leaves one. */
function mostNew(prompt: number, given: number | undefined, own: ModelDefaults): number {
  if (given !== undefined) return given;
  if (own.maxNewTokens !== undefined) return Math.max(1, own.maxNewTokens);
  return own.maxLength === undefined ? MAX_NEW_TOKENS : Math.max(1, own.maxLength - prompt);
}

/** Tokens that end a row, as config.json and generation_config.json have them, each once. */
export function modelEndTokens({ architecture, generationConfig }: GenerationModel): number[] {
  return [...new Set([...eosTokenIds(architecture.toJson()), ...eosTokenIds(generationConfig)])];
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

function numbersOf(value: unknown): number[] {
  return typeof value === 'number' && value >= 0 ? [value] : [];
}
