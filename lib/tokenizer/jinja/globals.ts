/** What every template can call. Where it stands: under the evaluator. Source: jinja2 3.1, `defaults.py`; transformers. */
import { bind, textArgument } from '../python/arguments';
import { iterate, sliceBounds } from '../python/operators';
import { str, twoDigits, wholeOf } from '../python/text';
import { Dict, isWhole, Namespace, raise, TemplateRefusal, Thing } from '../python/values';
import type { Arguments, Value } from '../python/values';

const LARGEST_RANGE = 100_000;

function range({ positional, named }: Arguments): Value {
  if (named.size > 0 || positional.length === 0 || positional.length > 3)
    return raise('range takes one to three whole numbers');
  const numbers = positional.map((value) => wholeOf(value, 'range'));
  const [start, stop, step = 1] = numbers.length === 1 ? [0, numbers[0]] : numbers;
  if (step === 0) return raise('range: the step must not be zero');
  const made = rangeOf(start, stop, step);
  const length = made.can.length?.() ?? 0;
  return length > LARGEST_RANGE
    ? raise(`range: expected at most ${LARGEST_RANGE} numbers, got ${length}`)
    : made;
}

function rangeOf(start: number, stop: number, step: number): Thing {
  const length = Math.max(0, Math.ceil((stop - start) / step));
  const at = (i: number): Value => BigInt(start + i * step);
  return new Thing('range', {
    repr: () => `range(${start}, ${stop}${step === 1 ? '' : `, ${step}`})`,
    iterate: () => Array.from({ length }, (_, i) => at(i)).values(),
    length: () => length,
    item: (key) => {
      const i = isWhole(key) ? Number(key) : Number.NaN;
      const place = i < 0 ? i + length : i;
      return place >= 0 && place < length ? at(place) : undefined;
    },
    slice: (parts) => {
      const bounds = sliceBounds(parts, length);
      return rangeOf(start + bounds.from * step, start + bounds.to * step, step * bounds.step);
    },
  });
}

/** dict(), and what namespace() begins with. */
function entriesOf({ positional, named }: Arguments): (readonly [Value, Value])[] {
  const [from, ...more] = positional;
  if (more.length > 0) return raise('dict takes at most one value without a name');
  const given =
    from === undefined
      ? []
      : from instanceof Dict
        ? from.entries()
        : Array.from(iterate(from), (pair): readonly [Value, Value] => {
            const [key, value, ...rest] = iterate(pair);
            return value === undefined || rest.length > 0 ? raise('dict: expected pairs') : [key, value];
          });
  return [...given, ...named];
}

function namespace(args: Arguments): Value {
  const made = new Namespace();
  for (const [key, value] of entriesOf(args)) made.values.set(str(key), value);
  return made.thing;
}

function cycler({ positional }: Arguments): Value {
  if (positional.length === 0) return raise('cycler: at least one item has to be provided');
  let at = 0;
  const next = (): Value => positional[at++ % positional.length];
  return new Thing('Cycler', {
    attribute: (name) => {
      if (name === 'next') return new Thing('method', { call: next });
      if (name === 'current') return positional[at % positional.length];
      return name === 'reset' ? new Thing('method', { call: () => ((at = 0), null) }) : undefined;
    },
  });
}

function joiner(args: Arguments): Value {
  const [mark = ', '] = bind(args, { of: 'joiner', names: ['sep'] });
  let isUsed = false;
  return new Thing('Joiner', { call: () => (isUsed ? mark : ((isUsed = true), '')) });
}

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = [
  ...['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October'],
  ...['November', 'December'],
];

/** The time now, in the "C" locale. */
function strftimeNow(args: Arguments): Value {
  const [format] = bind(args, { of: 'strftime_now', names: ['format'], required: 1 });
  const now = new Date();
  const [day, month] = [DAYS[now.getDay()], MONTHS[now.getMonth()]];
  const begin = new Date(now.getFullYear(), 0, 1);
  const dayOfYear =
    Math.round(
      (Date.UTC(now.getFullYear(), now.getMonth(), now.getDate()) - Date.UTC(begin.getFullYear(), 0, 1)) /
        864e5,
    ) + 1;
  const parts: Readonly<Record<string, string>> = {
    ...{ a: day.slice(0, 3), A: day, b: month.slice(0, 3), B: month, w: String(now.getDay()), '%': '%' },
    ...{ d: twoDigits(now.getDate()), m: twoDigits(now.getMonth() + 1), Y: String(now.getFullYear()) },
    ...{ y: twoDigits(now.getFullYear() % 100), j: String(dayOfYear).padStart(3, '0') },
    ...{
      H: twoDigits(now.getHours()),
      I: twoDigits(now.getHours() % 12 || 12),
      M: twoDigits(now.getMinutes()),
    },
    ...{ S: twoDigits(now.getSeconds()), p: now.getHours() < 12 ? 'AM' : 'PM' },
  };
  return textArgument(format, 'strftime_now').replace(
    /%(.)/g,
    (all, code: string) => parts[code] ?? raise(`strftime_now: the format ${all} is not supported`),
  );
}

const FUNCTIONS: Readonly<Record<string, (args: Arguments) => Value>> = {
  range,
  dict: (args) => new Dict(entriesOf(args)),
  namespace,
  cycler,
  joiner,
  lipsum: () => raise('lipsum() is random text: not supported'),
  strftime_now: strftimeNow,
  raise_exception: (args) => {
    const [message = ''] = bind(args, { of: 'raise_exception', names: ['message'], required: 1 });
    throw new TemplateRefusal(str(message));
  },
};

export const GLOBALS: ReadonlyMap<string, Value> = new Map(
  Object.entries(FUNCTIONS).map(([name, call]) => [name, new Thing('function', { call })]),
);
