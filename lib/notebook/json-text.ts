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

/** JSON is not as it should be; `at` says where. */
export class JsonTextError extends TunebookError {
  override name = 'JsonTextError';
  constructor(
    readonly at: number,
    message: string,
  ) {
    super(message);
  }
}

/** Reads values one after the other; `at` is the place of the next. */
export interface JsonReader {
  at: number;
  /** Passes over blanks. */
  blank(): void;
  value(): JsonNode;
  /** A key and the colon after it. */
  key(): { key: string; start: number };
}

/** What Python's json and careless programs write, and JSON does not know. */
const foreign = /(?:NaN|-?Infinity|undefined|None|True|False)\b/y;
const foreignValues: Record<string, string> = { True: 'true', False: 'false' };

/**
 * A reader of JSON. With `tolerant`, what is meant is read though it is wrong, and the edits that mend it are
 * recorded: commas before a closing bracket, NaN, line ends and other control characters inside of strings.
 */
export function readJson(text: string, tolerant?: TextEdit[]): JsonReader {
  let at = 0;
  const fail = (expected: string): never => {
    const line = text.slice(0, at).split('\n').length;
    throw new JsonTextError(
      at,
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
    const start = at;
    if (!found) return tolerant ? mended(tolerant) : fail('a value');
    at = match.lastIndex;
    return { start, end: at, value: JSON.parse(found[0]) as unknown };
  };
  const mended = (edits: TextEdit[]): JsonNode => {
    const start = at;
    foreign.lastIndex = at;
    const word = foreign.exec(text)?.[0];
    if (word !== undefined) {
      at = foreign.lastIndex;
      const mend = foreignValues[word] ?? 'null';
      edits.push({ start, end: at, text: mend });
      return { start, end: at, value: JSON.parse(mend) as unknown };
    }
    const loose = /"(?:[^"\\]|\\.)*"(?=\s*[,:\]}])/y;
    loose.lastIndex = at;
    const found = loose.exec(text);
    if (!found) return fail('a value');
    at = loose.lastIndex;
    const value = found[0].replace(/[\u0000-\u001f]/g, (character, offset: number) => {
      const mend = JSON.stringify(character).slice(1, -1);
      edits.push({ start: start + offset, end: start + offset + 1, text: mend });
      return mend;
    });
    try {
      return { start, end: at, value: JSON.parse(value) as unknown };
    } catch {
      at = start;
      return fail('a value');
    }
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
    const { items, start } = list('}', (): JsonMember => ({ ...key(), node: value() }));
    return { start, end: at, members: items };
  };
  const key = (): { key: string; start: number } => {
    blank();
    const name = scalar();
    if (typeof name.value !== 'string') return fail('a key');
    blank();
    if (text[at] !== ':') return fail('":"');
    at++;
    return { key: name.value, start: name.start };
  };
  return {
    get at() {
      return at;
    },
    set at(place) {
      at = place;
    },
    blank,
    key,
    value,
  };
}

/** Reads one JSON value and nothing else. @throws JsonTextError */
export function parseJsonText(text: string, tolerant?: TextEdit[]): JsonNode {
  const reader = readJson(text, tolerant);
  const root = reader.value();
  reader.blank();
  if (reader.at < text.length)
    throw new JsonTextError(
      reader.at,
      `line ${text.slice(0, reader.at).split('\n').length}: expected the end of the file`,
    );
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

/** The edits that take members out of an object, with the commas that go with them; they never overlap. */
export function removeMembers(object: JsonNode, keys: readonly string[]): TextEdit[] {
  const members = object.members ?? [];
  const edits: TextEdit[] = [];
  for (let i = 0; i < members.length; i++) {
    if (!keys.includes(members[i].key)) continue;
    const first = i;
    while (i + 1 < members.length && keys.includes(members[i + 1].key)) i++;
    if (i + 1 < members.length)
      edits.push({ start: members[first].start, end: members[i + 1].start, text: '' });
    else {
      const start = first > 0 ? members[first - 1].node.end : members[first].start;
      edits.push({ start, end: members[i].node.end, text: '' });
    }
  }
  return edits;
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
