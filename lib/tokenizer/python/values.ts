/**
 * Python's values as the templates see them: bigint is int, number is float, null is None, an array is a list; what
 * JavaScript has no value for has a class here. Where it stands: under all of `jinja`.
 */
import { TunebookError } from '../../types';

export type Value =
  string | bigint | number | boolean | null | readonly Value[] | Tuple | Dict | Markup | Undefined | Thing;

/** What a call hands over. */
export interface Arguments {
  readonly positional: readonly Value[];
  readonly named: ReadonlyMap<string, Value>;
}

export class Tuple {
  constructor(readonly items: readonly Value[]) {}
}

/** Text that `safe` and `escape` marked: what is added to it is escaped. */
export class Markup {
  constructor(readonly text: string) {}
}

/** What has no value: it prints as nothing, is false and empty, and any other use of it is an error. */
export class Undefined {
  constructor(readonly message: string) {}
}

/** A dict; keys are equal as in Python, where 1, 1.0 and True are one. */
export class Dict {
  private readonly table = new Map<string, readonly [key: Value, value: Value]>();

  constructor(entries: Iterable<readonly [Value, Value]> = []) {
    for (const [key, value] of entries) this.set(key, value);
  }

  get size(): number {
    return this.table.size;
  }

  get(key: Value): Value | undefined {
    return this.table.get(hash(key))?.[1];
  }

  keys(): Value[] {
    return [...this.table.values()].map(([key]) => key);
  }

  entries(): (readonly [Value, Value])[] {
    return [...this.table.values()];
  }

  private set(key: Value, value: Value): void {
    const at = hash(key);
    this.table.set(at, [this.table.get(at)?.[0] ?? key, value]);
  }
}

/** What a value of another kind can do: a macro, a loop, a range, a generator, a method. */
export interface Abilities {
  /** As Python prints it; what would show an address in memory has none. */
  readonly repr?: () => string;
  readonly call?: (args: Arguments) => Value;
  readonly attribute?: (name: string) => Value | undefined;
  readonly iterate?: () => Iterator<Value>;
  readonly length?: () => number;
  readonly item?: (key: Value) => Value | undefined;
  readonly slice?: (parts: readonly (Value | undefined)[]) => Value;
}

/** A value of another kind, by Python's name for its type. */
export class Thing {
  constructor(
    readonly type: string,
    readonly can: Abilities,
  ) {}
}

/** The object that `namespace()` makes: the one thing that a template can change. */
export class Namespace {
  private static readonly all = new WeakMap<Thing, Namespace>();
  readonly values = new Map<string, Value>();
  readonly thing = new Thing('Namespace', { attribute: (name) => this.values.get(name) });

  constructor() {
    Namespace.all.set(this.thing, this);
  }

  static of(value: Value): Namespace | undefined {
    return value instanceof Thing ? Namespace.all.get(value) : undefined;
  }
}

/** A template's fault, as Python would raise it. */
export function raise(message: string): never {
  throw new TunebookError(message);
}

/** What a template itself refuses, by `raise_exception`. */
export class TemplateRefusal extends TunebookError {}

/** A value, or another where there is none; None is a value. */
export function either(value: Value | undefined, otherwise: () => Value): Value {
  return value === undefined ? otherwise() : value;
}

export function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

/** An int or a bool, which is one. */
export function isWhole(value: Value): value is bigint | boolean {
  return typeof value === 'bigint' || typeof value === 'boolean';
}

export function isNumber(value: Value): value is bigint | number | boolean {
  return isWhole(value) || typeof value === 'number';
}

/** The text of a str, marked or not; undefined for others. */
export function textOf(value: Value): string | undefined {
  if (typeof value === 'string') return value;
  return value instanceof Markup ? value.text : undefined;
}

/** Python's name of a value's type. */
export function typeName(value: Value): string {
  if (typeof value === 'string') return 'str';
  if (typeof value === 'bigint') return 'int';
  if (typeof value === 'number') return 'float';
  if (typeof value === 'boolean') return 'bool';
  if (value === null) return 'NoneType';
  if (isList(value)) return 'list';
  if (value instanceof Tuple) return 'tuple';
  if (value instanceof Dict) return 'dict';
  if (value instanceof Markup) return 'Markup';
  return value instanceof Undefined ? 'Undefined' : value.type;
}

/** What has no value because an object lacks it. */
export function missing(object: Value, name: Value): Undefined {
  const owner = object === null ? 'None' : `${typeName(object)} object`;
  return typeof name === 'string'
    ? new Undefined(`'${owner}' has no attribute '${name}'`)
    : new Undefined(`${owner} has no element ${String(name)}`);
}

/** A generator: what it yields comes once. */
export function generator(iterator: Iterator<Value>): Thing {
  return new Thing('generator', { iterate: () => iterator });
}

export function method(name: string, call: (args: Arguments) => Value): Thing {
  return new Thing('builtin_function_or_method', {
    call: (args) => call(args),
    repr: () => raise(`${name} is printed without being called`),
  });
}

/** Equal keys have equal texts. */
export function hash(key: Value): string {
  if (typeof key === 'string') return `s${key}`;
  if (key instanceof Markup) return `s${key.text}`;
  if (typeof key === 'boolean') return `n${Number(key)}`;
  if (typeof key === 'bigint' || typeof key === 'number') return `n${String(key)}`;
  if (key === null) return 'none';
  if (key instanceof Undefined) return 'undefined';
  if (key instanceof Tuple) return `(${key.items.map((item) => JSON.stringify(hash(item))).join()})`;
  return raise(`unhashable type: '${typeName(key)}'`);
}

/**
 * A value from JavaScript: an integral number is an int, as JSON cannot tell 1 from 1.0 here; what is undefined is left out.
 * @throws {TunebookError} If it is neither JSON's nor a function.
 */
export function fromJavaScript(value: unknown): Value {
  if (value === null || typeof value === 'string' || typeof value === 'boolean' || typeof value === 'bigint')
    return value;
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : value;
  if (Array.isArray(value))
    return value.map((item: unknown) => (item === undefined ? null : fromJavaScript(item)));
  if (typeof value === 'function') {
    const call = value as (...args: unknown[]) => unknown;
    return new Thing('function', {
      call: ({ positional }) => fromJavaScript(call(...positional.map(toJavaScript)) ?? null),
    });
  }
  if (value instanceof Map) return dictOf([...(value as Map<unknown, unknown>)]);
  if (typeof value === 'object' && isPlain(value)) return dictOf(Object.entries(value));
  return raise(`expected values as JSON has them, got ${Object.prototype.toString.call(value)}`);
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  // Objects of another realm (a notebook's cell) have a prototype of their own, which has no prototype itself.
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function dictOf(entries: readonly (readonly [unknown, unknown])[]): Dict {
  return new Dict(
    entries
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => [fromJavaScript(key), fromJavaScript(value)]),
  );
}

/** What a function of JavaScript's gets. */
function toJavaScript(value: Value): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (value instanceof Undefined) return undefined;
  if (value instanceof Markup) return value.text;
  if (isList(value)) return value.map(toJavaScript);
  if (value instanceof Tuple) return value.items.map(toJavaScript);
  if (value instanceof Dict)
    return Object.fromEntries(
      value.entries().map(([key, item]) => [String(toJavaScript(key)), toJavaScript(item)]),
    );
  return value;
}
