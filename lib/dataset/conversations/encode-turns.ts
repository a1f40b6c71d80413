/**
 * A conversation as token ids, and which of them are the assistant's turns. What a template encloses in
 * `{% generation %}` is learned as transformers and TRL mark it. Without these tags a turn is what the template writes
 * between the prompt up to it and the conversation up to its end; where a template writes earlier turns otherwise once
 * later ones follow (a thought that is left out, say), each turn is an example of its own, as in inference.
 */
import type { MaskedConversation } from '../../tokenizer';
import { TunebookError } from '../../types';
import { encodeAnswer } from './encode-answer';
import { answerStart, marksAnswers, renderMessages } from './render';
import { encodeSpans } from './spans';
import type { Span } from './spans';
import { variablesOf } from '../../prompts';
import type { Conversation, ConversationMessage } from '../../prompts';
import type { ChatTools } from './types';

/** One assistant's turn in the ids. */
export interface EncodedTurn {
  /** Number of its message. */
  readonly message: number;
  /** First of its tokens. */
  readonly start: number;
  /** After its last token: the one that ends the turn, or what the template writes after that. */
  readonly end: number;
}

/** An example of a conversation, before labels and lengths. */
export interface EncodedTurns {
  readonly inputIds: readonly number[];
  /** The turns that the loss may see. */
  readonly turns: readonly EncodedTurn[];
}

/** How the ids of a conversation are made. */
export interface TurnOptions extends ChatTools {
  /** Appends the end-of-text token where the template ends no turn. */
  readonly end: () => readonly number[];
}

/**
 * The examples of a conversation: one, or one for each assistant's turn.
 *
 * @throws TunebookError where the template refuses the messages, or writes an answer nowhere
 */
export function encodeTurns(conversation: Conversation, options: TurnOptions): EncodedTurns[] {
  const { messages, promptMessages } = conversation;
  if (promptMessages !== undefined) return [promptAndAnswer(conversation, promptMessages, options)];
  const answers = messages.flatMap(({ role }, i) => (role === 'assistant' ? [i] : []));
  const marked = marksAnswers(options) ? byMarks(conversation, answers, options) : undefined;
  if (marked !== undefined) return [marked];
  const whole = byPrefixes(conversation, answers, options);
  return whole === undefined
    ? answers.map((answer) => lastTurn(conversation, answer, options))
    : [endTurns(whole, options)];
}

/** All that follows the prompt is learned, as TRL does. */
function promptAndAnswer(
  { messages, tools, variables }: Conversation,
  count: number,
  options: TurnOptions,
): EncodedTurns {
  const [prompt, answer] = [messages.slice(0, count), messages.slice(count)];
  const { promptIds, answerIds } = encodeAnswer({ prompt, answer, tools, variables }, options);
  const inputIds = [...promptIds, ...answerIds];
  const text = options.tokenizer.decode(answerIds);
  const isEnded = afterAnswer(text, messages[messages.length - 1]).trim() !== '';
  if (!isEnded) inputIds.push(...options.end());
  return { inputIds, turns: [{ message: count, start: promptIds.length, end: inputIds.length }] };
}

/** As transformers marks them; undefined where the marks cannot be had, or do not distinguish turns. */
function byMarks(
  conversation: Conversation,
  answers: readonly number[],
  options: TurnOptions,
): EncodedTurns | undefined {
  const marked = maskedTokens(conversation, options);
  if (marked === undefined) return undefined;
  const { inputIds, assistantMasks } = marked;
  const runs: { start: number; end: number }[] = [];
  for (const [at, mark] of assistantMasks.entries()) {
    const last = runs.at(-1);
    if (mark === 0) continue;
    if (last?.end === at) last.end++;
    else runs.push({ start: at, end: at + 1 });
  }
  if (runs.length === answers.length)
    return { inputIds, turns: runs.map((run, i) => ({ message: answers[i], ...run })) };
  return runs.length === 0 || answers.length === 1
    ? { inputIds, turns: runs.map((run) => ({ message: answers[0], ...run })) }
    : undefined;
}

function maskedTokens(
  { messages, tools, variables }: Conversation,
  { tokenizer, chatTemplate }: TurnOptions,
): MaskedConversation | undefined {
  try {
    return tokenizer.applyChatTemplate(messages, {
      ...{ chatTemplate, returnAssistantTokensMask: true },
      variables: variablesOf({ tools, variables }),
    });
  } catch (error) {
    // A tokenizer that changes the text: the other way decides. Where the template refuses the messages, it says so again.
    if (error instanceof TunebookError) return undefined;
    throw error;
  }
}

interface RenderedTurns {
  readonly text: string;
  readonly spans: readonly Span[];
  readonly answers: readonly number[];
  readonly isEnded: boolean;
}

/** Undefined where the template does not keep what it wrote for fewer messages. */
function byPrefixes(
  conversation: Conversation,
  answers: readonly number[],
  options: TurnOptions,
): RenderedTurns | undefined {
  const { messages } = conversation;
  const text = renderMessages(conversation, options);
  const spans: Span[] = [];
  let isEnded = true;
  for (const answer of answers) {
    const asked = askedText(conversation, answer, options);
    const upTo = renderMessages({ ...conversation, messages: messages.slice(0, answer + 1) }, options);
    if (!upTo.startsWith(asked) || !text.startsWith(upTo)) return undefined;
    spans.push([asked.length, upTo.length]);
    isEnded = afterAnswer(upTo.slice(asked.length), messages[answer]).trim() !== '';
  }
  return { text, spans, answers, isEnded };
}

/** The conversation up to one answer, which alone is learned. */
function lastTurn(conversation: Conversation, answer: number, options: TurnOptions): EncodedTurns {
  const messages = conversation.messages.slice(0, answer + 1);
  const text = renderMessages({ ...conversation, messages }, options);
  const start = answerStart(text, askedText(conversation, answer, options), messages[answer]);
  if (start < 0)
    throw new TunebookError(
      `expected the chat template of ${options.tokenizer.name} to write the answer of messages[${answer}], got a text ` +
        'without it. Give a chatTemplate that does',
    );
  const isEnded = afterAnswer(text.slice(start), messages[answer]).trim() !== '';
  return endTurns({ text, spans: [[start, text.length]], answers: [answer], isEnded }, options);
}

function endTurns({ text, spans, answers, isEnded }: RenderedTurns, options: TurnOptions): EncodedTurns {
  const { inputIds, ranges } = encodeSpans(text, spans, options.tokenizer);
  const turns = ranges.map(([start, end], i) => ({ message: answers[i], start, end }));
  const last = turns.at(-1);
  // Only where nothing else follows: another turn's text has ended the answer then.
  if (isEnded || last?.end !== inputIds.length) return { inputIds, turns };
  inputIds.push(...options.end());
  last.end = inputIds.length;
  return { inputIds, turns };
}

function askedText(conversation: Conversation, answer: number, options: TurnOptions): string {
  const messages = conversation.messages.slice(0, answer);
  return renderMessages({ ...conversation, messages }, { ...options, asks: true });
}

/** What stands after an answer's own words; all of it where they are not found, as with calls of tools. */
function afterAnswer(turn: string, { content }: ConversationMessage): string {
  const bare = content.trim();
  const at = turn.lastIndexOf(bare);
  return at < 0 ? turn : turn.slice(at + bare.length);
}
