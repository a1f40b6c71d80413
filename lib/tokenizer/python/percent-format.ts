/** Python's `text % values` and `text.format(...)`. Where it stands: above `text`. */
import { characters, floatText, lengthOf, repr, str, twoDigits } from './text';
import { Dict, isNumber, isWhole, Markup, raise, textOf, Tuple, typeName, Undefined } from './values';
import type { Value } from './values';

/** How one value is laid out. */
interface Layout {
  fill: string;
  align: string;
  sign: string;
  alternate: boolean;
  width: number;
  grouping: string;
  precision: number | undefined;
  type: string;
}

const PERCENT =
  /%(?:\((?<key>[^)]*)\))?(?<flags>[-+ #0]*)(?<width>\d+|\*)?(?:\.(?<precision>\d*|\*))?[hlL]?(?<type>[^])/gu;

/** `'%s of %d' % (a, b)` */
export function percentFormat(text: string, given: Value): string {
  const values = given instanceof Tuple ? given.items : [given];
  let next = 0;
  let byKey = false;
  const result = text
    .replace(/%$/u, () => raise('incomplete format'))
    .replace(PERCENT, (all: string, ...rest: unknown[]) => {
      const groups = rest.at(-1) as Record<string, string | undefined>;
      const { key, flags = '', width = '', precision, type = '' } = groups;
      if (type === '%') return '%';
      if (width === '*' || precision === '*') return raise(`the format ${all} is not supported`);
      if (key !== undefined) byKey = true;
      const value =
        key === undefined
          ? values[next++]
          : given instanceof Dict
            ? given.get(key)
            : raise('format requires a mapping');
      if (value === undefined)
        return raise(key === undefined ? 'not enough arguments for format string' : `KeyError: '${key}'`);
      const layout: Layout = {
        fill: flags.includes('0') && !flags.includes('-') && type !== 's' && type !== 'r' ? '0' : ' ',
        align: flags.includes('-') ? '<' : flags.includes('0') && type !== 's' && type !== 'r' ? '=' : '>',
        sign: flags.includes('+') ? '+' : flags.includes(' ') ? ' ' : '-',
        ...{ alternate: flags.includes('#'), width: Number(width), grouping: '' },
        ...{
          precision: precision === undefined ? undefined : Number(precision),
          type: type === 'i' || type === 'u' ? 'd' : type,
        },
      };
      if (type === 's' || type === 'r') return laidOutText(type === 's' ? str(value) : repr(value), layout);
      if (type === 'c' && typeof value === 'string') return laidOutText(value, layout);
      if (!'dixXofFeEu'.includes(type)) return raise(`the format ${all} is not supported`);
      if (value instanceof Undefined) return raise(value.message);
      if (!isNumber(value))
        return raise(`%${type} format: a real number is required, not ${typeName(value)}`);
      const isWholeType = 'dixXou'.includes(type);
      if (isWholeType && typeof value === 'number' && !'diu'.includes(type))
        return raise(`%${type} format: an integer is required, not float`);
      return laidOutNumber(
        isWholeType ? BigInt(Math.trunc(Number(value))) : Number(value),
        layout,
        isWhole(value) ? value : undefined,
      );
    });
  // As there: whatever has keys may hold more than the text asks for.
  const isSpare = given instanceof Tuple || textOf(given) !== undefined || given === null || isNumber(given);
  if (!byKey && next < values.length && isSpare)
    return raise('not all arguments converted during string formatting');
  return result;
}

const SPEC =
  /^(?:(?<fill>[^])?(?<align>[<>=^]))?(?<sign>[-+ ])?(?<alternate>#)?(?<zero>0)?(?<width>\d+)?(?<grouping>[,_])?(?:\.(?<precision>\d+))?(?<type>[bcdeEfFgGnosxX%])?$/u;

/** format(value, spec) */
export function formatValue(value: Value, spec: string): string {
  if (spec === '') return str(value);
  const { groups } = SPEC.exec(spec) ?? raise(`the format ${JSON.stringify(spec)} is not understood`);
  const {
    fill,
    align,
    sign = '-',
    alternate,
    zero,
    width = '',
    grouping = '',
    precision,
    type = '',
  } = groups ?? {};
  const isPlain = isNumber(value) && typeof value !== 'boolean';
  const layout: Layout = {
    fill: fill ?? (zero === undefined ? ' ' : '0'),
    align: align ?? (zero === undefined ? (isPlain ? '>' : '<') : isPlain ? '=' : '<'),
    ...{ sign, alternate: alternate !== undefined, width: Number(width), grouping, type },
    precision: precision === undefined ? undefined : Number(precision),
  };
  if (typeof value === 'string') {
    if ((type !== '' && type !== 's') || align === '=' || groups?.sign !== undefined || grouping !== '')
      return raise(`the format ${JSON.stringify(spec)} is not one for text`);
    return laidOutText(value, layout);
  }
  const isSupported =
    isPlain &&
    (typeof value === 'bigint' ? 'dxXobfFeE%' : 'fFeE%').includes(type) &&
    (type !== '' || typeof value === 'bigint');
  if (!isSupported)
    return raise(`the format ${JSON.stringify(spec)} of a ${typeName(value)} is not supported`);
  const asFloat = 'fFeE%'.includes(type) && type !== '';
  return laidOutNumber(
    asFloat ? Number(value) : value,
    { ...layout, type: type === '' ? 'd' : type },
    undefined,
  );
}

function laidOutText(text: string, { precision, ...layout }: Layout): string {
  return padded(precision === undefined ? text : characters(text).slice(0, precision).join(''), layout);
}

function padded(text: string, { fill, align, width }: Pick<Layout, 'fill' | 'align' | 'width'>): string {
  const missing = width - lengthOf(text);
  if (missing <= 0) return text;
  if (align === '<') return text + fill.repeat(missing);
  if (align === '^') return fill.repeat(Math.floor(missing / 2)) + text + fill.repeat(Math.ceil(missing / 2));
  const signed = align === '=' && /^[-+ ]/.test(text) ? 1 : 0;
  return text.slice(0, signed) + fill.repeat(missing) + text.slice(signed);
}

function laidOutNumber(value: bigint | number, layout: Layout, whole: bigint | boolean | undefined): string {
  const { type, precision = 6, sign, alternate, grouping } = layout;
  const size = whole !== undefined && typeof value === 'bigint' ? BigInt(whole) : value;
  const isNegative = size < 0 || Object.is(size, -0);
  const magnitude = size < 0 ? -size : size;
  let digits: string;
  if (typeof magnitude === 'bigint') {
    const bases: Readonly<Record<string, readonly [number, string]>> = {
      x: [16, '0x'],
      X: [16, '0X'],
      o: [8, '0o'],
      b: [2, '0b'],
    };
    const [base, prefix] = bases[type] ?? [10, ''];
    digits = magnitude.toString(base).padStart(layout.precision ?? 0, '0');
    if (type === 'X') digits = digits.toUpperCase();
    if (alternate) digits = prefix + digits;
  } else if (!Number.isFinite(magnitude)) digits = floatText(magnitude);
  else if (type === '%') digits = `${roundedText(magnitude * 100, precision)}%`;
  else if (type === 'e' || type === 'E') {
    const [mantissa, power] = magnitude.toExponential(precision).split('e');
    digits = `${mantissa}${type}${power.startsWith('-') ? '-' : '+'}${twoDigits(Math.abs(Number(power)))}`;
  } else digits = roundedText(magnitude, precision);
  if (grouping !== '') digits = digits.replace(/^\d+/, (run) => run.replace(/\B(?=(\d{3})+$)/g, grouping));
  return padded((isNegative ? '-' : sign === '-' ? '' : sign) + digits, layout);
}

/** A float with so many digits after the point; what lies exactly between two goes to the even one. */
export function roundedText(value: number, digits: number): string {
  if (Math.abs(value) >= 1e21) return `${BigInt(value)}${digits > 0 ? `.${'0'.repeat(digits)}` : ''}`;
  if (digits > 99) return value.toFixed(100).padEnd(1, '0');
  const rounded = value.toFixed(digits);
  const exact = value.toFixed(100);
  const rest = exact.slice(exact.indexOf('.') + 1 + digits);
  if (!/^50*$/.test(rest)) return rounded;
  const cut = exact.slice(0, exact.indexOf('.') + (digits === 0 ? 0 : digits + 1));
  return Number(cut.at(-1)) % 2 === 0 ? cut : rounded;
}

/** `'{} {name}'.format(...)` */
export function strFormat(
  text: string,
  { positional, field }: { positional: readonly Value[]; field: FieldReader },
): string {
  let next = 0;
  return text.replace(
    /\{\{|\}\}|\{(?<name>[^{}!:]*)(?:!(?<how>[rsa]))?(?::(?<spec>[^{}]*))?\}|[{}]/gu,
    (all: string, ...rest: unknown[]) => {
      if (all === '{{' || all === '}}') return all[0];
      if (all === '{' || all === '}')
        return raise(`Single '${all}' encountered in format string, or a nested one`);
      const { name = '', how, spec = '' } = rest.at(-1) as Record<string, string | undefined>;
      const path = /^[.[]|^$/.test(name) ? `${next++}${name}` : name;
      const value = field(path, positional);
      if (how === 'a') return raise('!a in a format is not supported');
      const plain = how === undefined ? value : how === 'r' ? repr(value) : str(value);
      return formatValue(plain instanceof Markup ? plain.text : plain, spec);
    },
  );
}

/** The value that a field of a format names, such as `0`, `name` or `0[key].attribute`. */
export type FieldReader = (path: string, positional: readonly Value[]) => Value;
