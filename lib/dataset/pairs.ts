/**
 * Preference pairs: from records with a better and a worse answer to token ids. Prompt and answers are encoded apart and
 * joined as ids, as in `encodeRecords`.
 */
import type { z } from 'zod';
import { requireOptions } from '../options';
import { requireTemplate } from '../prompts';
import type { PromptTemplate } from '../prompts';
import { lazySchema, prettifyError } from '../schema';
import { firstOf, requireList, requireObject, TunebookError } from '../types';
import type { Tokenizer } from '../types';
import { requireEos } from './encode';
import { shorten } from './texts/encode-fields';
import { summarize } from './encoding-report';
import { placeOf } from './files/places';
import type { DataRecord } from './files/row';
import { encodeAnswers, UselessPair } from './pair-answers';
import type { EncodedPair } from './pair-answers';
import type { LengthSummary } from './types';

/** How records become pairs. */
export interface EncodePairsOptions {
  tokenizer: Tokenizer;
  /**
   * Makes the prompt from a record's fields, and takes each answer as `{response}`. Default: the record's own `prompt`
   * is the whole prompt; messages go through the tokenizer's chat template.
   */
  template?: PromptTemplate;
  /** Tokens of prompt and longer answer. Default: the tokenizer's `modelMaxLength`. */
  maxLength?: number;
  /**
   * What gives way in a pair that is too long: the prompt's beginning or middle, the pair, or the answers' ends
   * ('keep_start', as TRL). Default 'middle'.
   */
  truncation?: 'left' | 'middle' | 'drop' | 'keep_start';
  /** End each answer with the end-of-text token, unless it ends so, or a chat template ends the turn. Default true. */
  appendEos?: boolean;
}

/** What became of the records: how many were kept, cut and dropped, and how long they are in tokens. */
export interface PairReport {
  readonly total: number;
  readonly kept: number;
  /** Pairs that were shortened, by so many tokens in all. */
  readonly truncated: readonly { readonly index: number; readonly removedTokens: number }[];
  /** Records that were left out, with where they stand in their file. */
  readonly dropped: readonly { readonly index: number; readonly where: string; readonly reason: string }[];
  /** Index in `records` of each kept pair. */
  readonly sourceIndex: readonly number[];
  readonly promptTokens: LengthSummary;
  readonly chosenTokens: LengthSummary;
  readonly rejectedTokens: LengthSummary;
}

const PASS_TOKENIZER = "Pass { tokenizer: await AutoTokenizer.fromPretrained('gpt2') }.";
const LOAD = "Pass (await loadRecords('pairs.jsonl')).records.";
const NAMED = 3;

const settingsSchema = lazySchema((z) =>
  z.object({
    maxLength: z.custom<number>(
      (value) => value === Infinity || (Number.isInteger(value) && Number(value) >= 2),
      'expected an integer of at least 2, or Infinity',
    ),
    truncation: z.enum(['left', 'middle', 'drop', 'keep_start']).default('middle'),
    appendEos: z.boolean().default(true),
  }),
);

type Settings = z.infer<ReturnType<typeof settingsSchema>>;

/**
 * Encodes preference pairs: records with `prompt`, `chosen` and `rejected`, which are texts or lists of messages; without
 * `prompt` what both sides begin with is the prompt, as in TRL. A pair that teaches nothing (equal sides, an empty one) is left out, named with its line
 * and counted on the console, and so is every cut.
 *
 * @throws TunebookError where an option is wrong, or a record lacks a field or has another kind of value in it.
 * @example
 * ```ts
 * import { AutoTokenizer, encodePairs } from 'tunebook';
 *
 * const tokenizer = await AutoTokenizer.fromPretrained('gpt2');
 * const records = [{ prompt: 'How was it?\n', chosen: 'Faster than expected.', rejected: 'Slower.' }];
 * const { pairs, report } = encodePairs(records, { tokenizer });
 * console.log(tokenizer.decode([...(pairs[0]?.rejectedIds ?? [])]), report.kept);
 * ```
 */
export function encodePairs(
  records: readonly DataRecord[],
  options: EncodePairsOptions,
): { pairs: EncodedPair[]; report: PairReport } {
  requireList(records, { where: 'encodePairs', what: 'a list of records', remedy: LOAD });
  const settings = settingsOf(options);
  const { tokenizer } = options;
  const pairs: EncodedPair[] = [];
  const truncated: { index: number; removedTokens: number }[] = [];
  const dropped: { index: number; where: string; reason: string }[] = [];
  const sourceIndex: number[] = [];
  const end = (): number[] => (settings.appendEos ? [requireEos(tokenizer, 'encodePairs')] : []);
  for (const [index, record] of records.entries()) {
    const where = placeOf(record, index);
    try {
      requireObject(record, { where: 'encodePairs', what: 'a record, an object with fields' });
      const whole = encodeAnswers(record, { tokenizer, template: options.template, end });
      const pair = fit(whole, tokenizer, settings);
      pairs.push(pair);
      sourceIndex.push(index);
      const removedTokens = tokensIn(whole) - tokensIn(pair);
      if (removedTokens > 0) truncated.push({ index, removedTokens });
    } catch (error) {
      if (error instanceof UselessPair) dropped.push({ index, where, reason: error.message });
      else if (error instanceof TunebookError)
        throw new TunebookError(`encodePairs, ${where}: ${error.message.replace(/\.?$/, '.')}`, {
          cause: error,
        });
      else throw error;
    }
  }
  const lengths = (ids: keyof EncodedPair): LengthSummary => summarize(pairs.map((pair) => pair[ids].length));
  const report: PairReport = {
    ...{ total: records.length, kept: pairs.length, truncated, dropped, sourceIndex },
    promptTokens: lengths('promptIds'),
    chosenTokens: lengths('chosenIds'),
    rejectedTokens: lengths('rejectedIds'),
  };
  warn(report, settings);
  return { pairs, report };
}

const tokensIn = ({ promptIds, chosenIds, rejectedIds }: EncodedPair): number =>
  promptIds.length + chosenIds.length + rejectedIds.length;

/** The pair within the length. @throws UselessPair where it does not go in */
function fit(pair: EncodedPair, tokenizer: Tokenizer, { maxLength, truncation }: Settings): EncodedPair {
  const { promptIds, chosenIds, rejectedIds } = pair;
  if (promptIds.length === 0) throw new UselessPair('the prompt is empty');
  if (chosenIds.join() === rejectedIds.join())
    throw new UselessPair('chosen and rejected are equal as tokens');
  const answer = Math.max(chosenIds.length, rejectedIds.length);
  if (promptIds.length + answer <= maxLength) return pair;
  if (truncation === 'drop')
    throw new UselessPair(`${promptIds.length + answer} tokens, ${maxLength} allowed`);
  if (truncation === 'keep_start') {
    const limit = maxLength - promptIds.length;
    if (limit < 1) throw new UselessPair(`the prompt alone has ${promptIds.length} tokens of ${maxLength}`);
    const [chosen, rejected] = [chosenIds.slice(0, limit), rejectedIds.slice(0, limit)];
    if (chosen.join() === rejected.join())
      throw new UselessPair(`chosen and rejected are equal in the ${maxLength} tokens that are kept`);
    return { promptIds, chosenIds: chosen, rejectedIds: rejected };
  }
  const limit = maxLength - answer;
  if (limit < 1) throw new UselessPair(`an answer alone has ${answer} tokens of ${maxLength}`);
  const side = { side: truncation, bosTokenId: tokenizer.bosTokenId };
  return { ...pair, promptIds: shorten(promptIds, limit, side) };
}

function settingsOf(options: EncodePairsOptions): Settings {
  const where = 'encodePairs';
  requireObject(options, { where, what: 'options with a tokenizer', remedy: PASS_TOKENIZER });
  requireOptions<EncodePairsOptions>(options, {
    where,
    names: { tokenizer: true, template: true, maxLength: true, truncation: true, appendEos: true },
  });
  requireObject(options.tokenizer, {
    ...{ where, what: 'a tokenizer', remedy: PASS_TOKENIZER },
    fields: ['encode', 'modelMaxLength'],
  });
  if (options.template !== undefined) requireTemplate(options.template, where);
  const { truncation, appendEos, maxLength = options.tokenizer.modelMaxLength } = options;
  const parsed = settingsSchema().safeParse({ maxLength, truncation, appendEos });
  if (!parsed.success) throw new TunebookError(`encodePairs: ${prettifyError(parsed.error)}`);
  return parsed.data;
}

/** What is left out or cut is shown where a person looks: the console, a cell's output. */
function warn({ dropped, truncated, total }: PairReport, { maxLength, truncation }: Settings): void {
  if (dropped.length > 0) {
    const named = firstOf(
      dropped.map(({ where, reason }) => `${where}: ${reason}`),
      { most: NAMED, of: ', in report.dropped' },
    );
    console.warn(`encodePairs: ${dropped.length} of ${total} pairs were left out (${named}).`);
  }
  if (truncated.length === 0) return;
  const what = truncation === 'keep_start' ? 'answers, at their end' : 'prompts';
  console.warn(
    `encodePairs: ${truncated.length} of ${total} pairs were cut to ${maxLength} tokens (${what}; report.truncated).`,
  );
}
