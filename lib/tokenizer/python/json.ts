/** `tojson`: what Python's json.dumps writes, with transformers' defaults. Where it stands: under the filters. */
import { compareText, floatText, nameOf } from './text';
import { Dict, isList, isWhole, raise, textOf, Tuple } from './values';
import type { Value } from './values';

interface Style {
  readonly ascii: boolean;
  /** undefined: all in one line. */
  readonly indent: string | undefined;
  readonly comma: string;
  readonly colon: string;
  readonly sortsKeys: boolean;
}

/** @throws {TunebookError} If a value is none that JSON has. */
export function toJson(value: Value, style: Style, depth = 0): string {
  const text = textOf(value);
  if (text !== undefined) return quote(text, style.ascii);
  if (value === null) return 'null';
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'number') return floatJson(value);
  const items = value instanceof Tuple ? value.items : value;
  if (isList(items))
    return enclosed(
      items.map((item) => toJson(item, style, depth + 1)),
      { style, depth, marks: '[]' },
    );
  if (!(value instanceof Dict)) return raise(`tojson: expected values that JSON has, got ${nameOf(value)}`);
  const entries = value.entries();
  if (style.sortsKeys) entries.sort(([a], [b]) => compareText(keyText(a), keyText(b)));
  const lines = entries.map(
    ([key, item]) => quote(keyText(key), style.ascii) + style.colon + toJson(item, style, depth + 1),
  );
  return enclosed(lines, { style, depth, marks: '{}' });
}

function enclosed(
  parts: readonly string[],
  { style, depth, marks }: { style: Style; depth: number; marks: string },
): string {
  if (parts.length === 0) return marks;
  if (style.indent === undefined) return marks[0] + parts.join(style.comma) + marks[1];
  const line = (level: number): string => `\n${(style.indent ?? '').repeat(level)}`;
  return marks[0] + line(depth + 1) + parts.join(style.comma + line(depth + 1)) + line(depth) + marks[1];
}

function keyText(key: Value): string {
  const text = textOf(key);
  if (text !== undefined) return text;
  if (key === null) return 'null';
  if (typeof key === 'boolean') return String(key);
  if (isWhole(key)) return String(key);
  return typeof key === 'number' ? floatJson(key) : raise('tojson: a key is no text and no number');
}

function floatJson(value: number): string {
  if (Number.isFinite(value)) return floatText(value);
  return Number.isNaN(value) ? 'NaN' : value > 0 ? 'Infinity' : '-Infinity';
}

const SHORT: Readonly<Record<string, string>> = {
  ...{ '"': '\\"', '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t', '\f': '\\f', '\b': '\\b' },
};

function quote(text: string, ascii: boolean): string {
  const special = ascii ? /["\\\0-\x1f\x7f-\uffff]/g : /["\\\0-\x1f]/g;
  const escaped = text.replace(special, (unit) => {
    if (unit === '\x7f') return unit;
    return SHORT[unit] ?? `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
  return `"${escaped}"`;
}
