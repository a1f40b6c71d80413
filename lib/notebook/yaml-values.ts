/**
 * The part of YAML 1.2 that flat settings are written in: `name: value` lines; quoted, plain and block texts; lists
 * in brackets or as `- value` lines; comments. What is left out (nested names, anchors, tags) is refused, not guessed.
 */
import { TunebookError } from '../types';

/** Where a text is read, for messages. */
interface Reader {
  readonly file: string;
  readonly lines: readonly string[];
  /** Number of the next line, from 0. */
  at: number;
}

function fail({ file, at }: Reader, expected: string, got: string): never {
  throw new TunebookError(`${file}:${at}: expected ${expected}, got ${got.trim()}`);
}

const isBlank = (line: string): boolean => /^\s*(?:#.*)?$/.test(line);
const memberForm = /^("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s'"#:[\]{},&*!|>%@`-][^:#]*?)\s*:(?:\s+(.*))?$/;

/** A plain scalar as YAML's core schema reads it. */
function plainValue(text: string): unknown {
  if (/^(?:~|null|Null|NULL|)$/.test(text)) return null;
  if (/^(?:true|True|TRUE)$/.test(text)) return true;
  if (/^(?:false|False|FALSE)$/.test(text)) return false;
  if (/^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$/.test(text) || /^0(?:x[0-9a-fA-F]+|o[0-7]+)$/.test(text))
    return Number(text);
  return text;
}

/** Reads one value at the start of `text`: quoted, in brackets, or plain up to one of `ends`. */
function readFlow(reader: Reader, text: string, ends: RegExp): { value: unknown; rest: string } {
  const quoted = /^(?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*')/.exec(text)?.[0];
  if (quoted !== undefined) {
    const rest = text.slice(quoted.length);
    if (quoted.startsWith("'")) return { value: quoted.slice(1, -1).replace(/''/g, "'"), rest };
    try {
      return { value: JSON.parse(quoted) as string, rest };
    } catch {
      fail(reader, 'a quoted text with the escapes of JSON', quoted);
    }
  }
  if (text.startsWith('[')) return readBracketed(reader, text.slice(1));
  const end = ends.exec(text);
  const plain = (end ? text.slice(0, end.index) : text).trim();
  if (/^["'{}&*!|>%@`]/.test(plain) || /:(?:\s|$)/.test(plain))
    fail(reader, 'a text, number, list, true, false or null (nothing nested)', text);
  return { value: plainValue(plain), rest: end ? text.slice(end.index) : '' };
}

/** The elements of a list after its `[`, over as many lines as they take. */
function readBracketed(reader: Reader, first: string): { value: unknown[]; rest: string } {
  const value: unknown[] = [];
  let text = first;
  const skip = (): void => {
    for (text = text.trimStart(); text === '' || text.startsWith('#'); text = text.trimStart()) {
      if (reader.at >= reader.lines.length) fail(reader, '] at the end of the list', 'the end of the file');
      text = reader.lines[reader.at++];
    }
  };
  for (;;) {
    skip();
    if (text.startsWith(']')) return { value, rest: text.slice(1) };
    const element = readFlow(reader, text, /[,\]]|\s#/);
    value.push(element.value);
    text = element.rest;
    skip();
    if (text.startsWith(',')) text = text.slice(1);
    else if (!text.startsWith(']')) fail(reader, ', or ] in the list', text);
  }
}

/** A text of the lines that follow, indented as the first of them; after `|-` without the last line end. */
function readBlock(reader: Reader, header: string): string {
  const lines: string[] = [];
  const indent =
    /^\s*/.exec(reader.lines.slice(reader.at).find((line) => line.trim() !== '') ?? '')?.[0] ?? '';
  while (reader.at < reader.lines.length) {
    const line = reader.lines[reader.at];
    if (line.trim() !== '' && (indent === '' || !line.startsWith(indent))) break;
    lines.push(line.slice(indent.length));
    reader.at++;
  }
  const text = lines.join('\n').replace(/\n*$/, '');
  return header.endsWith('-') || text === '' ? text : `${text}\n`;
}

function readValue(reader: Reader, text: string): unknown {
  if (/^\|-?\s*(?:#.*)?$/.test(text)) return readBlock(reader, text.replace(/\s.*$/, ''));
  const { value, rest } = readFlow(reader, text, /\s#|^#/);
  if (!isBlank(rest)) fail(reader, 'the end of the line', rest);
  return value;
}

/** The `- value` lines that follow a name; null where there is none. */
function readList(reader: Reader): unknown[] | null {
  let list: unknown[] | null = null;
  while (reader.at < reader.lines.length) {
    const line = reader.lines[reader.at];
    const element = /^\s*-(?:\s+(.*))?$/.exec(line);
    if (!isBlank(line) && !element) break;
    reader.at++;
    if (element) (list ??= []).push(readValue(reader, element[1] ?? ''));
  }
  return list;
}

/**
 * Reads flat YAML.
 * @param file for messages
 * @throws TunebookError with the line of what is not of that form
 * @example readYaml("rate: 1e-3\nnames: ['a, b', c]", 'p.yaml')   // { rate: 0.001, names: ['a, b', 'c'] }
 */
export function readYaml(text: string, file: string): Record<string, unknown> {
  const reader: Reader = { file, lines: text.replace(/^\uFEFF/, '').split(/\r?\n/), at: 0 };
  const values = new Map<string, unknown>();
  while (reader.at < reader.lines.length) {
    const line = reader.lines[reader.at++];
    if (isBlank(line) || /^---\s*$/.test(line)) continue;
    if (/^\.\.\.\s*$/.test(line)) break;
    const member = memberForm.exec(line);
    if (!member) fail(reader, '`name: value`', line);
    const name = String(readFlow(reader, member[1], /$/).value);
    if (values.has(name)) fail(reader, 'each name once', name);
    const given = member[2] ?? '';
    values.set(name, isBlank(given) ? readList(reader) : readValue(reader, given.trimEnd()));
  }
  return Object.fromEntries(values);
}
