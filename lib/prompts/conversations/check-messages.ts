/** What a conversation must be before a template sees it: many templates write nonsense where they should refuse. */
import { isJsonObject } from '../../files';
import { kindOf, TunebookError } from '../../types';
import type { JsonValue } from '../../types';
import type { ConversationMessage } from './types';

const ROLES: Readonly<Record<string, string>> = {
  system: 'system',
  developer: 'developer',
  user: 'user',
  assistant: 'assistant',
  tool: 'tool',
};

/** ShareGPT's names, and those of its descendants. */
const SHAREGPT_ROLES: Readonly<Record<string, string>> = {
  ...ROLES,
  human: 'user',
  gpt: 'assistant',
  chatgpt: 'assistant',
  bing: 'assistant',
  bard: 'assistant',
  model: 'assistant',
  function_call: 'assistant',
  observation: 'tool',
};

/** What is wrong with a record, in words: "expected X, got Y". */
export class MessageFault extends TunebookError {}

/**
 * A list of messages, `{ role, content }` or ShareGPT's `{ from, value }`.
 * @param name of the record's field
 * @throws MessageFault
 */
export function readMessages(list: readonly JsonValue[], name: string): ConversationMessage[] {
  if (list.length === 0) throw new MessageFault(`expected messages in "${name}", got an empty list`);
  return list.map((item, i) => readMessage(item, `${name}[${i}]`));
}

function readMessage(item: JsonValue, where: string): ConversationMessage {
  if (!isJsonObject(item))
    throw new MessageFault(`${where}: expected { role, content } or { from, value }, got ${kindOf(item)}`);
  if ('role' in item || !('from' in item)) return openAiMessage(item as Fields, where);
  const { from, value, weight, train, ...rest } = item as Fields;
  const role = roleOf(from, { where: `${where}.from`, roles: SHAREGPT_ROLES });
  const content = textOf(value ?? '', `${where}.value`);
  const message = { ...rest, role, ...trains({ weight, train }, where) };
  return from === 'function_call'
    ? { ...message, content: '', tool_calls: [{ type: 'function', function: callOf(content, where) }] }
    : { ...message, content };
}

type Fields = Readonly<Record<string, JsonValue>>;

function openAiMessage(item: Fields, where: string): ConversationMessage {
  const { role: given, content, tool_calls: calls, weight, train, ...rest } = item;
  const role = roleOf(given, { where: `${where}.role`, roles: ROLES });
  const text = textOf(content ?? '', `${where}.content`);
  const message = { ...rest, role, content: text, ...trains({ weight, train }, where) };
  if (calls === undefined || calls === null) return message;
  if (!Array.isArray(calls))
    throw new MessageFault(`${where}.tool_calls: expected a list, got ${kindOf(calls)}`);
  return { ...message, tool_calls: (calls as JsonValue[]).map((call) => withArguments(call, where)) };
}

/** `train: false`, or OpenAI's `weight: 0`, keeps a turn out of the loss. */
function trains(
  { weight, train }: { weight: JsonValue | undefined; train: JsonValue | undefined },
  where: string,
): { train?: boolean } {
  if (typeof train === 'boolean') return { train };
  if (train !== undefined && train !== null)
    throw new MessageFault(`${where}.train: expected true or false, got ${kindOf(train)}`);
  if (weight === undefined || weight === null) return {};
  if (weight === 0 || weight === 1) return { train: weight === 1 };
  throw new MessageFault(`${where}.weight: expected 0 or 1, got ${kindOf(weight)}`);
}

function roleOf(
  role: JsonValue | undefined,
  { where, roles }: { where: string; roles: Readonly<Record<string, string>> },
): string {
  const known = typeof role === 'string' && Object.hasOwn(roles, role) ? roles[role] : undefined;
  if (known !== undefined) return known;
  throw new MessageFault(`${where}: expected ${Object.keys(roles).join(', ')}, got ${kindOf(role)}`);
}

/** A text, or a list of parts that are all text. */
function textOf(content: JsonValue, where: string): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) throw new MessageFault(`${where}: expected text, got ${kindOf(content)}`);
  const parts: unknown[] = content;
  return parts
    .map((part) => {
      if (isJsonObject(part) && part.type === 'text' && typeof part.text === 'string') return part.text;
      const what = isJsonObject(part) ? `a part of type ${kindOf(part.type)}` : kindOf(part);
      throw new MessageFault(`${where}: expected text, got ${what}. Models here read text alone`);
    })
    .join('');
}

/** Templates write a call's arguments as JSON themselves; as text, which OpenAI's files have, they would be quoted twice. */
function withArguments(call: JsonValue, where: string): JsonValue {
  if (!isJsonObject(call))
    throw new MessageFault(`${where}.tool_calls: expected objects, got ${kindOf(call)}`);
  const inner = (isJsonObject(call.function) ? call.function : call) as Fields;
  if (typeof inner.name !== 'string')
    throw new MessageFault(`${where}.tool_calls: expected a function with a name, got ${kindOf(inner.name)}`);
  if (typeof inner.arguments !== 'string') return call as JsonValue;
  const fixed = { ...inner, arguments: jsonOf(inner.arguments, `${where}.tool_calls, arguments`) };
  return isJsonObject(call.function) ? { ...(call as Fields), function: fixed } : fixed;
}

function callOf(text: string, where: string): JsonValue {
  const call = jsonOf(text, `${where}.value`);
  if (isJsonObject(call) && typeof call.name === 'string') return withArguments(call as Fields, where);
  throw new MessageFault(`${where}.value: expected a call { "name", "arguments" }, got ${text.slice(0, 60)}`);
}

function jsonOf(text: string, where: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    throw new MessageFault(`${where}: expected JSON, got ${JSON.stringify(text.slice(0, 60))}`);
  }
}

/**
 * Refuses turns out of order and turns that say nothing.
 * @throws MessageFault
 */
export function checkTurns(messages: readonly ConversationMessage[], name: string): void {
  let before: ConversationMessage | undefined;
  for (const [i, message] of messages.entries()) {
    const where = `${name}[${i}]`;
    const fault = orderFault(message, before, i);
    if (fault !== undefined) throw new MessageFault(`${where}: ${fault}`);
    const says = message.content.trim() !== '' || hasCalls(message);
    if (!says && (message.role === 'user' || message.role === 'assistant'))
      throw new MessageFault(`${where}: the turn of the ${message.role} is empty`);
    before = message;
  }
}

const hasCalls = ({ tool_calls: calls = [] }: ConversationMessage): boolean => calls.length > 0;

const isSystem = (role: string): boolean => role === 'system' || role === 'developer';

function orderFault(
  message: ConversationMessage,
  before: ConversationMessage | undefined,
  index: number,
): string | undefined {
  const { role } = message;
  const after = before?.role;
  if (isSystem(role))
    return index === 0 ? undefined : `a ${role} message stands first, got it after ${after}`;
  if (before !== undefined && hasCalls(before) && role !== 'tool')
    return `the tool that ${before.role} called has no answer: expected a message of the role tool, got ${role}`;
  if (role === 'tool')
    return after === 'tool' || (before !== undefined && hasCalls(before))
      ? undefined
      : `an answer of a tool that nobody called: expected it after tool_calls, got it after ${after ?? 'nothing'}`;
  if (role === 'assistant')
    return after === 'user' || after === 'tool'
      ? undefined
      : `roles out of order: expected the assistant after a user, got it ${place(after)}`;
  return after === 'user' || after === 'tool'
    ? `roles out of order: expected the assistant after ${after}, got user. Join the two, or answer the first`
    : undefined;
}

function place(after: string | undefined): string {
  if (after === undefined || isSystem(after)) return 'first';
  return `after ${after}. Join the two`;
}
