/**
 * A prompt and its answer, both messages, as token ids: what a record with `prompt` and `completion` is trained on, and a
 * pair of answers compared by. As TRL encodes them: the prompt with the generation prompt, then what the template makes
 * of both together.
 */
import { requireObject, TunebookError } from '../../types';
import { answerStart, renderMessages } from './render';
import type { Conversation, ConversationMessage } from '../../prompts';
import type { ChatTools } from './types';

/** A prompt and its answer as token ids. */
export interface EncodedAnswer {
  /** What the model is asked with, [P]. */
  readonly promptIds: readonly number[];
  /** What it shall write, up to what the template writes after it, [A]. */
  readonly answerIds: readonly number[];
}

/**
 * Token ids of prompt messages, and of the messages that answer them.
 *
 * @throws TunebookError where the template refuses the messages, or leaves the answer out
 */
export function encodeAnswer(
  parts: Pick<Conversation, 'tools' | 'variables'> & {
    readonly prompt: readonly ConversationMessage[];
    readonly answer: readonly ConversationMessage[];
  },
  chat: ChatTools,
): EncodedAnswer {
  const where = 'encodeAnswer';
  requireObject(parts, { where, what: '{ prompt, answer }', fields: ['prompt', 'answer'] });
  requireObject(chat, { where, what: 'a tokenizer and its template', fields: ['tokenizer'] });
  const { prompt, answer, tools, variables } = parts;
  const ids = (text: string): number[] => chat.tokenizer.encode(text, { addSpecialTokens: false });
  const asked = renderMessages({ messages: prompt, tools, variables }, { ...chat, asks: true });
  const text = renderMessages({ messages: [...prompt, ...answer], tools, variables }, chat);
  const promptIds = ids(asked);
  const whole = ids(text);
  // The ids of the whole, as the template's model was trained on them, unless a token spans the border.
  if (text.startsWith(asked) && promptIds.every((id, i) => whole[i] === id))
    return { promptIds, answerIds: whole.slice(promptIds.length) };
  const start = answer.length === 0 ? -1 : answerStart(text, asked, answer[0]);
  if (start < 0)
    throw new TunebookError(
      `the chat template of ${chat.tokenizer.name} writes the prompt otherwise once the answer is there, and the answer ` +
        'is not found in it. Give a chatTemplate that keeps both',
    );
  return { promptIds, answerIds: ids(text.slice(start)) };
}
