/** The methods of Python's str that templates call. Where it stands: under `attributes`. */
import { bind, textArgument } from './arguments';
import { capitalize, caseFold, isLower, isUpper, swapCase, title } from './case';
import { iterate } from './operators';
import { characters, lengthOf, nameOf, PYTHON_SPACE, wholeOf } from './text';
import { raise, textOf, Tuple } from './values';
import type { Arguments, Value } from './values';

type Method = (text: string, args: Arguments) => Value;

const SPACE = new RegExp(`^[${PYTHON_SPACE}]$`, 'u');
const RUNS_OF_SPACE = new RegExp(`[${PYTHON_SPACE}]+`, 'u');
const LINE = /\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/u;

/** str.strip and its halves: of white space, or of any of the given characters. */
export function strip(text: string, ends: 'start' | 'end' | 'both', given: Value | undefined = null): string {
  const set = given === null ? undefined : new Set<string>(characters(textArgument(given, 'strip')));
  const goes = (character: string): boolean =>
    set === undefined ? SPACE.test(character) : set.has(character);
  const all = characters(text);
  let [start, end] = [0, all.length];
  if (ends !== 'end') while (start < end && goes(all[start])) start++;
  if (ends !== 'start') while (end > start && goes(all[end - 1])) end--;
  return all.slice(start, end).join('');
}

export function splitLines(text: string, keepsEnds = false): string[] {
  const lines: string[] = [];
  let rest = text;
  while (rest !== '') {
    const end = LINE.exec(rest);
    if (end === null) return [...lines, rest];
    lines.push(rest.slice(0, end.index + (keepsEnds ? end[0].length : 0)));
    rest = rest.slice(end.index + end[0].length);
  }
  return lines;
}

function split(text: string, args: Arguments, fromEnd: boolean): string[] {
  const [by = null, count = -1n] = bind(args, { of: 'split', names: ['sep', 'maxsplit'] });
  const most = wholeOf(count, 'split');
  const cut = (parts: string[], rejoin: (parts: readonly string[]) => string): string[] => {
    if (most < 0 || parts.length <= most + 1) return parts;
    return fromEnd
      ? [rejoin(parts.slice(0, parts.length - most)), ...parts.slice(parts.length - most)]
      : [...parts.slice(0, most), rejoin(parts.slice(most))];
  };
  if (by !== null) {
    const mark = textArgument(by, 'split');
    if (mark === '') return raise('split: empty separator');
    const parts = fromEnd && overlaps(mark) ? splitFromEnd(text, mark, most) : text.split(mark);
    return fromEnd && overlaps(mark) ? parts : cut(parts, (rest) => rest.join(mark));
  }
  // Of the rest, only the white space at the outer end goes.
  const trimmed = strip(text, 'both');
  if (trimmed === '') return [];
  if (most < 0) return trimmed.split(RUNS_OF_SPACE);
  const parts: string[] = [];
  let rest = trimmed;
  while (parts.length < most) {
    const runs = [...rest.matchAll(new RegExp(RUNS_OF_SPACE, 'gu'))];
    const run = fromEnd ? runs.at(-1) : runs[0];
    if (run === undefined) break;
    const [before, after] = [rest.slice(0, run.index), rest.slice(run.index + run[0].length)];
    if (fromEnd) parts.unshift(after);
    else parts.push(before);
    rest = fromEnd ? before : after;
  }
  return fromEnd ? [rest, ...parts] : [...parts, rest];
}

/** Whether a separator found from the end may lie elsewhere than found from the beginning. */
function overlaps(mark: string): boolean {
  return Array.from({ length: mark.length - 1 }, (_, i) => i + 1).some((i) => mark.startsWith(mark.slice(i)));
}

function splitFromEnd(text: string, mark: string, most: number): string[] {
  const parts: string[] = [];
  let rest = text;
  while (most < 0 || parts.length < most) {
    const at = rest.lastIndexOf(mark);
    if (at < 0) break;
    parts.unshift(rest.slice(at + mark.length));
    rest = rest.slice(0, at);
  }
  return [rest, ...parts];
}

const DIGIT =
  /[\p{Nd}\xb2\xb3\xb9\u1369-\u1371\u19da\u2070\u2074-\u2079\u2080-\u2089\u2460-\u2468\u2474-\u247c\u2488-\u2490\u24ea\u24f5-\u24fd\u24ff\u2776-\u277e\u2780-\u2788\u278a-\u2792\u{10a40}-\u{10a43}\u{10e60}-\u{10e68}\u{11052}-\u{1105a}\u{1f100}-\u{1f10a}]/u;

function every(text: string, test: RegExp): boolean {
  return text !== '' && characters(text).every((character) => test.test(character));
}

/** Whether a text begins or ends with one of the given, from and to a place. */
function touches(text: string, args: Arguments, end: boolean): boolean {
  const of = end ? 'endswith' : 'startswith';
  const [given = null, start, stop] = bind(args, { of, names: ['text', 'start', 'end'], required: 1 });
  const parts = given instanceof Tuple ? given.items : [given];
  const part = within(text, start, stop);
  return parts.some((value) => {
    const mark = textArgument(value, of);
    return part !== undefined && (end ? part.endsWith(mark) : part.startsWith(mark));
  });
}

/** A piece of the text by code points; undefined where it begins behind the end. */
function within(text: string, start: Value | undefined, stop: Value | undefined): string | undefined {
  if ((start ?? null) === null && (stop ?? null) === null) return text;
  const all = characters(text);
  const from = wholeOf(start ?? 0n, 'start');
  const to = (stop ?? null) === null ? all.length : wholeOf(stop ?? 0n, 'end');
  if (from > all.length) return undefined;
  return all.slice(from, to).join('');
}

/** Where a part is found, in code points; -1 where it is not. */
function find(text: string, args: Arguments, fromEnd: boolean): number {
  const [part, start, stop] = bind(args, { of: 'find', names: ['sub', 'start', 'end'], required: 1 });
  const mark = textArgument(part, 'find');
  const inside = within(text, start, stop);
  if (inside === undefined) return -1;
  const at = fromEnd ? inside.lastIndexOf(mark) : inside.indexOf(mark);
  if (at < 0) return -1;
  const offset = wholeOf(start ?? 0n, 'start');
  return lengthOf(inside.slice(0, at)) + Math.max(0, offset < 0 ? offset + lengthOf(text) : offset);
}

export function replaceText(
  text: string,
  old: string,
  { by, count = -1 }: { by: string; count?: number },
): string {
  if (old === '') {
    const all = ['', ...characters(text)];
    return all.map((character, i) => character + (count < 0 || i < count ? by : '')).join('');
  }
  if (count < 0) return text.replaceAll(old, () => by);
  const parts = text.split(old);
  const cut = Math.min(count, parts.length - 1);
  return [...parts.slice(0, cut), parts.slice(cut).join(old)].join(by);
}

function pad(text: string, args: Arguments, place: 'left' | 'right' | 'both'): string {
  const [width = 0n, fill = ' '] = bind(args, { of: 'padding', names: ['width', 'fillchar'], required: 1 });
  const mark = textArgument(fill, 'padding');
  if (lengthOf(mark) !== 1) raise('padding: the fill character must be exactly one character long');
  const target = wholeOf(width, 'padding');
  const missing = target - lengthOf(text);
  if (missing <= 0) return text;
  const left = Math.floor(missing / 2) + (missing % 2 === 1 && target % 2 === 1 ? 1 : 0);
  if (place === 'both') return mark.repeat(left) + text + mark.repeat(missing - left);
  return place === 'left' ? mark.repeat(missing) + text : text + mark.repeat(missing);
}

function partition(text: string, args: Arguments, fromEnd: boolean): Tuple {
  const mark = textArgument(bind(args, { of: 'partition', names: ['sep'], required: 1 })[0], 'partition');
  if (mark === '') return raise('partition: empty separator');
  const at = fromEnd ? text.lastIndexOf(mark) : text.indexOf(mark);
  if (at < 0) return new Tuple(fromEnd ? ['', '', text] : [text, '', '']);
  return new Tuple([text.slice(0, at), mark, text.slice(at + mark.length)]);
}

function without(text: string, args: Arguments, isSuffix: boolean): string {
  const mark = textArgument(bind(args, { of: 'remove', names: ['text'], required: 1 })[0], 'remove');
  if (mark === '' || !(isSuffix ? text.endsWith(mark) : text.startsWith(mark))) return text;
  return isSuffix ? text.slice(0, -mark.length) : text.slice(mark.length);
}

const plain =
  (make: (text: string) => Value): Method =>
  (text, args) => {
    bind(args, { of: 'the method', names: [] });
    return make(text);
  };

const stripMethod =
  (ends: 'start' | 'end' | 'both'): Method =>
  (text, args) =>
    strip(text, ends, bind(args, { of: 'strip', names: ['chars'] })[0]);

/** str.join */
export function join(mark: string, list: Value): string {
  return Array.from(
    iterate(list),
    (item, i) => textOf(item) ?? raise(`join: expected text in item ${i}, got ${nameOf(item)}`),
  ).join(mark);
}

export const STRING_METHODS: Readonly<Record<string, Method>> = {
  capitalize: plain(capitalize),
  casefold: plain(caseFold),
  center: (text, args) => pad(text, args, 'both'),
  count: (text, args) => {
    const [part, start, stop] = bind(args, { of: 'count', names: ['sub', 'start', 'end'], required: 1 });
    const mark = textArgument(part, 'count');
    const inside = within(text, start, stop);
    if (inside === undefined) return 0n;
    return BigInt(mark === '' ? lengthOf(inside) + 1 : inside.split(mark).length - 1);
  },
  endswith: (text, args) => touches(text, args, true),
  find: (text, args) => BigInt(find(text, args, false)),
  index: (text, args) => BigInt(found(find(text, args, false))),
  isalnum: plain(
    (text) =>
      characters(text).every((c) => /\p{L}/u.test(c) || DIGIT.test(c) || /\p{N}/u.test(c)) && text !== '',
  ),
  isalpha: plain((text) => every(text, /\p{L}/u)),
  isascii: plain((text) => /^[\0-\x7f]*$/.test(text)),
  isdecimal: plain((text) => every(text, /\p{Nd}/u)),
  isdigit: plain((text) => every(text, DIGIT)),
  islower: plain(isLower),
  isnumeric: plain((text) =>
    /\p{Script=Han}/u.test(text)
      ? raise('isnumeric is not supported for Chinese characters')
      : every(text, /\p{N}/u),
  ),
  isspace: plain((text) => every(text, SPACE)),
  istitle: plain((text) => /[\p{Lu}\p{Lt}]/u.test(text) && title(text) === text),
  isupper: plain(isUpper),
  join: (text, args) => join(text, bind(args, { of: 'join', names: ['list'], required: 1 })[0] ?? null),
  ljust: (text, args) => pad(text, args, 'right'),
  lower: plain((text) => text.toLowerCase()),
  lstrip: stripMethod('start'),
  partition: (text, args) => partition(text, args, false),
  removeprefix: (text, args) => without(text, args, false),
  removesuffix: (text, args) => without(text, args, true),
  replace: (text, args) => {
    const [old, by, count = -1n] = bind(args, { of: 'replace', names: ['old', 'new', 'count'], required: 2 });
    return replaceText(text, textArgument(old, 'replace'), {
      by: textArgument(by, 'replace'),
      count: wholeOf(count, 'replace'),
    });
  },
  rfind: (text, args) => BigInt(find(text, args, true)),
  rindex: (text, args) => BigInt(found(find(text, args, true))),
  rjust: (text, args) => pad(text, args, 'left'),
  rpartition: (text, args) => partition(text, args, true),
  rsplit: (text, args) => split(text, args, true),
  rstrip: stripMethod('end'),
  split: (text, args) => split(text, args, false),
  splitlines: (text, args) => {
    const [keeps = false] = bind(args, { of: 'splitlines', names: ['keepends'] });
    return splitLines(text, keeps === true);
  },
  startswith: (text, args) => touches(text, args, false),
  strip: stripMethod('both'),
  swapcase: plain(swapCase),
  title: plain(title),
  upper: plain((text) => text.toUpperCase()),
  zfill: (text, args) => {
    const [width = 0n] = bind(args, { of: 'zfill', names: ['width'], required: 1 });
    const missing = Math.max(0, wholeOf(width, 'zfill') - lengthOf(text));
    const sign = /^[-+]/.exec(text)?.[0] ?? '';
    return sign + '0'.repeat(missing) + text.slice(sign.length);
  },
};

/** Methods that Python's str has, and no chat template was seen to use. */
export const OTHER_STRING_METHODS: ReadonlySet<string> = new Set([
  ...['encode', 'expandtabs', 'format_map', 'isidentifier', 'isprintable', 'maketrans', 'translate'],
]);

function found(at: number): number {
  return at < 0 ? raise('substring not found') : at;
}
