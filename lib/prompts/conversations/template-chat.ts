/** What a chat template does with records that are conversations themselves. Where it stands: under `chatTemplate`. */
import type { DataRecord } from '../../types';
import { MessageFault } from './check-messages';
import { isConversation, kindOfRecord } from './record-kinds';
import { toConversation } from './to-conversation';
import type { Conversation, ConversationMessage } from './types';

/** How records become conversations, and the template that renders them. */
export interface TemplateChat {
  /** The Jinja source, with `{% generation %}` where it marks answers. */
  readonly source: string;
  /** Whether a record is a conversation, by its fields alone. */
  takes(record: DataRecord): boolean;
  /** The conversation of a record, the template's system text before it; undefined where it is none. @throws MessageFault */
  conversationOf(record: DataRecord): Conversation | undefined;
}

/**
 * @param options.takesAlpaca whether `instruction` and `output` are turns too: no text of the caller's has places for them
 * @param options.systemOf the system text for conversations without one
 */
export function templateChat(options: {
  source: string;
  takesAlpaca: boolean;
  systemOf: ((record: DataRecord) => string) | undefined;
}): TemplateChat {
  const { source, takesAlpaca, systemOf } = options;
  const takes = (record: DataRecord): boolean =>
    isConversation(record) || (takesAlpaca && kindOfRecord(record) === 'alpaca');
  return {
    ...{ source, takes },
    conversationOf: (record) => {
      const kind = kindOfRecord(record);
      if (kind === undefined || !takes(record)) return undefined;
      const own = systemOf === undefined ? undefined : systemOf(record);
      const hasOne = typeof record.system === 'string' && record.system.trim() !== '';
      return toConversation(hasOne || own === undefined ? record : { ...record, system: own }, kind);
    },
  };
}

/** The messages that ask for the last answer: all of them where the last is no answer. */
export function askedMessages({ messages, promptMessages }: Conversation): readonly ConversationMessage[] {
  if (promptMessages !== undefined) return messages.slice(0, promptMessages);
  return messages.at(-1)?.role === 'assistant' ? messages.slice(0, -1) : messages;
}

/** The last answer's text. @throws MessageFault where the conversation ends without one */
export function lastAnswer({ messages, promptMessages }: Conversation): string {
  const last = promptMessages === undefined ? messages.at(-1) : messages[promptMessages];
  if (last?.role === 'assistant') return last.content;
  throw new MessageFault(
    `expected a conversation that ends with the assistant's answer, got ${last?.role ?? 'none'} last`,
  );
}

/** A conversation's variables for the template. */
export function variablesOf(
  conversation: Pick<Conversation, 'tools' | 'variables'> | undefined,
): Record<string, unknown> {
  const { tools, variables } = conversation ?? {};
  return { ...(tools === undefined ? {} : { tools }), ...variables };
}

/** A template for tools that know no `{% generation %}`: what it encloses stays. */
export function withoutMarks(source: string): string {
  return source.replace(
    /\{%(-?)\s*(end)?generation\s*(-?)%\}/g,
    (_, before: string, end: string | undefined, after: string) =>
      end === undefined ? `{%${before} if true ${after}%}` : `{%${before} endif ${after}%}`,
  );
}
