/** A conversation as the ids that a model answers. Where it stands: under `textGenerator`. */
import type { ChatMessage, PretrainedTokenizer } from '../tokenizer';
import { requireList, requireObject, TunebookError } from '../types';
import type { Tokenizer } from '../types';

const WHERE = 'textGenerator';

/** A conversation to be answered, as a record of `messages` has it. */
export interface Chat {
  /** The turns so far, a system text first where there is one; the last is the user's, or a tool's. */
  readonly messages: readonly ChatMessage[];
  /** Descriptions of the tools that the model may call, as its template takes them. */
  readonly tools?: readonly unknown[];
  /** More variables for the template, such as `enable_thinking`. */
  readonly variables?: Readonly<Record<string, unknown>>;
}

/**
 * Token ids of a conversation, up to where the assistant begins to write, [T].
 * @throws TunebookError where the last turn is an answer already, or the template refuses the turns
 */
export function chatIds(
  chat: Chat,
  { tokenizer, chatTemplate }: { tokenizer: Tokenizer; chatTemplate: string | undefined },
): number[] {
  requireObject(chat, { where: WHERE, what: 'a text or { messages }', fields: ['messages'] });
  const { messages, tools, variables } = chat;
  requireList(messages, { where: WHERE, what: 'a list of messages { role, content }' });
  for (const [i, message] of messages.entries()) {
    const what = `a message { role, content } in messages[${i}]`;
    requireObject(message, { where: WHERE, what, fields: ['role', 'content'] });
  }
  const last = messages.at(-1)?.role ?? 'none';
  if (last === 'assistant' || last === 'none')
    throw new TunebookError(
      `${WHERE}: expected a conversation that ends with a turn of the user, got ${last} last. Leave the answer out.`,
    );
  return pretrained(tokenizer).applyChatTemplate(messages, {
    ...{ addGenerationPrompt: true, chatTemplate },
    variables: { ...(tools === undefined ? {} : { tools }), ...variables },
  });
}

/** The special token that a template writes after an answer; undefined where it writes none. */
export function turnEnd(tokenizer: Tokenizer, chatTemplate: string): number | undefined {
  return pretrained(tokenizer).turnEndOf(chatTemplate);
}

function pretrained(tokenizer: Tokenizer): PretrainedTokenizer {
  if ('applyChatTemplate' in tokenizer) return tokenizer as PretrainedTokenizer;
  throw new TunebookError(
    `${WHERE}: expected a tokenizer with applyChatTemplate for conversations, got one without. ` +
      "Pass { tokenizer: await AutoTokenizer.fromPretrained('...') }.",
  );
}
