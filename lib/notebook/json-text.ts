/** JSON with its places in the text, so that `repair` can mend a file and leave every other byte as it was. */
import { TunebookError } from '../types';

/** A value and where it stands: text from `start` to `end`. */
export interface JsonNode {
  readonly start: number;
  readonly end: number;
  /** Members of an object in order. */
  readonly members?: readonly JsonMember[];
  /** Elements of an array. */
  readonly elements?: readonly JsonNode[];
  /** Value of a string, number, boolean or null. */
  readonly value?: unknown;
}

/** A member of an object; `start` is that of its key. */
export interface JsonMember {
  readonly key: string;
  readonly start: number;
  readonly node: JsonNode;
}

/** Replaces the text from `start` to `end`. */
export interface TextEdit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Reads JSON; with `tolerant`, commas before a closing bracket are let pass and their places recorded. */
export function parseJsonText(text: string, tolerant?: TextEdit[]): JsonNode {
  let at = 0;
  const fail = (expected: string): never => {
    const line = text.slice(0, at).split('\n').length;
    throw new TunebookError(
      `line ${line}: expected ${expected}, got ${JSON.stringify(text.slice(at, at + 20))}`,
    );
  };
  const blank = (): void => {
    while (at < text.length && /[\s\uFEFF]/.test(text[at])) at++;
  };
  const scalar = (): JsonNode => {
    const match = /"(?:[^"\\\u0000-\u001f]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
    match.lastIndex = at;
    const found = match.exec(text);
    if (!found) return fail('a value');
    const start = at;
    at = match.lastIndex;
    return { start, end: at, value: JSON.parse(found[0]) as unknown };
  };
  const list = <T>(close: string, item: () => T): { items: T[]; start: number } => {
    const start = at++;
    const items: T[] = [];
    blank();
    while (text[at] !== close) {
      items.push(item());
      blank();
      if (text[at] === ',') {
        const comma = at++;
        blank();
        if (text[at] === close) {
          if (!tolerant) return fail('a value');
          tolerant.push({ start: comma, end: comma + 1, text: '' });
        }
      } else if (text[at] !== close) return fail(`"," or "${close}"`);
    }
    at++;
    return { items, start };
  };
  const value = (): JsonNode => {
    blank();
    if (text[at] === '[') {
      const { items, start } = list(']', value);
      return { start, end: at, elements: items };
    }
    if (text[at] !== '{') return scalar();
    const { items, start } = list('}', (): JsonMember => {
      blank();
      const key = scalar();
      if (typeof key.value !== 'string') return fail('a key');
      blank();
      if (text[at] !== ':') return fail('":"');
      at++;
      return { key: key.value, start: key.start, node: value() };
    });
    return { start, end: at, members: items };
  };
  const root = value();
  blank();
  if (at < text.length) fail('the end of the file');
  return root;
}

/** The member of an object, if there is one. */
export function memberOf(node: JsonNode | undefined, key: string): JsonMember | undefined {
  return node?.members?.find((member) => member.key === key);
}

/** The text with the edits made; they must not overlap. */
export function applyEdits(text: string, edits: readonly TextEdit[]): string {
  let out = text;
  for (const edit of [...edits].sort((a, b) => b.start - a.start || b.end - a.end))
    out = out.slice(0, edit.start) + edit.text + out.slice(edit.end);
  return out;
}

/** The edit that takes a member out of an object, with the comma that goes with them. */
export function removeMember(object: JsonNode, key: string): TextEdit | null {
  const members = object.members ?? [];
  const i = members.findIndex((member) => member.key === key);
  if (i < 0) return null;
  if (i + 1 < members.length) return { start: members[i].start, end: members[i + 1].start, text: '' };
  const start = i > 0 ? members[i - 1].node.end : members[i].start;
  return { start, end: members[i].node.end, text: '' };
}

/** The edit that puts a member first in an object, in the object's own layout. */
export function insertMember(text: string, object: JsonNode, key: string, json: string): TextEdit {
  const first = object.members?.[0];
  const at = object.start + 1;
  if (!first) return { start: at, end: at, text: `${JSON.stringify(key)}: ${json}` };
  const layout = text.slice(at, first.start);
  const space = /\n/.test(layout) ? layout : ' ';
  return { start: first.start, end: first.start, text: `${JSON.stringify(key)}: ${json},${space}` };
}
