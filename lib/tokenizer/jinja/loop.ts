/** `loop` in a for loop: what comes next is read only when it is asked for. Where it stands: under the evaluator. */
import { isEqual, sizeOf } from '../python/operators';
import { either, raise, Thing, Tuple, Undefined } from '../python/values';
import type { Arguments, Value } from '../python/values';

export class LoopState {
  readonly thing: Thing;
  private index = -1;
  private before: Value | undefined;
  private now: Value | undefined;
  private ahead: Value[] = [];
  private size: number | undefined;
  private lastChanged: Value | undefined;

  constructor(
    private readonly items: Iterator<Value>,
    {
      source,
      depth,
      recurse,
    }: { source: Value; depth: number; recurse: ((items: Value) => Value) | undefined },
  ) {
    this.size = sizeOf(source);
    const attributes: Readonly<Record<string, () => Value>> = {
      index: () => BigInt(this.index + 1),
      index0: () => BigInt(this.index),
      length: () => BigInt(this.length()),
      revindex: () => BigInt(this.length() - this.index),
      revindex0: () => BigInt(this.length() - this.index - 1),
      first: () => this.index === 0,
      last: () => this.next() === undefined,
      previtem: () => either(this.before, () => new Undefined('there is no previous item')),
      nextitem: () => either(this.next(), () => new Undefined('there is no next item')),
      depth: () => BigInt(depth + 1),
      depth0: () => BigInt(depth),
      cycle: () => new Thing('method', { call: (args) => this.cycle(args) }),
      changed: () => new Thing('method', { call: (args) => this.changed(args) }),
    };
    this.thing = new Thing('LoopContext', {
      repr: () => `<LoopContext ${this.index + 1}/${this.length()}>`,
      attribute: (name) => (Object.hasOwn(attributes, name) ? attributes[name]() : undefined),
      length: () => this.length(),
      call: ({ positional }) =>
        recurse === undefined
          ? raise("the loop must have the 'recursive' marker to be called")
          : recurse(either(positional[0], () => raise('loop() needs what to go over'))),
    });
  }

  get current(): Value {
    return either(this.now, () => raise('internal: a loop that has not begun'));
  }

  /** Goes on to the next item; false where there is none. */
  advance(): boolean {
    const next = this.next();
    if (next === undefined) return false;
    this.ahead.shift();
    this.before = this.now;
    this.now = next;
    this.index++;
    return true;
  }

  private next(): Value | undefined {
    if (this.ahead.length === 0) this.read();
    return this.ahead[0];
  }

  private read(): boolean {
    const { done = false, value } = this.items.next() as { done?: boolean; value: Value };
    if (!done) this.ahead.push(value);
    return !done;
  }

  private length(): number {
    if (this.size === undefined) {
      while (this.read());
      this.size = this.index + 1 + this.ahead.length;
    }
    return this.size;
  }

  private cycle({ positional }: Arguments): Value {
    return positional.length === 0
      ? raise('no items for cycling given')
      : positional[this.index % positional.length];
  }

  private changed({ positional }: Arguments): Value {
    const value = new Tuple(positional);
    const isSame = this.lastChanged !== undefined && isEqual(this.lastChanged, value);
    this.lastChanged = value;
    return !isSame;
  }
}
