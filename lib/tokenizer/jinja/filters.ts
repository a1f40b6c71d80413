/**
 * What may stand after `|`. Where it stands: beside the tests, under the evaluator. Source: jinja2 3.1, `filters.py`, and
 * transformers' own `tojson`.
 */
import { bind, textArgument } from '../python/arguments';
import { attributeOf, elementOf, pairsOf } from '../python/attributes';
import { capitalize } from '../python/case';
import { toJson } from '../python/json';
import { binary, compare, isEqual, isTrue, iterate, sizeOf, sorted, uniqueBy } from '../python/operators';
import { percentFormat, roundedText } from '../python/percent-format';
import { join, replaceText, splitLines, strip } from '../python/string-methods';
import { characters, escapeHtml, lengthOf, nameOf, str, wholeOf } from '../python/text';
import { applyTest } from './tests';
import {
  Dict,
  either,
  generator,
  isNumber,
  isWhole,
  Markup,
  raise,
  textOf,
  Tuple,
  Undefined,
} from '../python/values';
import type { Arguments, Value } from '../python/values';

type Filter = (value: Value, args: Arguments) => Value;
type Given = readonly (Value | undefined)[];

/** A filter with named parameters. */
const filter =
  (names: readonly string[], apply: (value: Value, ...given: Given) => Value, required = 0): Filter =>
  (value, args) =>
    apply(value, ...bind(args, { of: 'the filter', names, required }));

/** A filter on text; what was marked safe stays so. */
const ofText = (apply: (text: string) => string): Filter =>
  filter([], (value) => (value instanceof Markup ? new Markup(apply(value.text)) : apply(str(value))));

const none = (value: Value | undefined): boolean => value === undefined || value === null;

/** Reads `a.b.0` in each item. */
function reader(path: Value | undefined, otherwise?: Value): (item: Value) => Value {
  if (none(path)) return (item) => item;
  const parts: Value[] =
    typeof path === 'string'
      ? path.split('.').map((part) => (/^\d+$/.test(part) ? BigInt(part) : part))
      : [path ?? null];
  return (item) =>
    parts.reduce((value, part) => {
      const found = elementOf(value, part);
      return found instanceof Undefined && !none(otherwise) ? (otherwise ?? null) : found;
    }, item);
}

const foldCase =
  (read: (item: Value) => Value, caseSensitive: Value | undefined): ((item: Value) => Value) =>
  (item) => {
    const value = read(item);
    const text = textOf(value);
    return text === undefined || (caseSensitive !== undefined && isTrue(caseSensitive))
      ? value
      : text.toLowerCase();
  };

/** The items that pass a test, or do not; of an attribute where `path` is one. */
const chosen =
  (isKept: boolean, withAttribute: boolean): Filter =>
  (value, { positional, named }) => {
    const [path, ...rest] = withAttribute ? positional : [null, ...positional];
    if (path === undefined) return raise('the filter needs the name of an attribute');
    const [name, ...args] = rest;
    const read = reader(path);
    const passes = (item: Value): boolean =>
      name === undefined ? isTrue(read(item)) : applyTest(str(name), read(item), { positional: args, named });
    return lazily(value, function* (items) {
      for (const item of items) if (passes(item) === isKept) yield item;
    });
  };

function lazily(value: Value, make: (items: Iterable<Value>) => Iterator<Value>): Value {
  return generator(make(isTrue(value) ? iterate(value) : []));
}

const mapped: Filter = (value, { positional, named }) => {
  const [name, ...args] = positional;
  if (name === undefined) {
    const path = either(named.get('attribute'), () => raise('map needs the name of a filter or attribute='));
    const unknown = [...named.keys()].find((key) => key !== 'attribute' && key !== 'default');
    if (unknown !== undefined) return raise(`map has no argument "${unknown}"`);
    const read = reader(path, named.get('default'));
    return lazily(value, function* (items) {
      for (const item of items) yield read(item);
    });
  }
  return lazily(value, function* (items) {
    for (const item of items) yield applyFilter(str(name), item, { positional: args, named });
  });
};

const extreme = (sign: 1 | -1): Filter =>
  filter(['case_sensitive', 'attribute'], (value, caseSensitive, attribute) => {
    const keyOf = foldCase(reader(attribute), caseSensitive);
    const items = [...iterate(value)];
    if (items.length === 0) return new Undefined('No aggregated item, sequence was empty.');
    return items.reduce((best, item) => (compare(keyOf(item), keyOf(best)) * sign > 0 ? item : best));
  });

const byDefault = filter(['default_value', 'boolean'], (value, otherwise = '', isFalseToo = false) =>
  value instanceof Undefined || (isTrue(isFalseToo) && !isTrue(value)) ? otherwise : value,
);

const length = filter([], (value) => {
  const size = sizeOf(value);
  return size === undefined ? raise(`length: ${nameOf(value)} has none`) : BigInt(size);
});

const escaped = filter([], (value) => (value instanceof Markup ? value : new Markup(escapeHtml(str(value)))));

const json = filter(
  ['ensure_ascii', 'indent', 'separators', 'sort_keys'],
  (value, ascii = false, indent = null, separators = null, sortsKeys = false) => {
    const given =
      separators === null ? undefined : [...iterate(separators)].map((mark) => textArgument(mark, 'tojson'));
    const space =
      indent === null ? undefined : (textOf(indent) ?? ' '.repeat(Math.max(0, wholeOf(indent, 'tojson'))));
    const [comma = space === undefined ? ', ' : ',', colon = ': '] = given ?? [];
    return toJson(value, { ascii: isTrue(ascii), indent: space, comma, colon, sortsKeys: isTrue(sortsKeys) });
  },
);

function asInt(value: Value, otherwise: Value, base: Value): Value {
  const text = textOf(value);
  if (isWhole(value)) return BigInt(value);
  if (text !== undefined) {
    if (base !== 10n) return raise('int with a base is not supported');
    const digits = strip(text, 'both');
    if (/^[-+]?\d+(_\d+)*$/.test(digits)) return BigInt(digits.replace(/[_+]/g, ''));
  }
  const float = typeof value === 'number' ? value : floatOf(value);
  return float === undefined || !Number.isFinite(float) ? otherwise : BigInt(Math.trunc(float));
}

function floatOf(value: Value): number | undefined {
  if (isNumber(value)) return Number(value);
  const text = textOf(value);
  if (text === undefined) return undefined;
  const digits = strip(text, 'both').replace(/(?<=\d)_(?=\d)/g, '');
  if (/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(digits)) return Number(digits);
  const named = /^([-+]?)(?:(inf|infinity)|nan)$/i.exec(digits);
  if (named === null) return undefined;
  return named[2] === undefined ? Number.NaN : named[1] === '-' ? -Infinity : Infinity;
}

function round(value: Value, precision: Value = 0n, how: Value = 'common'): Value {
  if (!isNumber(value)) return raise(`round: expected a number, got ${nameOf(value)}`);
  const digits = wholeOf(precision, 'round');
  if (how === 'common') {
    if (isWhole(value))
      return digits >= 0 ? BigInt(value) : raise('round of whole numbers to tens is not supported');
    return digits >= 0 ? Number(roundedText(value, digits)) : raise('round to tens is not supported');
  }
  if (how !== 'ceil' && how !== 'floor') return raise('round: expected common, ceil or floor');
  const scale = 10 ** digits;
  return (how === 'ceil' ? Math.ceil : Math.floor)(Number(value) * scale) / scale;
}

function indent(value: Value, width: Value = 4n, first: Value = false, blank: Value = false): Value {
  const text = textArgument(value, 'indent');
  if (value instanceof Markup) return raise('indent of text that was marked safe is not supported');
  const space = textOf(width) ?? ' '.repeat(Math.max(0, wholeOf(width, 'indent')));
  const lines = splitLines(`${text}\n`).map((line, i) =>
    i > 0 && (line !== '' || isTrue(blank)) ? space + line : line,
  );
  return (isTrue(first) ? space : '') + lines.join('\n');
}

function truncate(value: Value, ...[size = 255n, kills = false, end = '...', leeway = 5n]: Given): Value {
  const [most, mark] = [wholeOf(size, 'truncate'), textArgument(end, 'truncate')];
  if (most < lengthOf(mark)) return raise(`truncate: expected a length of at least ${lengthOf(mark)}`);
  if ((sizeOf(value) ?? Infinity) <= most + wholeOf(leeway, 'truncate')) return value;
  const text = textArgument(value, 'truncate');
  const cut = characters(text)
    .slice(0, most - lengthOf(mark))
    .join('');
  const at = cut.lastIndexOf(' ');
  return (isTrue(kills) || at < 0 ? cut : cut.slice(0, at)) + mark;
}

function batch(value: Value, count: Value = null, fill: Value = null): Value {
  const size = wholeOf(count, 'batch');
  return generator(
    (function* () {
      let part: Value[] = [];
      for (const item of iterate(value)) {
        if (part.length === size) {
          yield part;
          part = [];
        }
        part.push(item);
      }
      if (part.length === 0) return;
      if (fill !== null) while (part.length < size) part.push(fill);
      yield part;
    })(),
  );
}

function groupBy(value: Value, ...[attribute, otherwise, caseSensitive]: Given): Value {
  const real = reader(attribute, otherwise);
  const keyOf = foldCase(real, caseSensitive);
  const groups: { key: Value; first: Value; items: Value[] }[] = [];
  for (const item of sorted(iterate(value), { keyOf })) {
    const last = groups.at(-1);
    if (last !== undefined && isEqual(last.key, keyOf(item))) last.items.push(item);
    else groups.push({ key: keyOf(item), first: real(item), items: [item] });
  }
  return groups.map(({ first, items }) => new Tuple([first, items]));
}

function reverse(value: Value): Value {
  const text = textOf(value);
  if (text !== undefined) return [...characters(text)].reverse().join('');
  return generator([...iterate(value)].reverse().values());
}

const FILTERS: Readonly<Record<string, Filter>> = {
  abs: filter([], (value) => {
    if (!isNumber(value)) return raise(`abs: expected a number, got ${nameOf(value)}`);
    return typeof value === 'number' ? Math.abs(value) : BigInt(value) < 0n ? -BigInt(value) : BigInt(value);
  }),
  attr: filter(
    ['name'],
    (value, name = '') =>
      value instanceof Dict ? raise('attr of a dict is not supported') : attributeOf(value, str(name)),
    1,
  ),
  batch: filter(['linecount', 'fill_with'], batch, 1),
  capitalize: ofText(capitalize),
  count: length,
  d: byDefault,
  default: byDefault,
  dictsort: filter(
    ['case_sensitive', 'by', 'reverse'],
    (value, caseSensitive, by = 'key', isReversed = false) => {
      if (!(value instanceof Dict)) return raise(`dictsort: expected a dict, got ${nameOf(value)}`);
      const at = by === 'key' ? 0n : by === 'value' ? 1n : raise('dictsort: expected by="key" or by="value"');
      return sorted(pairsOf(value), {
        keyOf: foldCase(reader(at), caseSensitive),
        isReversed: isTrue(isReversed),
      });
    },
  ),
  e: escaped,
  escape: escaped,
  first: filter([], (value) => {
    for (const item of iterate(value)) return item;
    return new Undefined('No first item, sequence was empty.');
  }),
  float: filter(['default'], (value, otherwise = 0) =>
    value instanceof Undefined ? raise(value.message) : either(floatOf(value), () => otherwise),
  ),
  format: (value, { positional, named }) => {
    if (positional.length > 0 && named.size > 0)
      return raise('format: values are given by place or by name, not both');
    return percentFormat(str(value), named.size > 0 ? new Dict(named) : new Tuple(positional));
  },
  groupby: filter(['attribute', 'default', 'case_sensitive'], groupBy, 1),
  indent: filter(['width', 'first', 'blank'], indent),
  int: filter(['default', 'base'], (value, otherwise = 0n, base = 10n) =>
    value instanceof Undefined ? raise(value.message) : asInt(value, otherwise, base),
  ),
  items: filter([], (value) => {
    if (value instanceof Undefined) return generator([].values());
    return value instanceof Dict
      ? generator(pairsOf(value).values())
      : raise('items: can only get item pairs from a mapping');
  }),
  join: filter(['d', 'attribute'], (value, mark = '', attribute) =>
    join(
      str(mark),
      Array.from(iterate(value), (item) => str(reader(attribute)(item))),
    ),
  ),
  last: filter([], (value) => {
    if (sizeOf(value) === undefined) return raise(`last: ${nameOf(value)} cannot be read from its end`);
    return either([...iterate(value)].at(-1), () => new Undefined('No last item, sequence was empty.'));
  }),
  length,
  list: filter([], (value) => [...iterate(value)]),
  lower: ofText((text) => text.toLowerCase()),
  map: mapped,
  max: extreme(1),
  min: extreme(-1),
  reject: chosen(false, false),
  rejectattr: chosen(false, true),
  replace: filter(
    ['old', 'new', 'count'],
    (value, old = '', by = '', count = null) =>
      replaceText(str(value), str(old), {
        by: str(by),
        count: count === null ? -1 : wholeOf(count, 'replace'),
      }),
    2,
  ),
  reverse: filter([], reverse),
  round: filter(['precision', 'method'], round),
  safe: filter([], (value) => new Markup(str(value))),
  select: chosen(true, false),
  selectattr: chosen(true, true),
  sort: filter(
    ['reverse', 'case_sensitive', 'attribute'],
    (value, isReversed = false, caseSensitive, attribute) => {
      const paths = typeof attribute === 'string' ? attribute.split(',') : [attribute];
      const keys = paths.map((path) => foldCase(reader(path), caseSensitive));
      return sorted(iterate(value), {
        keyOf: (item) => keys.map((key) => key(item)),
        isReversed: isTrue(isReversed),
      });
    },
  ),
  string: filter([], (value) => (value instanceof Markup ? value : str(value))),
  sum: filter(['attribute', 'start'], (value, attribute, start = 0n) =>
    Array.from(iterate(value), reader(attribute)).reduce((sum, item) => binary('+', sum, item), start),
  ),
  title: ofText((text) =>
    text
      .split(/([-\s({[<]+)/)
      .map((word) => {
        const [first = '', ...rest] = characters(word);
        return first.toUpperCase() + rest.join('').toLowerCase();
      })
      .join(''),
  ),
  tojson: json,
  trim: filter(['chars'], (value, marks = null) =>
    value instanceof Markup ? new Markup(strip(value.text, 'both', marks)) : strip(str(value), 'both', marks),
  ),
  truncate: filter(['length', 'killwords', 'end', 'leeway'], truncate),
  unique: filter(['case_sensitive', 'attribute'], (value, caseSensitive, attribute) =>
    generator(uniqueBy(iterate(value), foldCase(reader(attribute), caseSensitive)).values()),
  ),
  upper: ofText((text) => text.toUpperCase()),
  wordcount: filter([], (value) => BigInt(str(value).match(/[\p{L}\p{N}_]+/gu)?.length ?? 0)),
};

export function isFilter(name: string): boolean {
  return Object.hasOwn(FILTERS, name);
}

/** `value | name(args)` */
export function applyFilter(name: string, value: Value, args: Arguments): Value {
  return isFilter(name) ? FILTERS[name](value, args) : raise(`there is no filter "${name}" here`);
}
