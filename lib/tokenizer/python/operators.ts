/** What Python's operators do with values. Where it stands: above `text`, under filters and the evaluator. */
import { percentFormat } from './percent-format';
import { characters, compareText, escapeHtml, lengthOf, nameOf, str } from './text';
import {
  Dict,
  hash,
  isList,
  isNumber,
  isWhole,
  Markup,
  raise,
  textOf,
  Thing,
  Tuple,
  typeName,
  Undefined,
} from './values';
import type { Value } from './values';

export function isTrue(value: Value): boolean {
  if (typeof value === 'string') return value !== '';
  if (value instanceof Markup) return value.text !== '';
  if (isNumber(value)) return Number(value) !== 0;
  if (value === null || value instanceof Undefined) return false;
  if (isList(value)) return value.length > 0;
  if (value instanceof Tuple) return value.items.length > 0;
  if (value instanceof Dict) return value.size > 0;
  return value.can.length === undefined || value.can.length() > 0;
}

export function isEqual(left: Value, right: Value): boolean {
  if (isNumber(left) && isNumber(right)) return sameNumber(plainNumber(left), plainNumber(right));
  const text = textOf(left);
  if (text !== undefined) return text === textOf(right);
  if (left instanceof Undefined) return right instanceof Undefined;
  if (isList(left)) return isList(right) && areEqual(left, right);
  if (left instanceof Tuple) return right instanceof Tuple && areEqual(left.items, right.items);
  if (left instanceof Dict)
    return (
      right instanceof Dict &&
      left.size === right.size &&
      left.entries().every(([key, value]) => {
        const other = right.get(key);
        return other !== undefined && isEqual(value, other);
      })
    );
  return left === right;
}

function areEqual(left: readonly Value[], right: readonly Value[]): boolean {
  return left.length === right.length && left.every((value, i) => isEqual(value, right[i]));
}

/** Below, equal or above 0 as `left` is before, equal to or after `right`; NaN where numbers have no order. */
export function compare(left: Value, right: Value): number {
  if (isNumber(left) && isNumber(right)) {
    const [a, b] = [plainNumber(left), plainNumber(right)];
    return a < b ? -1 : a > b ? 1 : sameNumber(a, b) ? 0 : Number.NaN;
  }
  const [a, b] = [textOf(left), textOf(right)];
  if (a !== undefined && b !== undefined) return compareText(a, b);
  const lists = isList(left) && isList(right) ? [left, right] : undefined;
  const [some, others] =
    lists ??
    (left instanceof Tuple && right instanceof Tuple ? [left.items, right.items] : [undefined, undefined]);
  if (some === undefined || others === undefined)
    return raise(`${nameOf(left)} and ${nameOf(right)} have no order`);
  for (const [i, value] of some.entries()) {
    if (i >= others.length) return 1;
    if (!isEqual(value, others[i])) return compare(value, others[i]);
  }
  return some.length - others.length;
}

/** `in` */
export function contains(container: Value, value: Value): boolean {
  const text = textOf(container);
  if (text !== undefined) {
    const part = textOf(value);
    return part === undefined
      ? raise(`'in <string>' requires a string, got ${nameOf(value)}`)
      : text.includes(part);
  }
  if (container instanceof Dict) return container.get(value) !== undefined;
  for (const item of iterate(container)) if (item === value || isEqual(item, value)) return true;
  return false;
}

/** What a value holds, one after another: a text its characters, a dict its keys. */
export function iterate(value: Value): Iterable<Value> {
  const text = textOf(value);
  if (text !== undefined) return characters(text);
  if (isList(value)) return value;
  if (value instanceof Tuple) return value.items;
  if (value instanceof Dict) return value.keys();
  if (value instanceof Undefined) return [];
  const begin = value instanceof Thing ? value.can.iterate : undefined;
  if (begin === undefined) return raise(`expected a list, got ${nameOf(value)}`);
  return { [Symbol.iterator]: begin };
}

/** len(); undefined where a value has none. */
export function sizeOf(value: Value): number | undefined {
  const text = textOf(value);
  if (text !== undefined) return lengthOf(text);
  if (isList(value)) return value.length;
  if (value instanceof Tuple) return value.items.length;
  if (value instanceof Dict) return value.size;
  if (value instanceof Undefined) return 0;
  return value instanceof Thing ? value.can.length?.() : undefined;
}

/** `value[key]`; undefined where there is none. */
export function itemOf(value: Value, key: Value): Value | undefined {
  if (value instanceof Undefined) return raise(value.message);
  if (value instanceof Dict) return key instanceof Undefined || canHash(key) ? value.get(key) : undefined;
  if (value instanceof Thing) return value.can.item?.(key);
  const items = sequenceOf(value);
  if (items === undefined || !isWhole(key)) return undefined;
  const at = Number(key);
  return at < -items.length || at >= items.length ? undefined : wrapLike(value, items.at(at) ?? null);
}

/** The items of a text, a list or a tuple. */
function sequenceOf(value: Value): readonly Value[] | undefined {
  const text = textOf(value);
  if (text !== undefined) return characters(text);
  return value instanceof Tuple ? value.items : isList(value) ? value : undefined;
}

function canHash(key: Value): boolean {
  return !isList(key) && !(key instanceof Dict);
}

/** What is taken from marked text is marked. */
function wrapLike(source: Value, value: Value): Value {
  return source instanceof Markup && typeof value === 'string' ? new Markup(value) : value;
}

/** `value[start:stop:step]` */
export function sliceOf(value: Value, parts: readonly (Value | undefined)[]): Value {
  if (value instanceof Undefined) return raise(value.message);
  if (value instanceof Thing && value.can.slice !== undefined) return value.can.slice(parts);
  const items = sequenceOf(value);
  if (items === undefined) return raise(`a slice of ${nameOf(value)} has no meaning`);
  const { from, to, step } = sliceBounds(parts, items.length);
  const picked: Value[] = [];
  for (let i = from; step > 0 ? i < to : i > to; i += step) picked.push(items[i]);
  if (textOf(value) !== undefined) return wrapLike(value, picked.join(''));
  return value instanceof Tuple ? new Tuple(picked) : picked;
}

/** Where a slice of so many items begins and ends, which may be one before the first. */
export function sliceBounds(
  parts: readonly (Value | undefined)[],
  length: number,
): { from: number; to: number; step: number } {
  const given = parts.map((part) => (part === undefined || part === null ? undefined : part));
  if (!given.every((part) => part === undefined || isWhole(part)))
    return raise('slice indices must be whole numbers or None');
  const [start, stop, step = 1] = given.map((part) => (part === undefined ? undefined : Number(part)));
  if (step === 0) return raise('slice step cannot be zero');
  const [low, high] = step > 0 ? [0, length] : [-1, length - 1];
  const place = (at: number): number => Math.min(Math.max(at < 0 ? at + length : at, low), high);
  const from = start === undefined ? (step > 0 ? low : high) : place(start);
  const to = stop === undefined ? (step > 0 ? high : low) : place(stop);
  return { from, to, step };
}

const LARGEST_TEXT = 1e7;

/** `+ - * / // % **` */
export function binary(operator: string, left: Value, right: Value): Value {
  if (left instanceof Undefined) raise(left.message);
  if (operator === '%' && (typeof left === 'string' || left instanceof Markup)) {
    if (left instanceof Markup) return raise('% is not supported on text that was marked safe');
    return percentFormat(left, right);
  }
  if (right instanceof Undefined) raise(right.message);
  if (isNumber(left) && isNumber(right)) return arithmetic(operator, left, right);
  if (operator === '+') {
    const [a, b] = [textOf(left), textOf(right)];
    if (a !== undefined && b !== undefined) {
      if (!(left instanceof Markup) && !(right instanceof Markup)) return a + b;
      const safe = (value: Value): string => (value instanceof Markup ? value.text : escapeHtml(str(value)));
      return new Markup(safe(left) + safe(right));
    }
    if (isList(left) && isList(right)) return [...left, ...right];
    if (left instanceof Tuple && right instanceof Tuple) return new Tuple([...left.items, ...right.items]);
  }
  if (operator === '*') {
    const [list, count] = isWhole(right) ? [left, right] : isWhole(left) ? [right, left] : [undefined, 0n];
    const times = Math.max(0, Number(count));
    if (list !== undefined && (sizeOf(list) ?? 0) * times > LARGEST_TEXT)
      return raise('the result of * is too large');
    const text = list === undefined ? undefined : textOf(list);
    if (list !== undefined && text !== undefined) return wrapLike(list, text.repeat(times));
    if (list !== undefined && isList(list)) return Array.from({ length: times }, () => list).flat();
    if (list instanceof Tuple) return new Tuple(Array.from({ length: times }, () => list.items).flat());
  }
  return raise(`${operator} has no meaning between ${typeName(left)} and ${typeName(right)}`);
}

/** An int and a float are equal where they are the same number; nan is none. */
function sameNumber(left: bigint | number, right: bigint | number): boolean {
  return left <= right && left >= right;
}

/** A bool counts as 0 or 1. */
function plainNumber(value: bigint | number | boolean): bigint | number {
  return typeof value === 'boolean' ? BigInt(value) : value;
}

function arithmetic(
  operator: string,
  one: bigint | number | boolean,
  other: bigint | number | boolean,
): Value {
  const [left, right] = [plainNumber(one), plainNumber(other)];
  if (Number(right) === 0 && ['/', '//', '%'].includes(operator)) return raise('division by zero');
  if (typeof left === 'bigint' && typeof right === 'bigint') {
    switch (operator) {
      case '+':
        return left + right;
      case '-':
        return left - right;
      case '*':
        return left * right;
      case '//':
        return (left - modulo(left, right)) / right;
      case '%':
        return modulo(left, right);
      case '**':
        if (right >= 0n) return right > 10000n ? raise('the result of ** is too large') : left ** right;
        if (left === 0n) return raise('0 cannot be raised to a negative power');
    }
  }
  const [a, b] = [Number(left), Number(right)];
  switch (operator) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      return a / b;
    case '%':
      return floatModulo(a, b);
    case '//':
      return Math.round((a - floatModulo(a, b)) / b);
    default:
      if (a === 0 && b < 0) return raise('0.0 cannot be raised to a negative power');
      return a < 0 && !Number.isInteger(b) ? raise('complex numbers are not supported') : a ** b;
  }
}

/** The remainder has the divisor's sign. */
function modulo(left: bigint, right: bigint): bigint {
  const rest = left % right;
  return rest !== 0n && rest < 0n !== right < 0n ? rest + right : rest;
}

function floatModulo(left: number, right: number): number {
  const rest = left % right;
  if (rest === 0) return right < 0 ? -0 : 0;
  return rest < 0 !== right < 0 ? rest + right : rest;
}

/** Each value of which no equal came before. */
export function uniqueBy(values: Iterable<Value>, keyOf: (value: Value) => Value): Value[] {
  const seen = new Set<string>();
  return [...values].filter((value) => {
    const key = hash(keyOf(value));
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

/** sorted(): stable; `reverse` keeps the order of equals. */
export function sorted(
  values: Iterable<Value>,
  {
    keyOf = (value) => value,
    isReversed = false,
  }: { keyOf?: (value: Value) => Value; isReversed?: boolean } = {},
): Value[] {
  const keyed = [...values].map((value) => ({ value, key: keyOf(value) }));
  keyed.sort((a, b) => (isReversed ? compare(b.key, a.key) : compare(a.key, b.key)));
  return keyed.map(({ value }) => value);
}
