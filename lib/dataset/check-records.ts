/**
 * What records are, and which of them cannot be learned from: all that an encoding would refuse or leave out, record by
 * record, before a model is loaded. Where it stands: beside `encodeRecords`; `tunebook dataset check` prints it.
 */
import { isConversation, kindOfRecord, toConversation } from '../prompts';
import type { ConversationMessage, RecordKind } from '../prompts';
import { requireOptions } from '../options';
import { requireList, TunebookError } from '../types';
import type { Tokenizer } from '../types';
import { kindOfRecords } from './conversations/kinds-of-records';
import { recordEncoder, requireEos } from './encode';
import { summarize } from './encoding-report';
import { placeOf } from './files/places';
import type { DataRecord } from './files/row';
import { encodeAnswers, UselessPair } from './pair-answers';
import type { LengthSummary } from './types';

/** How records are checked. */
export interface CheckRecordsOptions {
  /** Counts tokens and renders conversations by its chat template, whose own objections are then found too. */
  tokenizer?: Tokenizer;
  /** What the records are. Default 'auto': what most of them are. */
  format?: RecordKind | 'auto';
  /** Tokens above which a record is too long. Default: the tokenizer's `modelMaxLength`. */
  maxLength?: number;
}

/** What was found. */
export interface RecordCheck {
  /** What most records are. */
  readonly format: RecordKind;
  readonly total: number;
  /** Each record that would be refused or left out: its place (file and line, where it was read from one) and why. */
  readonly faults: readonly { readonly index: number; readonly place: string; readonly reason: string }[];
  /** Of conversations: turns of the assistant, and how many of them are learned (`train: false` are not). */
  readonly turns?: { readonly assistant: number; readonly learned: number };
  /** With a tokenizer: tokens of a record, a pair's longer side. */
  readonly tokens?: LengthSummary;
  /** With a tokenizer: records longer than `maxLength`. */
  readonly tooLong?: number;
}

/**
 * Checks records of any format that `encodeRecords` and `encodePairs` take, without training on them.
 * @throws TunebookError where there is no record, or none of a format that is known
 * @example
 * ```ts
 * import { checkRecords } from 'tunebook/dataset';
 *
 * const good = { messages: [{ role: 'user', content: 'How was it?' }, { role: 'assistant', content: 'Good.' }] };
 * const bad = { messages: [{ role: 'user', content: 'And now?' }] };
 * const { format, faults } = checkRecords([good, bad]);
 * console.log(format, faults[0]?.place); // messages record 1
 * ```
 */
export function checkRecords(records: readonly DataRecord[], options: CheckRecordsOptions = {}): RecordCheck {
  const where = 'checkRecords';
  requireList(records, { where, what: 'a list of records' });
  requireOptions<CheckRecordsOptions>(options, {
    where,
    names: { tokenizer: true, format: true, maxLength: true },
  });
  const { tokenizer, maxLength = tokenizer?.modelMaxLength ?? Infinity } = options;
  const format = options.format === undefined || options.format === 'auto' ? mostly(records) : options.format;
  const faults: { index: number; place: string; reason: string }[] = [];
  const lengths: number[] = [];
  const turns = { assistant: 0, learned: 0 };
  const first = records.find((record) => kindOfRecord(record) === format);
  const tokensOf =
    tokenizer === undefined || first === undefined ? undefined : counter(tokenizer, { format, first });
  for (const [index, record] of records.entries()) {
    const place = placeOf(record, index);
    try {
      const answers = checkOne(record, format);
      const length = tokensOf?.(record);
      if (length !== undefined) lengths.push(length);
      turns.assistant += answers.length;
      turns.learned += answers.filter(isLearned).length;
    } catch (error) {
      if (!(error instanceof TunebookError || error instanceof UselessPair)) throw error;
      faults.push({ index, place, reason: bare(error.message, place) });
    }
  }
  return {
    ...{ format, total: records.length, faults },
    ...(turns.assistant === 0 ? {} : { turns }),
    ...(tokensOf === undefined
      ? {}
      : { tokens: summarize(lengths), tooLong: lengths.filter((length) => length > maxLength).length }),
  };
}

/** The kind of most records. */
function mostly(records: readonly DataRecord[]): RecordKind {
  const counts = new Map<RecordKind, number>();
  for (const record of records) {
    const kind = kindOfRecord(record);
    if (kind !== undefined) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  const [first] = [...counts].sort(([, a], [, b]) => b - a);
  if (first !== undefined) return first[0];
  // Says which fields each kind has.
  return kindOfRecords(records, { where: 'checkRecords', format: 'auto' });
}

const isLearned = ({ train }: ConversationMessage): boolean => train !== false;

/** What can be said without a tokenizer. @returns the assistant's turns @throws TunebookError */
function checkOne(record: DataRecord, format: RecordKind): ConversationMessage[] {
  kindOfRecords([record], { where: '', format });
  if (format === 'preference') {
    if (JSON.stringify(record.chosen) === JSON.stringify(record.rejected))
      throw new TunebookError('chosen and rejected are equal: nothing could be learned');
    return [];
  }
  if (isConversation(record) || format === 'alpaca') {
    const { messages } = toConversation(record, kindOfRecord(record) ?? format);
    const answers = messages.filter(({ role }) => role === 'assistant');
    if (answers.some(isLearned)) return answers;
    throw new TunebookError('expected a turn of the assistant to learn, got none');
  }
  const answer = { text: 'text', 'prompt-completion': 'completion', fields: 'response' }[format as string];
  const value = answer === undefined ? undefined : record[answer];
  if (typeof value === 'string' && value.trim() === '') throw new TunebookError(`${answer}: it is empty`);
  return [];
}

/** Tokens of a record; it throws what the encoding would refuse, or leave out. */
function counter(
  tokenizer: Tokenizer,
  { format, first }: { format: RecordKind; first: DataRecord },
): (record: DataRecord) => number {
  if (format === 'preference')
    return (record) => {
      const pair = encodeAnswers(record, {
        ...{ tokenizer, template: undefined, end: () => [requireEos(tokenizer, 'checkRecords')] },
      });
      if (pair.chosenIds.join() === pair.rejectedIds.join())
        throw new TunebookError('chosen and rejected are equal as tokens');
      return pair.promptIds.length + Math.max(pair.chosenIds.length, pair.rejectedIds.length);
    };
  // Before the records one by one: a tokenizer without a chat template is no fault of theirs.
  const encode = recordEncoder({ tokenizer, format, maxLength: Infinity })(first);
  return (record) => {
    const { examples, dropped } = encode(record);
    if (examples.length === 0) throw new TunebookError(dropped[0]?.reason ?? 'nothing could be learned');
    return Math.max(...examples.map(({ inputIds }) => inputIds.length));
  };
}

/** A message without the names of functions and places before it, and without what to do about a call. */
function bare(message: string, place: string): string {
  const at = message.indexOf(`${place}: `);
  const rest = at >= 0 ? message.slice(at + place.length + 2) : message.replace(/^, record 0: /, '');
  return rest
    .replace(/^record 0: /, '')
    .replace(/ (Fix the records|Encode records of one kind).*$/s, '')
    .replace(/\.$/, '');
}
