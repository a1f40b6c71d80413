/**
 * A template's text as tokens, with Jinja's rules for white space (trim_blocks and lstrip_blocks, as transformers sets
 * them; `-` and `+` at a tag). Where it stands: the first step of a template.
 * Source: jinja2 3.1, `Lexer.tokeniter`.
 */
import { PYTHON_SPACE } from '../python/text';
import { raise } from '../python/values';

export interface Token {
  readonly kind: 'text' | 'open' | 'close' | 'name' | 'string' | 'int' | 'float' | 'operator' | 'end';
  /** Text, name, operator, a string's content, or `{{`, `{%` and their ends. */
  readonly value: string;
  readonly line: number;
}

const S = `[${PYTHON_SPACE}]*`;

const ROOT = new RegExp(
  `(?<raw>\\{%(?<rawSign>[-+]?)${S}raw${S}(?:-%\\}${S}|%\\}))|(?<open>\\{%|\\{\\{|\\{#)(?<sign>[-+]?)`,
  'gu',
);
const COMMENT_END = new RegExp(`\\+#\\}|-#\\}${S}|#\\}\\n?`, 'gu');
const RAW_END = new RegExp(`\\{%(?<sign>[-+]?)${S}endraw${S}(?:\\+%\\}|-%\\}${S}|%\\}\\n?)`, 'gu');
const BLOCK_END = new RegExp(`\\+%\\}|-%\\}${S}|%\\}\\n?`, 'uy');
const VARIABLE_END = new RegExp(`-\\}\\}${S}|\\}\\}`, 'uy');

const SPACE = new RegExp(`[${PYTHON_SPACE}]+`, 'uy');
const FLOAT = /(?<!\.)(?:\d+_)*\d+(?:(?:\.(?:\d+_)*\d+)?e[+-]?(?:\d+_)*\d+|\.(?:\d+_)*\d+)/iuy;
const INTEGER = /0b(?:_?[01])+|0o(?:_?[0-7])+|0x(?:_?[\da-f])+|[1-9](?:_?\d)*|0(?:_?0)*/iuy;
const NAME = /[\p{L}\p{Nl}\p{Mn}\p{Mc}\p{Nd}\p{Pc}]+/uy;
const NAME_BEGINS = /^[\p{L}\p{Nl}_]/u;
const STRING = /'(?:[^'\\]|\\[^])*'|"(?:[^"\\]|\\[^])*"/uy;
const OPERATOR = /\/\/|\*\*|==|!=|>=|<=|[+\-/*%~[\](){}><=.:|,;]/uy;

const PAIRS: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' };

/** @throws {TunebookError} Where a tag, a string or a bracket is not closed, or a character has no meaning. */
export function tokenize(template: string): Token[] {
  const source = template.replace(/\r\n?/g, '\n').replace(/\n$/, '');
  const tokens: Token[] = [];
  let at = 0;
  let line = 1;
  /** The text before ends in a line break: white space before a tag can be the line's first. */
  let startsLine = true;
  const advance = (end: number): void => {
    line += countLines(source.slice(at, end));
    startsLine = source[end - 1] === '\n';
    at = end;
  };
  const find = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    return pattern.exec(source);
  };
  const addText = (text: string): void => {
    if (text !== '') tokens.push({ kind: 'text', value: text, line });
  };
  const addBefore = (end: number, sign: string, isTag: boolean): void => {
    let text = source.slice(at, end);
    if (sign === '-') text = text.replace(new RegExp(`[${PYTHON_SPACE}]+$`, 'u'), '');
    else if (sign !== '+' && isTag) {
      const lineStart = text.lastIndexOf('\n') + 1;
      const isBlank = new RegExp(`^[${PYTHON_SPACE}]+$`, 'u').test(text.slice(lineStart));
      if ((lineStart > 0 || startsLine) && isBlank) text = text.slice(0, lineStart);
    }
    addText(text);
  };
  while (at < source.length) {
    const found = find(ROOT);
    if (found === null) {
      addText(source.slice(at));
      break;
    }
    const { raw, rawSign = '', open = '', sign = '' } = found.groups ?? {};
    addBefore(found.index, raw === undefined ? sign : rawSign, open !== '{{');
    advance(found.index + found[0].length);
    if (raw !== undefined) {
      const end = find(RAW_END) ?? raise(`line ${line}: {% raw %} is never closed`);
      addBefore(end.index, end.groups?.sign ?? '', true);
      advance(end.index + end[0].length);
    } else if (open === '{#') {
      const end = find(COMMENT_END) ?? raise(`line ${line}: the comment {# is never closed`);
      advance(end.index + end[0].length);
    } else {
      tokens.push({ kind: 'open', value: open, line });
      tagTokens(open);
    }
  }
  tokens.push({ kind: 'end', value: '', line });
  return tokens;

  function tagTokens(open: string): void {
    const closing: string[] = [];
    const end = open === '{{' ? VARIABLE_END : BLOCK_END;
    for (;;) {
      if (at >= source.length) raise(`line ${line}: ${open} is never closed`);
      const found = closing.length === 0 ? find(end) : null;
      if (found !== null) {
        tokens.push({ kind: 'close', value: open === '{{' ? '}}' : '%}', line });
        return advance(at + found[0].length);
      }
      advance(at + inTag(closing));
    }
  }

  /** Adds the next token within a tag; gives its length. */
  function inTag(closing: string[]): number {
    const space = find(SPACE);
    if (space !== null) return space[0].length;
    const add = (kind: Token['kind'], value: string, length = value.length): number => {
      tokens.push({ kind, value, line });
      return length;
    };
    const float = find(FLOAT);
    if (float !== null) return add('float', float[0]);
    const integer = find(INTEGER);
    if (integer !== null) return add('int', integer[0]);
    const name = find(NAME);
    if (name !== null) {
      if (!NAME_BEGINS.test(name[0])) raise(`line ${line}: "${name[0]}" is no name`);
      return add('name', name[0]);
    }
    const string = find(STRING);
    if (string !== null) return add('string', unescape(string[0].slice(1, -1), line), string[0].length);
    const operator =
      find(OPERATOR)?.[0] ?? raise(`line ${line}: unexpected character ${JSON.stringify(source[at])}`);
    if (operator in PAIRS) closing.push(PAIRS[operator]);
    else if (operator === ')' || operator === ']' || operator === '}') {
      const expected = closing.pop();
      if (expected !== operator)
        raise(
          `line ${line}: unexpected "${operator}"${expected === undefined ? '' : `, expected "${expected}"`}`,
        );
    }
    return add('operator', operator);
  }
}

function countLines(text: string): number {
  return text.split('\n').length - 1;
}

const ESCAPES: Readonly<Record<string, string>> = {
  ...{
    '\n': '',
    '\\': '\\',
    "'": "'",
    '"': '"',
    a: '\x07',
    b: '\b',
    f: '\f',
    n: '\n',
    r: '\r',
    t: '\t',
    v: '\v',
  },
};

/** A string's content as Python's `unicode-escape` reads it; an unknown escape stays as it is. */
function unescape(content: string, line: number): string {
  return content.replace(
    /\\(?:x(?<x>[\da-fA-F]{2})|u(?<u>[\da-fA-F]{4})|U(?<U>[\da-fA-F]{8})|(?<octal>[0-7]{1,3})|(?<one>[^]))/gu,
    (all: string, ...rest: unknown[]) => {
      const groups = rest.at(-1) as Record<string, string | undefined>;
      const hex = groups.x ?? groups.u ?? groups.U;
      if (hex !== undefined) {
        const code = Number.parseInt(hex, 16);
        return code <= 0x10ffff
          ? String.fromCodePoint(code)
          : raise(`line ${line}: no character has the code ${all}`);
      }
      if (groups.octal !== undefined) return String.fromCodePoint(Number.parseInt(groups.octal, 8));
      const one = groups.one ?? '';
      if ('xuUN'.includes(one)) raise(`line ${line}: the escape ${all} in a string is not understood`);
      return ESCAPES[one] ?? all;
    },
  );
}
