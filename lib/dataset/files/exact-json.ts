/**
 * JSON read exactly. JSON.parse rounds whole numbers beyond 2^53, lets the last of two equal keys win, and
 * refuses the NaN and Infinity that Python writes. Here such whole numbers come as text of their digits, a key
 * that stands twice and half a surrogate pair are faults, and NaN is NaN, for the caller to judge.
 */
import { messageOf } from '../../types';

/** Something that a value cannot be taken for; the path leads to it from the root. */
export interface JsonFault {
  readonly path: readonly (string | number)[];
  readonly reason: string;
}

/** A value with what is wrong inside, or why there is none. */
export type ExactJson = { value: unknown; faults: readonly JsonFault[] } | { reason: string };

/** A whole number of so many digits may be beyond 2^53. */
const LONG_NUMBER = /\d{16}/;
const FOREIGN = /NaN|Infinity/;
const HALF_PAIR = /\\u[dD][89a-fA-F]/;
const LONE_SURROGATE = /\p{Surrogate}/u;

/** Strings (with the colon after a key), numbers and words, brackets and commas. */
const TOKEN = /("[^"\\]*(?:\\[^][^"\\]*)*")(\s*:)?|[-\w.+]+|[[\]{},]/g;

/** Stands for NaN while JSON.parse reads. */
const NAN_MARK = '\ue000NaN\ue000';

/** Parses a text that holds one value. */
export function parseExactJson(text: string): ExactJson {
  const plain = parsePlain(text);
  if ('reason' in plain && !FOREIGN.test(text)) return plain;
  const doubtful =
    'reason' in plain ||
    LONG_NUMBER.test(text) ||
    HALF_PAIR.test(text) ||
    keysIn(plain.value) !== keysWritten(text);
  if (!doubtful) return { value: plain.value, faults: [] };
  const { exact, faults, hasNaN } = scan(text);
  const parsed = parsePlain(exact);
  if ('reason' in parsed) return 'reason' in plain ? plain : parsed;
  return { value: hasNaN ? withNaN(parsed.value) : parsed.value, faults };
}

function parsePlain(text: string): { value: unknown } | { reason: string } {
  try {
    const value: unknown = JSON.parse(text);
    return { value };
  } catch (error) {
    return { reason: `invalid JSON (${messageOf(error)})` };
  }
}

/** The text as JSON.parse may read it, and what would have been lost. */
function scan(text: string): { exact: string; faults: JsonFault[]; hasNaN: boolean } {
  const parts: string[] = [];
  const faults: JsonFault[] = [];
  /** The brackets that are open: the keys so far of an object, the place in a list. */
  const open: { keys?: Set<string>; at: string | number }[] = [];
  const fault = (reason: string): unknown => faults.push({ path: open.map(({ at }) => at), reason });
  let from = 0;
  let hasNaN = false;
  for (const match of text.matchAll(TOKEN)) {
    const [token, string, colon] = match;
    const inside = open.at(-1);
    const other = string === undefined ? exactToken(token) : undefined;
    if (string !== undefined) {
      const value = HALF_PAIR.test(string) || colon !== undefined ? unquoted(string) : '';
      if (LONE_SURROGATE.test(value)) fault('half a surrogate pair, which is no character');
      if (colon !== undefined && inside?.keys !== undefined) {
        if (inside.keys.has(value)) fault(`the field "${value}" stands twice`);
        inside.keys.add(value);
        inside.at = value;
      }
    } else if (token === '{') open.push({ keys: new Set(), at: '' });
    else if (token === '[') open.push({ at: 0 });
    else if (token === '}' || token === ']') open.pop();
    else if (token === ',') {
      if (typeof inside?.at === 'number') inside.at++;
    } else if (other !== undefined) {
      parts.push(text.slice(from, match.index), other);
      from = match.index + token.length;
      hasNaN ||= token === 'NaN';
    }
  }
  return { exact: parts.join('') + text.slice(from), faults, hasNaN };
}

/** What JSON.parse has to read in place of a number or word; undefined where it reads it rightly. */
function exactToken(token: string): string | undefined {
  if (token === 'NaN') return JSON.stringify(NAN_MARK);
  if (token === 'Infinity') return '1e999';
  if (token === '-Infinity') return '-1e999';
  return /^-?\d{16,}$/.test(token) && !Number.isSafeInteger(Number(token)) ? `"${token}"` : undefined;
}

function unquoted(string: string): string {
  const parsed = parsePlain(string);
  return 'value' in parsed && typeof parsed.value === 'string' ? parsed.value : string;
}

function withNaN(value: unknown): unknown {
  if (value === NAN_MARK) return NaN;
  if (Array.isArray(value)) return value.map(withNaN);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withNaN(inner)]));
}

function keysIn(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const inner: unknown[] = Object.values(value);
  const own = Array.isArray(value) ? 0 : inner.length;
  return inner.reduce((count: number, one) => count + keysIn(one), own);
}

/** Counts what may be the end of a key; a value that begins with a colon counts too, and is looked at closely. */
function keysWritten(text: string): number {
  let count = 0;
  const end = /"\s*:/g;
  while (end.test(text)) count++;
  return count;
}
