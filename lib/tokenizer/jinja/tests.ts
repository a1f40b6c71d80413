/** What may stand after `is`. Where it stands: beside the filters, under the evaluator. Source: jinja2 3.1, `tests.py`. */
import { bind } from '../python/arguments';
import { isLower, isUpper } from '../python/case';
import { binary, compare, contains, isEqual, iterate, sizeOf } from '../python/operators';
import { str } from '../python/text';
import { Dict, isNumber, Markup, raise, textOf, Thing, Undefined } from '../python/values';
import type { Arguments, Value } from '../python/values';

type Test = (value: Value, other: Value) => boolean;

const remainder = (value: Value, by: Value): Value => binary('%', value, by);

/** As near to Python's `is` as values allow: one object, or equal values of a kind that has one object each. */
const isSame: Test = (value, other) =>
  value === other &&
  (typeof value === 'string' || typeof value === 'bigint' || typeof value === 'number'
    ? raise('sameas is not supported for texts and numbers: use ==')
    : true);

const ofOne: Readonly<Record<string, (value: Value) => boolean>> = {
  odd: (value) => isEqual(remainder(value, 2n), 1n),
  even: (value) => isEqual(remainder(value, 2n), 0n),
  defined: (value) => !(value instanceof Undefined),
  undefined: (value) => value instanceof Undefined,
  none: (value) => value === null,
  boolean: (value) => typeof value === 'boolean',
  false: (value) => value === false,
  true: (value) => value === true,
  integer: (value) => typeof value === 'bigint',
  float: (value) => typeof value === 'number',
  number: isNumber,
  lower: (value) => isLower(str(value)),
  upper: (value) => isUpper(str(value)),
  string: (value) => textOf(value) !== undefined,
  mapping: (value) => value instanceof Dict,
  sequence: (value) =>
    sizeOf(value) !== undefined && !(value instanceof Thing && value.type.startsWith('dict_')),
  iterable: (value) => {
    try {
      iterate(value);
      return true;
    } catch {
      return false;
    }
  },
  callable: (value) => value instanceof Undefined || (value instanceof Thing && value.can.call !== undefined),
  escaped: (value) => value instanceof Markup,
};

const ofTwo: Readonly<Record<string, Test>> = {
  divisibleby: (value, by) => isEqual(remainder(value, by), 0n),
  in: (value, list) => contains(list, value),
  sameas: isSame,
  ...Object.fromEntries(['==', 'eq', 'equalto'].map((name) => [name, isEqual])),
  ...Object.fromEntries(['!=', 'ne'].map((name): [string, Test] => [name, (a, b) => !isEqual(a, b)])),
  ...Object.fromEntries(
    ['>', 'gt', 'greaterthan'].map((name): [string, Test] => [name, (a, b) => isOrdered('>', a, b)]),
  ),
  ...Object.fromEntries(['>=', 'ge'].map((name): [string, Test] => [name, (a, b) => isOrdered('>=', a, b)])),
  ...Object.fromEntries(
    ['<', 'lt', 'lessthan'].map((name): [string, Test] => [name, (a, b) => isOrdered('<', a, b)]),
  ),
  ...Object.fromEntries(['<=', 'le'].map((name): [string, Test] => [name, (a, b) => isOrdered('<=', a, b)])),
};

export function isTest(name: string): boolean {
  return Object.hasOwn(ofOne, name) || Object.hasOwn(ofTwo, name);
}

/** `value is name(args)` */
export function applyTest(name: string, value: Value, args: Arguments): boolean {
  const of = `the test ${name}`;
  if (Object.hasOwn(ofOne, name)) {
    bind(args, { of, names: [] });
    return ofOne[name](value);
  }
  if (!Object.hasOwn(ofTwo, name)) return raise(`there is no test "${name}" here`);
  const [other = null] = bind(args, {
    of,
    names: [name === 'divisibleby' ? 'num' : name === 'in' ? 'seq' : 'other'],
    required: 1,
  });
  return ofTwo[name](value, other);
}

/** `==` and the other comparisons. */
export function isOrdered(operator: string, left: Value, right: Value): boolean {
  switch (operator) {
    case '==':
      return isEqual(left, right);
    case '!=':
      return !isEqual(left, right);
    case 'in':
      return contains(right, left);
    case 'not in':
      return !contains(right, left);
  }
  if (left instanceof Undefined) raise(left.message);
  const order = compare(left, right);
  switch (operator) {
    case '<':
      return order < 0;
    case '<=':
      return order <= 0;
    case '>':
      return order > 0;
    default:
      return order >= 0;
  }
}
