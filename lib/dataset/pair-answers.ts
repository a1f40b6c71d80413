/** From a record with a better and a worse answer to prompt and answers as token ids; texts and messages alike. */
import { extras, MessageFault, readMessages } from '../prompts';
import type { ConversationMessage, FormattedTurn, PromptTemplate } from '../prompts';
import { promptIds } from '../tokenizer';
import type { PretrainedTokenizer } from '../tokenizer';
import { kindOf } from '../types';
import type { JsonValue, Tokenizer } from '../types';
import { encodeAnswer } from './conversations/encode-answer';
import { responseIds } from './texts/encode-fields';
import type { DataRecord } from './files/row';

/** A preference pair as token ids, as `DPOTrainer` and `ORPOTrainer` take it. */
export interface EncodedPair {
  readonly promptIds: readonly number[];
  /** The better answer, with the end of the text or the turn. */
  readonly chosenIds: readonly number[];
  /** The worse answer. */
  readonly rejectedIds: readonly number[];
}

/** Why a pair teaches nothing; it is left out. */
export class UselessPair extends Error {}

const SIDES = ['chosen', 'rejected'] as const;

export interface AnswerSettings {
  readonly tokenizer: Tokenizer;
  readonly template: PromptTemplate | undefined;
  /** The end-of-text token, where one is wanted. */
  end(): number[];
}

/**
 * @throws UselessPair where the sides are equal or one is empty
 * @throws TunebookError where a field is missing or of another kind
 */
export function encodeAnswers(record: DataRecord, settings: AnswerSettings): EncodedPair {
  const [chosen, rejected] = SIDES.map((side) => fieldOf(record, side));
  if (JSON.stringify(chosen) === JSON.stringify(rejected))
    throw new UselessPair('chosen and rejected are equal');
  const isText = typeof chosen === 'string' && typeof rejected === 'string';
  if (isText) return encodeTexts(record, { chosen, rejected }, settings);
  if (Array.isArray(chosen) && Array.isArray(rejected)) return encodeMessages(record, settings);
  throw new MessageFault(
    `expected two texts or two lists of messages in "chosen" and "rejected", got ${kindOf(chosen)} and ${kindOf(rejected)}`,
  );
}

function fieldOf(record: DataRecord, name: string): JsonValue {
  const value = Object.hasOwn(record, name) ? record[name] : undefined;
  if (value !== undefined && value !== null) return value;
  throw new MessageFault(
    `expected the field "${name}", got a record with ${Object.keys(record).join(', ') || 'no field'}. ` +
      'Map it with fieldMapping in loadRecords',
  );
}

/** The two answers to a prompt. */
interface Sides<T> {
  readonly chosen: T;
  readonly rejected: T;
}

function encodeTexts(record: DataRecord, texts: Sides<string>, settings: AnswerSettings): EncodedPair {
  for (const side of SIDES) requireText(texts[side], side);
  const { template } = settings;
  if (template !== undefined) {
    const turnOf = (response: string): FormattedTurn | undefined =>
      template.formatTurn?.({ ...record, response });
    const [chosen, rejected] = SIDES.map((side) => ({
      response: template.formatResponse({ ...record, response: texts[side] }),
      turn: turnOf(texts[side]),
    }));
    const prompt = chosen.turn?.prompt ?? template.formatPrompt(record);
    return joined(prompt, { chosen, rejected }, settings);
  }
  const plain = (response: string): AnswerText => ({ response, turn: undefined });
  const { prompt } = record;
  if (prompt !== undefined && prompt !== null) {
    if (typeof prompt !== 'string')
      throw new MessageFault(
        `expected a text in "prompt", as in "chosen" and "rejected", got ${kindOf(prompt)}`,
      );
    return joined(prompt, { chosen: plain(texts.chosen), rejected: plain(texts.rejected) }, settings);
  }
  const shared = sharedStart(texts.chosen, texts.rejected);
  if (shared === 0) throw new UselessPair('there is no prompt, and the answers have no beginning in common');
  const [chosen, rejected] = SIDES.map((side) => texts[side].slice(shared));
  for (const [side, text] of Object.entries({ chosen, rejected }))
    requireText(text, `${side}, after what both begin with,`);
  const start = texts.chosen.slice(0, shared);
  return joined(start, { chosen: plain(chosen), rejected: plain(rejected) }, settings);
}

function requireText(text: string, side: string): void {
  if (text.trim() === '') throw new UselessPair(`${side} is empty`);
}

/** An answer, and how a template writes it after its prompt. */
type AnswerText = Parameters<typeof responseIds>[0];

function joined(prompt: string, texts: Sides<AnswerText>, { tokenizer, end }: AnswerSettings): EncodedPair {
  const ids = promptIds(tokenizer, prompt);
  const answer = (text: AnswerText): number[] => {
    const own = responseIds(text, { tokenizer, prompt: ids, end: () => [] });
    // One that ends in the end-of-text token needs no second one.
    const isEnded = text.turn?.isEnded === true || own.at(-1) === tokenizer.eosTokenId;
    return isEnded ? own : [...own, ...end()];
  };
  return { promptIds: ids, chosenIds: answer(texts.chosen), rejectedIds: answer(texts.rejected) };
}

/** Length of what two texts begin with; a space before the first difference belongs to the answers, as in TRL. */
function sharedStart(a: string, b: string): number {
  const most = Math.min(a.length, b.length);
  let length = 0;
  while (length < most && a[length] === b[length]) length++;
  // Not between the halves of one character.
  if (length > 0 && /[\uD800-\uDBFF]/.test(a[length - 1] ?? '')) length--;
  return length > 0 && a[length - 1] === ' ' ? length - 1 : length;
}

/** Messages by the tokenizer's chat template, or the one of a `chatTemplate`. */
function encodeMessages(record: DataRecord, { tokenizer, template, end }: AnswerSettings): EncodedPair {
  if (!isPretrained(tokenizer))
    throw new MessageFault(
      "expected a tokenizer with a chat template for messages, got one without. Pass AutoTokenizer.fromPretrained('...')",
    );
  const { prompt, chosen, rejected } = messagesOf(record);
  const chat = { tokenizer, chatTemplate: template?.chat?.source };
  const encode = (
    side: 'chosen' | 'rejected',
    answer: readonly ConversationMessage[],
  ): [number[], number[]] => {
    if (answer[0]?.role !== 'assistant')
      throw new MessageFault(
        `${side}: expected the assistant's answer after the prompt, got ${answer[0]?.role ?? 'nothing'}`,
      );
    if (answer.every(({ content, tool_calls: calls }) => content.trim() === '' && calls === undefined))
      throw new UselessPair(`${side} is empty`);
    const encoded = encodeAnswer({ prompt, answer, ...extras(record) }, chat);
    const ids = [...encoded.answerIds];
    const text = tokenizer.decode(ids);
    const last = answer[answer.length - 1].content.trim();
    const isEnded = text.slice(text.lastIndexOf(last) + last.length).trim() !== '';
    return [[...encoded.promptIds], isEnded ? ids : [...ids, ...end()]];
  };
  const [ids, chosenIds] = encode('chosen', chosen);
  const [, rejectedIds] = encode('rejected', rejected);
  return { promptIds: ids, chosenIds, rejectedIds };
}

/** Prompt and answers; without a prompt of messages it is what both sides begin with. */
function messagesOf(record: DataRecord): Sides<ConversationMessage[]> & { prompt: ConversationMessage[] } {
  const [chosen, rejected] = SIDES.map((side) => readMessages(fieldOf(record, side) as JsonValue[], side));
  const shared = (): number => {
    const first = chosen.findIndex((message, i) => JSON.stringify(message) !== JSON.stringify(rejected[i]));
    return first < 0 ? chosen.length : first;
  };
  const own = Array.isArray(record.prompt) ? readMessages(record.prompt as JsonValue[], 'prompt') : undefined;
  // Some files have the prompt in the sides as well.
  const isRepeated = own?.every((message, i) =>
    [chosen[i], rejected[i]].every((other) => JSON.stringify(other) === JSON.stringify(message)),
  );
  if (own !== undefined && isRepeated !== true) return { prompt: own, chosen, rejected };
  const count = own?.length ?? shared();
  if (count === 0)
    throw new UselessPair('there is no prompt, and the sides have no message in common at their beginning');
  return { prompt: chosen.slice(0, count), chosen: chosen.slice(count), rejected: rejected.slice(count) };
}

function isPretrained(tokenizer: Tokenizer): tokenizer is PretrainedTokenizer {
  return 'applyChatTemplate' in tokenizer;
}
