/** From a record of any conversational format to a conversation, checked. */
import { isJsonObject } from '../../files';
import { kindOf } from '../../types';
import type { DataRecord, JsonValue } from '../../types';
import { checkTurns, MessageFault, readMessages } from './check-messages';
import { turnsOf } from './record-kinds';
import type { Conversation, ConversationMessage, RecordKind } from './types';

/**
 * The conversation of a record.
 * @throws MessageFault where its turns are not what a model can learn from
 */
export function toConversation(record: DataRecord, kind: RecordKind): Conversation {
  const name = nameOf(record, kind);
  const { messages, promptMessages } = turns(record, { kind, name });
  const whole = withSystem(messages, record);
  checkTurns(whole, name);
  const added = whole.length - messages.length;
  return {
    messages: whole,
    ...(promptMessages === undefined ? {} : { promptMessages: promptMessages + added }),
    ...extras(record),
  };
}

/** A record's tools and template variables. @throws MessageFault */
export function extras(record: DataRecord): Pick<Conversation, 'tools' | 'variables'> {
  const { tools: given, chat_template_kwargs: variables } = record;
  const tools = typeof given === 'string' && given.trim() !== '' ? parsed(given) : given;
  if (tools !== undefined && tools !== null && tools !== '' && !Array.isArray(tools))
    throw new MessageFault(`tools: expected a list of descriptions, got ${kindOf(tools)}`);
  if (variables !== undefined && variables !== null && !isJsonObject(variables))
    throw new MessageFault(`chat_template_kwargs: expected an object, got ${kindOf(variables)}`);
  return {
    ...(Array.isArray(tools) && tools.length > 0 ? { tools: tools as JsonValue[] } : {}),
    ...(isJsonObject(variables) ? { variables: variables as DataRecord } : {}),
  };
}

function parsed(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    throw new MessageFault(`tools: expected a list or its JSON, got ${JSON.stringify(text.slice(0, 60))}`);
  }
}

function nameOf(record: DataRecord, kind: RecordKind): string {
  if (kind === 'alpaca') return 'turns';
  return kind === 'prompt-completion' ? 'prompt + completion' : (turnsOf(record) ?? 'messages');
}

function turns(
  record: DataRecord,
  { kind, name }: { kind: RecordKind; name: string },
): { messages: ConversationMessage[]; promptMessages?: number } {
  if (kind === 'alpaca') return { messages: alpacaTurns(record) };
  if (kind !== 'prompt-completion') return { messages: readMessages(listIn(record, name), name) };
  const prompt = readMessages(listIn(record, 'prompt'), 'prompt');
  const answer = readMessages(listIn(record, 'completion'), 'completion');
  return { messages: [...prompt, ...answer], promptMessages: prompt.length };
}

function listIn(record: DataRecord, field: string): readonly JsonValue[] {
  const list = record[field];
  if (Array.isArray(list)) return list as JsonValue[];
  throw new MessageFault(`${field}: expected a list of messages, got ${kindOf(list)}`);
}

/** Stanford Alpaca's fields, and the `history` that some files have: earlier pairs of question and answer. */
function alpacaTurns(record: DataRecord): ConversationMessage[] {
  const history: unknown[] = Array.isArray(record.history) ? record.history : [];
  const earlier = history.flatMap((pair, i): ConversationMessage[] => {
    const [question, answer] = Array.isArray(pair) ? (pair as unknown[]) : [];
    if (typeof question !== 'string' || typeof answer !== 'string')
      throw new MessageFault(`history[${i}]: expected [question, answer], got ${kindOf(pair)}`);
    return [
      { role: 'user', content: question },
      { role: 'assistant', content: answer },
    ];
  });
  const [instruction, input] = [textIn(record, 'instruction'), textIn(record, 'input')];
  const content = input.trim() === '' ? instruction : `${instruction}\n\n${input}`;
  return [...earlier, { role: 'user', content }, { role: 'assistant', content: textIn(record, 'output') }];
}

function textIn(record: DataRecord, field: string): string {
  const value = record[field] ?? '';
  if (typeof value === 'string') return value;
  throw new MessageFault(`${field}: expected text, got ${kindOf(value)}`);
}

/** A field `system` beside the turns is the first message, where the turns have none. */
function withSystem(messages: ConversationMessage[], { system }: DataRecord): ConversationMessage[] {
  const has = messages[0]?.role === 'system' || messages[0]?.role === 'developer';
  if (has || typeof system !== 'string' || system.trim() === '') return messages;
  return [{ role: 'system', content: system }, ...messages];
}
