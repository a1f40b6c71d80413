/** JSON with its places in the text, so that `repair` can repair a file and leave every other byte as it was. */
import { TunebookError } from '../../types';
import { applyEdits } from './json-edits';
import type { TextEdit } from './json-edits';
import type { JsonMember, JsonNode } from './json-node';

/** An edit that makes JSON of what is nearly JSON. */
export interface JsonRepair extends TextEdit {
  /** What it repairs, in words that can be counted. */
  readonly what: string;
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

/** Brackets within brackets; Python's reader, which Jupyter uses, gives up near here as well. */
const MAX_DEPTH = 900;

const PLAIN_VALUE = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;

/** What Python's json and careless programs write, and JSON does not know. */
const FOREIGN = /(?:NaN|-?Infinity|undefined|None|True|False)\b/y;
const FOREIGN_VALUES: Record<string, string> = { True: 'true', False: 'false' };

/** The line that a place is in, from 1. */
export function lineOf(text: string, at: number): number {
  let line = 1;
  for (let end = text.indexOf('\n'); end >= 0 && end < at; end = text.indexOf('\n', end + 1)) line++;
  return line;
}

/**
 * A reader of JSON. With `tolerant`, what is meant is read though it is wrong, and the edits that repair it are
 * recorded: commas too many or missing at a line's end, NaN, line ends and unknown escapes inside of strings.
 */
export function readJson(text: string, tolerant?: JsonRepair[]): JsonReader {
  let at = 0;
  let depth = 0;
  const fail = (expected: string): never => {
    const got = at < text.length ? JSON.stringify(text.slice(at, at + 20)) : 'the end of the file';
    throw new JsonTextError(at, `line ${lineOf(text, at)}: expected ${expected}, got ${got}`);
  };
  const blank = (): void => {
    for (; at < text.length; at++) {
      if (' \n\r\t'.includes(text[at])) continue;
      if (!tolerant || !/[\s\uFEFF]/.test(text[at])) return;
      tolerant.push({ start: at, end: at + 1, text: ' ', what: 'blank(s) that JSON does not know replaced' });
    }
  };
  const string = (): JsonNode => {
    const start = at;
    const repairs: JsonRepair[] = [];
    let escaped = false;
    let i = start + 1;
    for (let code = 0; (code = text.charCodeAt(i)) !== 34;) {
      if (i >= text.length) return fail('a string that ends');
      if (code === 92) {
        escaped = true;
        ESCAPE.lastIndex = i;
        if (ESCAPE.test(text)) i = ESCAPE.lastIndex;
        else {
          if (!tolerant) return fail('a string with escapes that JSON knows');
          repairs.push({
            start: i,
            end: i++,
            text: '\\',
            what: 'backslash(es) that begin no escape doubled',
          });
        }
      } else if (code < 32) {
        if (!tolerant) return fail('a string without line ends and other control characters');
        const repair = JSON.stringify(text[i]).slice(1, -1);
        const what = 'control character(s) inside of strings escaped';
        repairs.push({ start: i, end: ++i, text: repair, what });
      } else i++;
    }
    // A quote that is missing would swallow lines up to the next one.
    if (repairs.some(({ end, start: from }) => end > from) && !/^\s*[,:\]}]/.test(text.slice(i + 1, i + 200)))
      return fail('a string without line ends and other control characters');
    at = i + 1;
    for (const repair of repairs) tolerant?.push(repair); // there may be millions
    const own = repairs.map((repair) => ({
      ...repair,
      start: repair.start - start,
      end: repair.end - start,
    }));
    const raw = applyEdits(text.slice(start, at), own);
    const value = escaped || own.length > 0 ? (JSON.parse(raw) as string) : raw.slice(1, -1);
    return { start, end: at, value };
  };
  const scalar = (): JsonNode => {
    if (text[at] === '"') return string();
    const start = at;
    PLAIN_VALUE.lastIndex = at;
    const plain = PLAIN_VALUE.exec(text)?.[0];
    if (plain !== undefined) {
      at = PLAIN_VALUE.lastIndex;
      return { start, end: at, value: JSON.parse(plain) as unknown };
    }
    FOREIGN.lastIndex = at;
    const word = tolerant && FOREIGN.exec(text)?.[0];
    if (word === undefined) return fail('a value');
    at = FOREIGN.lastIndex;
    const repair = FOREIGN_VALUES[word] ?? 'null';
    const what = 'value(s) that JSON does not know replaced (NaN and the like)';
    tolerant?.push({ start, end: at, text: repair, what });
    return { start, end: at, value: JSON.parse(repair) as unknown };
  };
  const list = <T>(close: string, item: () => T): { items: T[]; start: number } => {
    const start = at;
    if (++depth > MAX_DEPTH) fail(`at most ${MAX_DEPTH} brackets within each other`);
    at++;
    const items: T[] = [];
    const drop = (comma: number): unknown =>
      tolerant?.push({ start: comma, end: comma + 1, text: '', what: 'comma(s) too many removed' });
    let comma = -1; // the one before, where no item follows yet
    for (blank(); text[at] !== close; blank()) {
      if (tolerant && text[at] === ',') {
        drop(at++);
        continue;
      }
      items.push(item());
      const end = at;
      comma = -1;
      blank();
      if (text[at] === ',') comma = at++;
      else if (text[at] === close) break;
      else if (tolerant && /^["{[\-\dtfn]/.test(text.charAt(at)) && text.slice(end, at).includes('\n'))
        tolerant.push({ start: end, end, text: ',', what: "missing comma(s) at a line's end added" });
      else fail(`"," or "${close}"`);
    }
    if (comma >= 0) {
      if (!tolerant) fail('a value');
      drop(comma);
    }
    at++;
    depth--;
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
      const member = { ...key(), node: value() };
      return { ...member, end: member.node.end };
    });
    return { start, end: at, members: items };
  };
  const key = (): { key: string; start: number } => {
    blank();
    const name = scalar();
    if (typeof name.value !== 'string') {
      at = name.start;
      return fail('a key');
    }
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
export function parseJsonText(text: string, tolerant?: JsonRepair[]): JsonNode {
  const reader = readJson(text, tolerant);
  const root = reader.value();
  reader.blank();
  const end = reader.at;
  // A disk that lost its power leaves a file's last block empty.
  if (tolerant && end < text.length && /^[\s\0]+$/.test(text.slice(end)))
    tolerant.push({ start: end, end: text.length, text: '', what: 'end of zero bytes removed' });
  else if (end < text.length)
    throw new JsonTextError(
      end,
      `line ${lineOf(text, end)}: expected the end of the file, got ${JSON.stringify(text.slice(end, end + 20))}`,
    );
  return root;
}
