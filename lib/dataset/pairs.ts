/**
 * Preference pairs: from records with a better and a worse answer to token ids. Prompt and answers are encoded apart and
 * joined as ids, as in `encodeRecords`.
 */
import type { z } from 'zod';
import { requireOptions } from '../options';
import { requireTemplate } from '../prompts';
import type { PromptTemplate } from '../prompts';
import { lazySchema, prettifyError } from '../schema';
import { promptIds } from '../tokenizer';
import { firstOf, kindOf, requireList, requireObject, TunebookError } from '../types';
import type { JsonValue, Tokenizer } from '../types';
import { requireEos, responseIds, shorten, summarize } from './encode';
import { placeOf } from './files/places';
import type { DataRecord } from './files/row';
import type { LengthSummary } from './types';

/** A preference pair as token ids, as `DPOTrainer` and `ORPOTrainer` take it. */
export interface EncodedPair {
  readonly promptIds: readonly number[];
  /** The better answer, with the end of the text or the turn. */
  readonly chosenIds: readonly number[];
  /** The worse answer. */
  readonly rejectedIds: readonly number[];
}

/** How records become pairs. */
export interface EncodePairsOptions {
  tokenizer: Tokenizer;
  /**
   * Makes the prompt from a record's fields, and takes each answer as `{response}`. Default: the record's own `prompt`
   * is the whole prompt.
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
 * Encodes preference pairs: records with `prompt`, `chosen` and `rejected` texts; without `prompt` what both answers begin
 * with is the prompt, as in TRL. A pair that teaches nothing (equal sides, an empty one) is left out, named with its line
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
  for (const [index, record] of records.entries()) {
    const where = placeOf(record) ?? `record ${index}`;
    const texts = textsOf(record, { where, template: options.template });
    const fault = 'fault' in texts ? texts.fault : undefined;
    const fitted =
      'fault' in texts ? undefined : fit(encode(texts, { tokenizer, settings }), tokenizer, settings);
    if (fitted === undefined || 'fault' in fitted) {
      dropped.push({ index, where, reason: fault ?? fitted?.fault ?? '' });
      continue;
    }
    pairs.push(fitted.pair);
    sourceIndex.push(index);
    if (fitted.removedTokens > 0) truncated.push({ index, removedTokens: fitted.removedTokens });
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

/** Prompt and answers as text. */
interface PairTexts {
  readonly prompt: string;
  readonly chosen: AnswerText;
  readonly rejected: AnswerText;
}

/** An answer, and how a template writes it after its prompt. */
type AnswerText = Parameters<typeof responseIds>[0];

/** @returns the texts, or why the pair teaches nothing */
function textsOf(
  record: DataRecord,
  { where, template }: { where: string; template: PromptTemplate | undefined },
): PairTexts | { fault: string } {
  requireObject(record, { where: `encodePairs, ${where}`, what: 'a record, an object with fields' });
  const [chosen, rejected] = [textIn(record, 'chosen', where), textIn(record, 'rejected', where)];
  if (chosen === rejected) return { fault: 'chosen and rejected are equal' };
  for (const [side, text] of Object.entries({ chosen, rejected }))
    if (text.trim() === '') return { fault: `the ${side} answer is empty` };
  if (template !== undefined) return templated(record, { where, template, chosen, rejected });
  const plain = (response: string): AnswerText => ({ response, turn: undefined });
  if (record.prompt !== undefined) {
    const prompt = textIn(record, 'prompt', where);
    if (prompt === '') return { fault: 'the prompt is empty' };
    return { prompt, chosen: plain(chosen), rejected: plain(rejected) };
  }
  const shared = sharedStart(chosen, rejected);
  if (shared === 0) return { fault: 'there is no prompt, and the answers have no beginning in common' };
  const [own, other] = [chosen.slice(shared), rejected.slice(shared)];
  if (own.trim() === '' || other.trim() === '')
    return {
      fault: `the ${own.trim() === '' ? 'chosen' : 'rejected'} answer is empty after what both begin with`,
    };
  return { prompt: chosen.slice(0, shared), chosen: plain(own), rejected: plain(other) };
}

function templated(
  record: DataRecord,
  given: { where: string; template: PromptTemplate; chosen: string; rejected: string },
): PairTexts {
  const { where, template } = given;
  const answer = (response: string): { prompt: string; answer: AnswerText } => {
    const side = { ...record, response };
    const turn = template.formatTurn?.(side);
    return {
      prompt: turn?.prompt ?? template.formatPrompt(side),
      answer: { response: template.formatResponse(side), turn },
    };
  };
  try {
    const [chosen, rejected] = [answer(given.chosen), answer(given.rejected)];
    return { prompt: chosen.prompt, chosen: chosen.answer, rejected: rejected.answer };
  } catch (error) {
    if (!(error instanceof TunebookError)) throw error;
    throw new TunebookError(`encodePairs, ${where}: ${error.message}`, { cause: error });
  }
}

/** @throws TunebookError where a field is missing or no text */
function textIn(record: DataRecord, field: string, where: string): string {
  const value: JsonValue | undefined = Object.hasOwn(record, field) ? record[field] : undefined;
  if (typeof value === 'string') return value;
  if (value === undefined)
    throw new TunebookError(
      `encodePairs, ${where}: expected the field "${field}", got a record with ${Object.keys(record).join(', ') || 'no field'}. ` +
        'Map it with fieldMapping in loadRecords.',
    );
  throw new TunebookError(
    `encodePairs, ${where}: expected a text in "${field}", got ${kindOf(value)}. Pairs are texts: prompt, chosen, rejected.`,
  );
}

/** Length of what two texts begin with; a space before the first difference belongs to the answers, as in TRL. */
function sharedStart(a: string, b: string): number {
  const most = Math.min(a.length, b.length);
  let length = 0;
  while (length < most && a[length] === b[length]) length++;
  // Not between the halves of one character.
  if (length > 0 && /[\uD800-\uDBFF]/.test(a[length - 1])) length--;
  return length > 0 && a[length - 1] === ' ' ? length - 1 : length;
}

function encode(
  { prompt, chosen, rejected }: PairTexts,
  { tokenizer, settings }: { tokenizer: Tokenizer; settings: Settings },
): EncodedPair {
  const ids = promptIds(tokenizer, prompt);
  const end = (): number[] => (settings.appendEos ? [requireEos(tokenizer, 'encodePairs')] : []);
  const answer = (text: AnswerText): number[] => {
    const own = responseIds(text, { tokenizer, prompt: ids, end });
    // An answer that ends in the end-of-text token needs no second one.
    return own.length > 2 && own.at(-1) === own.at(-2) && own.at(-1) === tokenizer.eosTokenId
      ? own.slice(0, -1)
      : own;
  };
  return { promptIds: ids, chosenIds: answer(chosen), rejectedIds: answer(rejected) };
}

/** @returns the pair within the length, or why it does not go in */
function fit(
  pair: EncodedPair,
  tokenizer: Tokenizer,
  { maxLength, truncation }: Settings,
): { pair: EncodedPair; removedTokens: number } | { fault: string } {
  const { promptIds: prompt, chosenIds, rejectedIds } = pair;
  if (prompt.length === 0) return { fault: 'the prompt is empty' };
  if (chosenIds.join() === rejectedIds.join()) return { fault: 'chosen and rejected are equal as tokens' };
  const answer = Math.max(chosenIds.length, rejectedIds.length);
  if (prompt.length + answer <= maxLength) return { pair, removedTokens: 0 };
  if (truncation === 'drop') return { fault: `${prompt.length + answer} tokens, ${maxLength} allowed` };
  if (truncation === 'keep_start') {
    const limit = maxLength - prompt.length;
    if (limit < 1) return { fault: `the prompt alone has ${prompt.length} tokens of ${maxLength}` };
    const cut = {
      promptIds: prompt,
      chosenIds: chosenIds.slice(0, limit),
      rejectedIds: rejectedIds.slice(0, limit),
    };
    if (cut.chosenIds.join() === cut.rejectedIds.join())
      return { fault: `chosen and rejected are equal in the ${maxLength} tokens that are kept` };
    const removedTokens =
      chosenIds.length + rejectedIds.length - cut.chosenIds.length - cut.rejectedIds.length;
    return { pair: cut, removedTokens };
  }
  const limit = maxLength - answer;
  if (limit < 1) return { fault: `an answer alone has ${answer} tokens of ${maxLength}` };
  const short = shorten(prompt, limit, { side: truncation, bosTokenId: tokenizer.bosTokenId });
  return { pair: { ...pair, promptIds: short }, removedTokens: prompt.length - short.length };
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

/** What is left out or cut is told where a person looks: the console, a cell's output. */
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
