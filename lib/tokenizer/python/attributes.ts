/**
 * `value.name` and `value[key]` as Jinja's sandbox looks them up: Python's methods, then what the value holds, or the
 * other way round. Where it stands: above the methods, under filters and the evaluator.
 */
import { bind } from './arguments';
import { isEqual, itemOf, iterate } from './operators';
import { strFormat } from './percent-format';
import { OTHER_STRING_METHODS, STRING_METHODS } from './string-methods';
import { str } from './text';
import {
  Dict,
  either,
  isList,
  Markup,
  method,
  missing,
  raise,
  textOf,
  Thing,
  Tuple,
  typeName,
  Undefined,
} from './values';
import type { Arguments, Value } from './values';

const CHANGING: Readonly<Record<string, readonly string[]>> = {
  list: ['append', 'clear', 'pop', 'reverse', 'insert', 'sort', 'extend', 'remove'],
  dict: ['clear', 'pop', 'popitem', 'setdefault', 'update'],
};

/** Other attributes that Python's numbers have. */
const OF_NUMBERS = new Set([
  ...[
    'as_integer_ratio',
    'bit_count',
    'bit_length',
    'conjugate',
    'denominator',
    'from_bytes',
    'fromhex',
    'hex',
    'imag',
  ],
  ...['is_integer', 'numerator', 'real', 'to_bytes'],
]);

/** `value.name` */
export function attributeOf(value: Value, name: string): Value {
  if (value instanceof Undefined) return raise(value.message);
  return either(builtIn(value, name), () => either(itemOf(value, name), () => missing(value, name)));
}

/** `value[key]` */
export function elementOf(value: Value, key: Value): Value {
  const item = itemOf(value, key);
  if (item !== undefined) return item;
  return either(typeof key === 'string' ? builtIn(value, key) : undefined, () => missing(value, key));
}

function builtIn(value: Value, name: string): Value | undefined {
  if (name.startsWith('__') && name.endsWith('__') && !(value instanceof Thing))
    return new Undefined(`access to the attribute '${name}' is unsafe`);
  if (value instanceof Thing) return value.can.attribute?.(name);
  if (CHANGING[typeName(value)]?.includes(name) === true)
    return new Undefined(`a template must not change a ${typeName(value)}: ${name} is not allowed`);
  const text = textOf(value);
  if (text !== undefined) return stringMethod(text, name, value instanceof Markup);
  if (value instanceof Dict) return dictMethod(value, name);
  if (isList(value) || value instanceof Tuple) return listMethod(value, name);
  if (value !== null && OF_NUMBERS.has(name))
    return raise(`the attribute ${name} of numbers is not supported`);
  return undefined;
}

function stringMethod(text: string, name: string, isMarked: boolean): Value | undefined {
  if (name === 'format') return method(name, (args) => (isMarked ? notOnMarked(name) : format(text, args)));
  if (OTHER_STRING_METHODS.has(name)) return raise(`the method ${name} of strings is not supported`);
  const call = Object.hasOwn(STRING_METHODS, name) ? STRING_METHODS[name] : undefined;
  if (call === undefined) return undefined;
  return method(name, (args) => {
    const result = call(text, args);
    if (!isMarked) return result;
    if (typeof result !== 'string' || args.positional.length + args.named.size > 0) return notOnMarked(name);
    return new Markup(result);
  });
}

function notOnMarked(name: string): never {
  return raise(`the method ${name} of text that was marked safe is not supported: put | string before it`);
}

function format(text: string, { positional, named }: Arguments): string {
  return strFormat(text, {
    positional,
    field: (path, values) => {
      const [, first = '', rest = ''] = /^([^.[]*)(.*)$/s.exec(path) ?? [];
      const found = /^\d+$/.test(first) ? values[Number(first)] : named.get(first);
      let value = either(found, () => raise(`format: there is no value for {${path}}`));
      for (const [step, name, key] of rest.matchAll(/\.([^.[]+)|\[([^\]]*)\]/g))
        value = step.startsWith('.')
          ? attributeOf(value, name)
          : elementOf(value, /^\d+$/.test(key) ? BigInt(key) : key);
      return value;
    },
  });
}

function dictMethod(dict: Dict, name: string): Value | undefined {
  const view = (type: string, items: () => readonly Value[]): Value =>
    method(name, (args) => {
      bind(args, { of: name, names: [] });
      const list = items();
      return new Thing(type, {
        repr: () => `${type}(${str(list)})`,
        iterate: () => list.values(),
        length: () => list.length,
      });
    });
  switch (name) {
    case 'get':
      return method(name, (args) => {
        const [key = null, otherwise = null] = bind(args, {
          of: name,
          names: ['key', 'default'],
          required: 1,
        });
        return either(dict.get(key), () => otherwise);
      });
    case 'items':
      return view('dict_items', () => pairsOf(dict));
    case 'keys':
      return view('dict_keys', () => dict.keys());
    case 'values':
      return view('dict_values', () => dict.entries().map(([, value]) => value));
    case 'copy':
      return method(name, () => new Dict(dict.entries()));
    case 'fromkeys':
      return raise('the method fromkeys of dicts is not supported');
  }
  return undefined;
}

export function pairsOf(dict: Dict): Tuple[] {
  return dict.entries().map((pair) => new Tuple(pair));
}

function listMethod(list: Value, name: string): Value | undefined {
  const items = [...iterate(list)];
  if (name === 'count')
    return method(name, (args) => {
      const [value = null] = bind(args, { of: name, names: ['value'], required: 1 });
      return BigInt(items.filter((item) => isEqual(item, value)).length);
    });
  if (name === 'index')
    return method(name, (args) => {
      const [value = null] = bind(args, { of: name, names: ['value'], required: 1 });
      const at = items.findIndex((item) => isEqual(item, value));
      return at < 0 ? raise('index: the value is not in the list') : BigInt(at);
    });
  return name === 'copy' && isList(list) ? method(name, () => items) : undefined;
}
