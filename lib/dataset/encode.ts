/**
 * From records to token ids and labels. Prompt and response are encoded apart and joined as ids, for two
 * reasons: at inference the model gets exactly the prompt's ids, and no token can span the border (where a
 * response begins with a space or a line break, encoding the joined text would merge it with the prompt's last
 * character, and the model would be trained on a border that it never meets).
 */
import type { z } from 'zod';
import { lazySchema, prettifyError } from '../schema';
import { requireOptions } from '../options';
import { firstOf, IGNORED, requireList, requireObject, TunebookError } from '../types';
import type { EncodedExample, Tokenizer } from '../types';
import { promptIds } from '../tokenizer';
import { instructionTemplate, requireTemplate } from '../prompts';
import type { FormattedTurn, PromptTemplate } from '../prompts';
import type { DataRecord } from './files/row';
import type { EncodeOptions, EncodingReport, LengthSummary } from './types';

const EMPTY = 'the response is empty';

/** Records that a warning names. */
const NAMED = 3;

const LOAD = "Pass (await loadRecords('races.jsonl')).records.";
const PASS_TOKENIZER = "Pass { tokenizer: await AutoTokenizer.fromPretrained('gpt2') }.";

const settingsSchema = lazySchema((z) =>
  z.object({
    // Not z.number(), which takes no Infinity: a tokenizer that names no length.
    maxLength: z.custom<number>(isLength, 'expected an integer of at least 2, or Infinity'),
    labels: z.enum(['response', 'all']).default('response'),
    truncation: z.enum(['left', 'middle', 'drop']).default('middle'),
    appendEos: z.boolean().default(true),
  }),
);

function isLength(value: unknown): boolean {
  return typeof value === 'number' && value >= 2 && (Number.isInteger(value) || value === Infinity);
}

/**
 * Encodes records for training: prompt, response, end of text (or of the turn, with a chat
 * template). A sequence that is too long loses tokens of its prompt, never of its response; if the response alone
 * is too long, or empty, the example is dropped. Both are reported, and what is dropped is counted on the console.
 *
 * @throws TunebookError where an option is wrong, or the tokenizer has no end-of-text token to append.
 * @example
 * ```ts
 * import { AutoTokenizer, encodeRecords, loadRecords, projectPath } from 'tunebook';
 *
 * const tokenizer = await AutoTokenizer.fromPretrained('gpt2');
 * const { records } = await loadRecords(projectPath('data/hyrox/hyrox-sample.jsonl'), { limit: 20 });
 * const { examples, report } = encodeRecords(records, { tokenizer, maxLength: 512 });
 * console.log(examples.length, report.truncated.length); // 20 0
 * ```
 */
export function encodeRecords(
  records: readonly DataRecord[],
  options: EncodeOptions,
): { examples: EncodedExample[]; report: EncodingReport } {
  requireList(records, { where: 'encodeRecords', what: 'a list of records', remedy: LOAD });
  requireTools('encodeRecords', options);
  const { tokenizer, template = instructionTemplate() } = options;
  const { maxLength, labels, truncation, appendEos } = settingsOf(options);
  const end = (): number[] => (appendEos ? [requireEos(tokenizer)] : []);
  const examples: EncodedExample[] = [];
  const truncated: { index: number; removedTokens: number }[] = [];
  const dropped: { index: number; tokens: number; reason: string }[] = [];
  const sourceIndex: number[] = [];
  const promptLengths: number[] = [];
  const responseLengths: number[] = [];

  for (const [index, record] of records.entries()) {
    const texts = textsOf(record, { index, template });
    const full = promptIds(tokenizer, texts.prompt);
    if (texts.response.trim() === '') {
      dropped.push({ index, tokens: full.length, reason: EMPTY });
      continue;
    }
    const response = responseIds(texts, { tokenizer, prompt: full, end });
    const tokens = full.length + response.length;
    const limit = maxLength - response.length;
    if (response.length === 0 || limit < 1) {
      const reason =
        response.length === 0 ? EMPTY : `the response alone has ${response.length} tokens of ${maxLength}`;
      dropped.push({ index, tokens, reason });
      continue;
    }
    if (full.length > limit && truncation === 'drop') {
      dropped.push({ index, tokens, reason: `${tokens} tokens, ${maxLength} allowed` });
      continue;
    }
    const prompt = shorten(full, limit, { side: truncation, bosTokenId: tokenizer.bosTokenId });
    if (prompt.length < full.length) truncated.push({ index, removedTokens: full.length - prompt.length });
    const inputIds = [...prompt, ...response];
    examples.push({
      inputIds,
      labels: labels === 'all' ? inputIds : [...prompt.map(() => IGNORED), ...response],
    });
    sourceIndex.push(index);
    promptLengths.push(prompt.length);
    responseLengths.push(response.length);
  }

  const sequenceLengths = examples.map((example) => example.inputIds.length);
  const report: EncodingReport = {
    total: records.length,
    kept: examples.length,
    truncated,
    dropped,
    sourceIndex,
    promptTokens: summarize(promptLengths),
    responseTokens: summarize(responseLengths),
    sequenceTokens: summarize(sequenceLengths),
    totalTokens: sum(sequenceLengths),
    lossTokens: examples.reduce((count, example) => count + lossTokens(example), 0),
  };
  warnOfDropped(report);
  return { examples, report };
}

interface RecordTexts {
  prompt: string;
  response: string;
  /** Undefined where prompt and response are all there is. */
  turn: FormattedTurn | undefined;
}

/** The texts of a record; an error says which record it is. */
function textsOf(
  record: DataRecord,
  { index, template }: { index: number; template: PromptTemplate },
): RecordTexts {
  try {
    const turn = template.formatTurn?.(record);
    const prompt = turn?.prompt ?? template.formatPrompt(record);
    return { prompt, response: template.formatResponse(record), turn };
  } catch (error) {
    if (!(error instanceof TunebookError)) throw error;
    throw new TunebookError(`encodeRecords, record ${index}: ${error.message}`, { cause: error });
  }
}

/** What is left out is told where a person looks: the console, a cell's output. */
function warnOfDropped({ dropped, total }: EncodingReport): void {
  if (dropped.length === 0) return;
  const named = firstOf(
    dropped.map(({ index, reason }) => `record ${index}: ${reason}`),
    { most: NAMED, of: ', in report.dropped' },
  );
  console.warn(`encodeRecords: ${dropped.length} of ${total} records were left out (${named}).`);
}

/**
 * What follows a prompt, as ids: the response and the end of the text, or of the turn where the template has its own.
 */
function responseIds(
  { response, turn }: RecordTexts,
  { tokenizer, prompt, end }: { tokenizer: Tokenizer; prompt: readonly number[]; end: () => number[] },
): number[] {
  const apart = (text: string): number[] => tokenizer.encode(text, { addSpecialTokens: false });
  if (turn === undefined) return [...apart(response), ...end()];
  // The ids of the whole, as the template's model was trained on them, unless a token spans the border.
  const whole = promptIds(tokenizer, turn.text);
  const isPrefix = prompt.every((id, i) => whole[i] === id);
  return [
    ...(isPrefix ? whole.slice(prompt.length) : apart(turn.continuation)),
    ...(turn.isEnded ? [] : end()),
  ];
}

/**
 * The inference form of a record: the ids that `encodeRecords` puts before its response.
 *
 * @param options.maxLength most tokens of the prompt: the model's context less the tokens to generate
 * @throws TunebookError where the prompt is too long and `truncation` is 'drop'.
 * @example
 * ```ts
 * import { AutoTokenizer, encodePrompt } from 'tunebook';
 *
 * const tokenizer = await AutoTokenizer.fromPretrained('gpt2');
 * const ids = encodePrompt({ input: 'How was it?', context: 'time: 61' }, { tokenizer });
 * console.log(tokenizer.decode(ids));
 * ```
 */
export function encodePrompt(
  record: DataRecord,
  options: Pick<EncodeOptions, 'tokenizer' | 'template' | 'maxLength' | 'truncation'>,
): number[] {
  requireObject(record, { where: 'encodePrompt', what: 'a record, an object with fields' });
  requireTools('encodePrompt', options);
  const { tokenizer, template = instructionTemplate() } = options;
  const { maxLength, truncation } = settingsOf(options);
  const ids = promptIds(tokenizer, template.formatPrompt(record));
  if (ids.length > maxLength && truncation === 'drop') {
    throw new TunebookError(
      `encodePrompt: expected at most ${maxLength} tokens, got ${ids.length}. Shorten the record, or allow truncation.`,
    );
  }
  return shorten(ids, maxLength, { side: truncation, bosTokenId: tokenizer.bosTokenId });
}

/** @throws {TunebookError} Where the options have no tokenizer, or something else for a template. */
function requireTools(where: string, options: Pick<EncodeOptions, 'tokenizer' | 'template'>): void {
  requireObject(options, { where, what: 'options with a tokenizer', remedy: PASS_TOKENIZER });
  requireOptions<EncodeOptions>(options, {
    where,
    names: {
      tokenizer: true,
      template: true,
      maxLength: true,
      labels: true,
      truncation: true,
      appendEos: true,
    },
  });
  requireObject(options.tokenizer, {
    ...{ where, what: 'a tokenizer', remedy: PASS_TOKENIZER },
    fields: ['encode', 'modelMaxLength'],
  });
  if (options.template !== undefined) requireTemplate(options.template, where);
}

function settingsOf(options: Omit<EncodeOptions, 'template'>): z.infer<ReturnType<typeof settingsSchema>> {
  const { labels, truncation, appendEos, maxLength = options.tokenizer.modelMaxLength } = options;
  const parsed = settingsSchema().safeParse({ maxLength, labels, truncation, appendEos });
  if (!parsed.success) throw new TunebookError(`encodeRecords: ${prettifyError(parsed.error)}`);
  return parsed.data;
}

function requireEos(tokenizer: Tokenizer): number {
  if (tokenizer.eosTokenId === undefined) {
    throw new TunebookError(
      'encodeRecords: expected a tokenizer with an end-of-text token, got one without. ' +
        'Without it the model never learns to stop; set appendEos: false if you want that.',
    );
  }
  return tokenizer.eosTokenId;
}

/** Cuts ids to `limit`, keeping the beginning-of-text token: 'left' keeps the end, 'middle' both ends. */
function shorten(
  ids: readonly number[],
  limit: number,
  { side, bosTokenId }: { side: 'left' | 'middle' | 'drop'; bosTokenId: number | undefined },
): number[] {
  if (ids.length <= limit) return [...ids];
  const keptStart = side === 'middle' ? Math.ceil(limit / 2) : ids[0] === bosTokenId ? 1 : 0;
  const keptEnd = limit - keptStart;
  return [...ids.slice(0, keptStart), ...ids.slice(ids.length - keptEnd)];
}

/** The first position has nothing before it to be predicted from. */
function lossTokens({ labels }: EncodedExample): number {
  return labels.reduce((count, label, i) => count + (i > 0 && label !== IGNORED ? 1 : 0), 0);
}

function summarize(lengths: readonly number[]): LengthSummary {
  if (lengths.length === 0) return { min: 0, mean: 0, median: 0, p95: 0, max: 0 };
  const sorted = [...lengths].sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.ceil(share * sorted.length) - 1] ?? 0;
  return {
    min: sorted[0] ?? 0,
    mean: sum(lengths) / lengths.length,
    median: at(0.5),
    p95: at(0.95),
    max: at(1),
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
