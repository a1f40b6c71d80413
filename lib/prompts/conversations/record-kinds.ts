/** What the records of a file are, by their fields: conversations of several formats, pairs of texts, plain text. */
import type { DataRecord } from '../../types';
import type { RecordKind } from './types';

/** What each kind is recognised by; the order of the table is the order of the search. */
const KINDS: readonly {
  readonly kind: RecordKind;
  readonly fields: string;
  is(record: DataRecord): boolean;
}[] = [
  {
    kind: 'preference',
    fields: 'chosen + rejected',
    is: (record) => has(record, 'chosen', 'rejected'),
  },
  {
    kind: 'messages',
    fields: 'messages: [{ role, content }]',
    is: (record) => turnsOf(record) !== undefined && !isShareGpt(record),
  },
  {
    kind: 'sharegpt',
    fields: 'conversations: [{ from, value }]',
    is: (record) => turnsOf(record) !== undefined && isShareGpt(record),
  },
  {
    kind: 'prompt-completion',
    fields: 'prompt + completion',
    is: (record) => has(record, 'prompt', 'completion'),
  },
  {
    kind: 'alpaca',
    fields: 'instruction + output',
    is: (record) => has(record, 'instruction', 'output'),
  },
  {
    kind: 'fields',
    fields: 'input + response, or the fields of a template',
    is: (record) => has(record, 'response'),
  },
  { kind: 'text', fields: 'text', is: (record) => typeof record.text === 'string' },
];

/** Names for `format`. */
export const RECORD_KINDS: readonly RecordKind[] = KINDS.map(({ kind }) => kind);

/** Where a record keeps its turns. */
const TURN_FIELDS = ['messages', 'conversations', 'conversation'];

const has = (record: DataRecord, ...fields: string[]): boolean =>
  fields.every((field) => Object.hasOwn(record, field) && record[field] !== null);

/** The field that holds a record's turns. */
export function turnsOf(record: DataRecord): string | undefined {
  return TURN_FIELDS.find((field) => Object.hasOwn(record, field) && Array.isArray(record[field]));
}

function isShareGpt(record: DataRecord): boolean {
  const turns: unknown = record[turnsOf(record) ?? ''];
  const [first] = Array.isArray(turns) ? (turns as unknown[]) : [];
  return typeof first === 'object' && first !== null && 'from' in first && !('role' in first);
}

/** The kind of a record by its fields; undefined where none fits. */
export function kindOfRecord(record: DataRecord): RecordKind | undefined {
  return KINDS.find(({ is }) => is(record))?.kind;
}

/** What a kind is recognised by, in words. */
export function fieldsOf(kind: RecordKind): string {
  return KINDS.find((one) => one.kind === kind)?.fields ?? '';
}

/** Whether a record can be read as a kind, be it another one too. */
export function isOfKind(record: DataRecord, kind: RecordKind): boolean {
  return KINDS.find((one) => one.kind === kind)?.is(record) === true;
}

/** Whether a record is a conversation: turns, or a prompt and a completion of messages. */
export function isConversation(record: DataRecord): boolean {
  const kind = kindOfRecord(record);
  return (
    kind === 'messages' ||
    kind === 'sharegpt' ||
    (kind === 'prompt-completion' && Array.isArray(record.prompt))
  );
}
