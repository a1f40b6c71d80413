/** Messages as text, by the chat template. Where it stands: under the encoding of conversations and of pairs. */
import type { ChatMessage } from '../../tokenizer';
import { variablesOf } from '../../prompts';
import type { Conversation } from '../../prompts';
import type { ChatTools } from './types';

/** transformers' tags around what a model writes itself. */
const GENERATION = /\{%-?\s*generation\s*-?%\}/;

/** Whether the template says itself what the model writes. */
export function marksAnswers({ tokenizer, chatTemplate = tokenizer.chatTemplate }: ChatTools): boolean {
  return chatTemplate !== undefined && GENERATION.test(chatTemplate);
}

/**
 * What the template makes of messages; it writes the special tokens itself.
 * @param options.asks whether the text ends where the assistant begins to write
 * @throws TunebookError with the template's own words where it refuses them
 */
export function renderMessages(
  { messages, tools, variables }: Conversation,
  { tokenizer, chatTemplate, asks = false }: ChatTools & { asks?: boolean },
): string {
  return tokenizer.applyChatTemplate(messages, {
    ...{ tokenize: false, addGenerationPrompt: asks, chatTemplate },
    variables: variablesOf({ tools, variables }),
  });
}

/** Where an answer begins in a text whose prompt is rendered otherwise once the answer is there; -1 where it is not. */
export function answerStart(text: string, prompt: string, answer: ChatMessage): number {
  if (text.startsWith(prompt)) return prompt.length;
  const bare = answer.content.trim();
  return bare === '' ? -1 : text.lastIndexOf(bare);
}
