/**
 * From records to token ids and labels. Where it stands: between the files and the batches. What the records are is found
 * out first; conversations, fields and plain texts are encoded each in a file of their own.
 */
import type { z } from 'zod';
import { lazySchema, prettifyError } from '../schema';
import { requireOptions } from '../options';
import { requireList, requireObject, TunebookError } from '../types';
import type { EncodedExample, Tokenizer } from '../types';
import { promptIds } from '../tokenizer';
import { RECORD_KINDS, requireTemplate } from '../prompts';
import type { PromptTemplate } from '../prompts';
import { encodeConversations } from './conversations/encode-conversations';
import { kindOfRecords } from './conversations/kinds-of-records';
import type { ConversationReport, Encoded } from './conversations/types';
import { encodeFields, shorten } from './texts/encode-fields';
import { encodeTexts } from './texts/encode-texts';
import { encodingReport, tellReport } from './encoding-report';
import type { DataRecord } from './files/row';
import { defaultTemplate, readingOf } from './reading';
import type { Reading } from './reading';
import type { EncodeOptions, EncodingReport } from './types';

const LOAD = "Pass (await loadRecords('races.jsonl')).records.";
const PASS_TOKENIZER = "Pass { tokenizer: await AutoTokenizer.fromPretrained('gpt2') }.";

const settingsSchema = lazySchema((z) =>
  z.object({
    // Not z.number(), which takes no Infinity: a tokenizer that names no length.
    maxLength: z.custom<number>(isLength, 'expected an integer of at least 2, or Infinity'),
    labels: z.enum(['response', 'all']).default('response'),
    truncation: z.enum(['left', 'middle', 'drop', 'turns', 'right']).optional(),
    appendEos: z.boolean().default(true),
    format: z.enum(['auto', ...RECORD_KINDS]).default('auto'),
    trainOn: z.enum(['assistant', 'last']).default('assistant'),
    invalidRecords: z.enum(['refuse', 'drop']).default('refuse'),
  }),
);

type Settings = z.infer<ReturnType<typeof settingsSchema>>;

function isLength(value: unknown): boolean {
  return typeof value === 'number' && value >= 2 && (Number.isInteger(value) || value === Infinity);
}

/**
 * Encodes records for training, of any of these kinds: conversations (`messages`, ShareGPT), `instruction` and `output`
 * (Alpaca), `prompt` and `completion`, plain `text`, or the fields of a template; which one they are is found out and said.
 *
 * Of a conversation all turns of the assistant are learned, each with the token that ends it; what the chat template
 * encloses in `{% generation %}` where it says so, else what it writes between the prompt and the turn's end. Of other
 * records the response and the end of text (or of the turn, with a chat template) are learned. A sequence that is too long
 * loses tokens of its prompt, never of its response, and a conversation loses whole turns at its end; if the response
 * alone is too long, or empty, the example is dropped. All is reported, and what is dropped is counted on the console.
 *
 * @throws TunebookError where an option is wrong, the tokenizer has no end-of-text token to append, or a record is no
 *   conversation that can be learned; it names the record, by file and line where it was read from one.
 * @example
 * ```ts
 * import { AutoTokenizer, encodeRecords, loadRecords, projectPath } from 'tunebook';
 *
 * const tokenizer = await AutoTokenizer.fromPretrained('gpt2');
 * const { records } = await loadRecords(projectPath('data/hyrox/hyrox-sample.jsonl'), { limit: 20 });
 * const { examples, report } = encodeRecords(records, { tokenizer, maxLength: 512 });
 * console.log(examples.length, report.truncated.length); // 20 0
 *
 * const chats = [{ messages: [{ role: 'user', content: 'How was it?' }, { role: 'assistant', content: 'Good.' }] }];
 * const mistral = await AutoTokenizer.fromPretrained('mistral');
 * console.log(encodeRecords(chats, { tokenizer: mistral }).report.conversations?.trainedTurns); // 1
 * ```
 */
export function encodeRecords(
  records: readonly DataRecord[],
  options: EncodeOptions,
): { examples: EncodedExample[]; report: EncodingReport; template: PromptTemplate | undefined } {
  requireList(records, { where: 'encodeRecords', what: 'a list of records', remedy: LOAD });
  requireTools('encodeRecords', options);
  const { tokenizer } = options;
  const settings = settingsOf(options);
  const reading = readingOf(records, { tokenizer, template: options.template, format: settings.format });
  const encoded = encodeAll(records, { settings, tokenizer, reading });
  const report = encodingReport(encoded, { total: records.length, format: reading.kind });
  tellReport(report, { isFoundOut: settings.format === 'auto' });
  return { examples: encoded.examples, report, template: reading.template };
}

/** Encodes one record; nothing is printed. */
export type RecordEncoder = (record: DataRecord) => Encoded;

/**
 * Encodes records one at a time, all in the way that the first one asks for.
 * @throws TunebookError where an option is wrong; the encoder throws where a record is of another kind than the first
 */
export function recordEncoder(options: EncodeOptions): (first: DataRecord) => RecordEncoder {
  requireTools('streamExamples', options);
  const settings = settingsOf(options);
  const { tokenizer, template } = options;
  return (first) => {
    const reading = readingOf([first], { tokenizer, template, format: settings.format });
    return (record) => {
      if (reading.kind !== 'fields')
        kindOfRecords([record], { where: 'streamExamples', format: reading.kind });
      return encodeAll([record], { settings, tokenizer, reading });
    };
  };
}

function encodeAll(
  records: readonly DataRecord[],
  parts: { settings: Settings; tokenizer: Tokenizer; reading: Reading },
): Encoded & { readonly conversations?: ConversationReport } {
  const { settings, tokenizer, reading } = parts;
  const end = (): number[] => (settings.appendEos ? [requireEos(tokenizer)] : []);
  const common = { ...settings, end };
  if (reading.chat !== undefined) {
    const truncation = cutOf(settings, { of: 'conversations', cuts: ['turns', 'right', 'drop'] });
    return encodeConversations(records, { ...common, ...reading.chat, truncation });
  }
  if (reading.template === undefined) {
    const truncation = cutOf(settings, { of: 'plain texts', cuts: ['right', 'drop'] });
    return encodeTexts(records, { ...common, tokenizer, truncation });
  }
  const truncation = cutOf(settings, { of: 'records with a response', cuts: ['middle', 'left', 'drop'] });
  return encodeFields(records, { ...common, tokenizer, template: reading.template, truncation });
}

/** The way to cut what is too long; the first of them where nothing is said. */
function cutOf<C extends string>(
  { truncation }: Settings,
  { of, cuts }: { of: string; cuts: readonly [C, ...C[]] },
): C {
  if (truncation === undefined) return cuts[0];
  const found = cuts.find((cut) => cut === truncation);
  if (found !== undefined) return found;
  throw new TunebookError(
    `encodeRecords: expected truncation ${cuts.map((cut) => `'${cut}'`).join(', ')} for ${of}, got '${truncation}'.`,
  );
}

/**
 * The inference form of a record: the ids that `encodeRecords` puts before its response.
 *
 * @param options.maxLength most tokens of the prompt: the model's context less the tokens to generate
 * @throws TunebookError where the prompt is too long and `truncation` is 'drop'.
 * @example
 * ```ts
 * import { AutoTokenizer } from 'tunebook';
 * import { encodePrompt } from 'tunebook/dataset';
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
  const { tokenizer } = options;
  const settings = settingsOf(options);
  const { maxLength } = settings;
  const template = options.template ?? defaultTemplate(record, tokenizer);
  const isChat = template.chat?.takes(record) === true;
  const cuts = isChat ? (['drop', 'left', 'middle'] as const) : (['middle', 'left', 'drop'] as const);
  const truncation = cutOf(settings, { of: 'prompts', cuts });
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
      format: true,
      trainOn: true,
      invalidRecords: true,
    },
  });
  requireObject(options.tokenizer, {
    ...{ where, what: 'a tokenizer', remedy: PASS_TOKENIZER },
    fields: ['encode', 'modelMaxLength'],
  });
  if (options.template !== undefined) requireTemplate(options.template, where);
}

function settingsOf(options: EncodeOptions): Settings {
  const { maxLength = options.tokenizer.modelMaxLength } = options;
  const parsed = settingsSchema().safeParse({ ...options, maxLength });
  if (!parsed.success) throw new TunebookError(`encodeRecords: ${prettifyError(parsed.error)}`);
  return parsed.data;
}

export function requireEos(tokenizer: Tokenizer, where = 'encodeRecords'): number {
  if (tokenizer.eosTokenId === undefined) {
    throw new TunebookError(
      `${where}: expected a tokenizer with an end-of-text token, got one without. ` +
        'Without it the model never learns to stop; set appendEos: false if you want that.',
    );
  }
  return tokenizer.eosTokenId;
}
