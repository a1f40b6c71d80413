/**
 * Parquet's values as JSON's, exactly: whole numbers beyond 2^53, decimals, dates and times as text, bytes as
 * base64. hyparquet would round the first three and take bytes for text, so that it is shown a schema in which
 * these columns are plain numbers and bytes, and they are converted here.
 */
import type { ParquetParsers, SchemaElement } from 'hyparquet';
import { parseExactJson } from './exact-json';
import type { JsonValue } from './row';

/** One value of a column, which is not null, from what hyparquet gives. */
type Convert = (value: unknown) => JsonValue;

/** Thrown for a value that is not what its column says. */
export class ParquetFault extends Error {}

/** How hyparquet is to read, and how its values become JSON's. */
export interface ParquetValues {
  readonly schema: SchemaElement[];
  readonly parsers: Partial<ParquetParsers>;
  /** Columns of bytes. */
  readonly bytes: readonly string[];
  /** A top-level column's value as JSON's. @throws ParquetFault */
  convert(column: string, value: unknown): JsonValue;
}

/** Not valid UTF-8 in a column of text. */
const INVALID = Symbol('invalid');

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const parsers: Partial<ParquetParsers> = {
  stringFromBytes: (bytes) => decoded(bytes),
  jsonFromBytes: (bytes) => {
    const text = decoded(bytes);
    const parsed = typeof text === 'string' ? parseExactJson(text) : undefined;
    return parsed !== undefined && 'value' in parsed && parsed.faults.length === 0 ? parsed.value : text;
  },
  timestampFromNanoseconds: (nanos) => timestamp(nanos, { digits: 9, utc: false }), // INT96
};

function decoded(bytes: Uint8Array | undefined): unknown {
  if (!(bytes instanceof Uint8Array)) return bytes;
  try {
    return utf8.decode(bytes);
  } catch {
    return INVALID;
  }
}

/** A column, or a part of a nested one. */
interface Node {
  readonly element: SchemaElement;
  readonly children: readonly Node[];
  readonly leaf: Leaf;
}

interface Leaf {
  readonly convert: Convert;
  /** What hyparquet shall take the column for, where that is not what it says. */
  readonly shownAs?: Pick<SchemaElement, 'converted_type'>;
  readonly isBytes?: boolean;
}

/** Looks at a file's schema. */
export function parquetValues(schema: readonly SchemaElement[]): ParquetValues {
  const shown = [...schema];
  const bytes = new Set<string>();
  let at = 1;
  const nodeFor = (top: string): Node => {
    const place = at++;
    const element = schema[place];
    const children = Array.from({ length: element.num_children ?? 0 }, () => nodeFor(top));
    const leaf = leafOf(element);
    if (children.length === 0 && leaf.isBytes === true) bytes.add(top);
    if (children.length === 0 && leaf.shownAs !== undefined)
      shown[place] = { ...element, converted_type: undefined, logical_type: undefined, ...leaf.shownAs };
    return { element, children, leaf };
  };
  const columns = new Map<string, Node>();
  while (at < schema.length) {
    const { name } = schema[at];
    columns.set(name, nodeFor(name));
  }
  return {
    schema: shown,
    parsers,
    bytes: [...bytes],
    convert: (column, value) => convertNode(columns.get(column), value),
  };
}

/** Lists are arrays in what hyparquet gives, maps and structures are objects. */
function convertNode(node: Node | undefined, value: unknown): JsonValue {
  if (value === undefined || value === null) return null;
  if (node === undefined) return plainValue(value);
  const { element, children, leaf } = node;
  const [middle] = children;
  if (Array.isArray(value)) {
    const isList = element.converted_type === 'LIST' && middle !== undefined;
    const item = !isList ? node : middle.children.length === 1 ? middle.children[0] : middle;
    return value.map((one) => convertNode(item, one));
  }
  if (middle === undefined) return leaf.convert(value);
  if (typeof value !== 'object') return plainValue(value);
  const isMap = element.converted_type === 'MAP' && middle.children.length === 2;
  const partOf = (name: string): Node | undefined =>
    isMap ? middle.children[1] : children.find((child) => child.element.name === name);
  return Object.fromEntries(
    Object.entries(value).map(([name, one]): [string, JsonValue] => [name, convertNode(partOf(name), one)]),
  );
}

const DIGITS = { MILLIS: 3, MICROS: 6, NANOS: 9 } as const;

function leafOf({ type, converted_type: converted, logical_type: logical, scale = 0 }: SchemaElement): Leaf {
  if (logical?.type === 'DECIMAL' || converted === 'DECIMAL')
    return { shownAs: {}, convert: (value) => decimal(wholeNumber(value), scale) };
  if (logical?.type === 'DATE' || converted === 'DATE') return { shownAs: {}, convert: day };
  if (logical?.type === 'TIME')
    return { shownAs: {}, convert: (value) => timeOfDay(wholeNumber(value), DIGITS[logical.unit]) };
  if (converted === 'TIME_MILLIS' || converted === 'TIME_MICROS') {
    const digits = converted === 'TIME_MILLIS' ? 3 : 6;
    return { shownAs: {}, convert: (value) => timeOfDay(wholeNumber(value), digits) };
  }
  if (logical?.type === 'TIMESTAMP') {
    const { unit, isAdjustedToUTC: utc } = logical;
    return { shownAs: {}, convert: (value) => timestamp(wholeNumber(value), { digits: DIGITS[unit], utc }) };
  }
  if (converted === 'TIMESTAMP_MILLIS' || converted === 'TIMESTAMP_MICROS') {
    const digits = converted === 'TIMESTAMP_MILLIS' ? 3 : 6;
    return { shownAs: {}, convert: (value) => timestamp(wholeNumber(value), { digits, utc: true }) };
  }
  if (logical?.type === 'ENUM' || converted === 'ENUM')
    return { shownAs: { converted_type: 'UTF8' }, convert: plainValue };
  const isBinary = type === 'BYTE_ARRAY' || type === 'FIXED_LEN_BYTE_ARRAY';
  const known = ['STRING', 'JSON', 'UUID', 'FLOAT16', 'GEOMETRY', 'GEOGRAPHY'];
  const isText = converted === 'UTF8' || converted === 'JSON' || known.includes(logical?.type ?? '');
  return isBinary && !isText ? { shownAs: {}, convert: plainValue, isBytes: true } : { convert: plainValue };
}

/** A value that needs no column to be understood. */
function plainValue(value: unknown): JsonValue {
  if (value === undefined || value === null) return null;
  if (value === INVALID) throw new ParquetFault('text that is not valid UTF-8');
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (Array.isArray(value)) return value.map(plainValue);
  if (typeof value === 'object') {
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]): [string, JsonValue] => [key, plainValue(inner)]),
    );
  }
  throw new ParquetFault(`a ${typeof value}, which JSON does not have`);
}

/** Bytes are big-endian in two's complement. */
function wholeNumber(value: unknown): bigint {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number') return BigInt(value);
  if (!(value instanceof Uint8Array)) throw new ParquetFault(`a ${typeof value} for a whole number`);
  return value.length === 0
    ? 0n
    : BigInt.asIntN(8 * value.length, BigInt(`0x${Buffer.from(value).toString('hex')}`));
}

/** 1.10 stays 1.10. */
function decimal(value: bigint, scale: number): string {
  const digits = String(value < 0n ? -value : value).padStart(scale + 1, '0');
  const whole = digits.slice(0, digits.length - scale);
  return `${value < 0n ? '-' : ''}${whole}${scale > 0 ? `.${digits.slice(-scale)}` : ''}`;
}

function day(value: unknown): string {
  return new Date(Number(value) * 86_400_000).toISOString().slice(0, -'T00:00:00.000Z'.length);
}

/** Since midnight, in units of 10^-digits seconds. */
function timeOfDay(value: bigint, digits: number): string {
  const unit = 10n ** BigInt(digits);
  const seconds = Number(value / unit);
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return `${parts.map((part) => String(part).padStart(2, '0')).join(':')}.${String(value % unit).padStart(digits, '0')}`;
}

/** Since 1970, in units of 10^-digits seconds; Z where the column says UTC. */
function timestamp(value: bigint, { digits, utc }: { digits: number; utc: boolean }): string {
  const perDay = 86_400n * 10n ** BigInt(digits);
  const days = value / perDay - (value % perDay < 0n ? 1n : 0n);
  return `${day(days)}T${timeOfDay(value - days * perDay, digits)}${utc ? 'Z' : ''}`;
}
