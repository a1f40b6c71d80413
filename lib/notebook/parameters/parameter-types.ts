/** The types of notebook parameters, and validation of values. */
import { isJsonObject } from '../../files';

/** One member of an object's type. */
export interface ParameterField {
  readonly name: string;
  readonly type: ParameterType;
  readonly isOptional: boolean;
}

/** Type of a parameter. */
export type ParameterType =
  | { readonly kind: 'number' | 'string' | 'boolean' | 'null' }
  /** Any JSON: `unknown`. */
  | { readonly kind: 'unknown' }
  | { readonly kind: 'literal'; readonly value: string | number | boolean }
  | { readonly kind: 'array'; readonly element: ParameterType }
  | { readonly kind: 'tuple'; readonly elements: readonly ParameterType[] }
  | { readonly kind: 'object'; readonly fields: readonly ParameterField[] }
  | { readonly kind: 'record'; readonly value: ParameterType }
  | { readonly kind: 'union'; readonly members: readonly ParameterType[] };

/** A value that a parameter can take: JSON. */
export type ParameterValue =
  number | string | boolean | null | readonly ParameterValue[] | { readonly [name: string]: ParameterValue };

/** A name as a member of an object in TypeScript. */
export function memberText(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name);
}

/** A type as TypeScript writes it. */
export function typeText(type: ParameterType): string {
  switch (type.kind) {
    case 'literal':
      return typeof type.value === 'string' ? `'${type.value}'` : String(type.value);
    case 'array': {
      const element = typeText(type.element);
      return type.element.kind === 'union' ? `(${element})[]` : `${element}[]`;
    }
    case 'tuple':
      return `[${type.elements.map(typeText).join(', ')}]`;
    case 'object': {
      const fields = type.fields.map(
        ({ name, type: of, isOptional }) => `${memberText(name)}${isOptional ? '?' : ''}: ${typeText(of)}`,
      );
      return fields.length === 0 ? '{}' : `{ ${fields.join('; ')} }`;
    }
    case 'record':
      return `Record<string, ${typeText(type.value)}>`;
    case 'union':
      return type.members.map(typeText).join(' | ');
    default:
      return type.kind;
  }
}

/** Whether a value has a type; numbers must be finite, and objects may have no other members. */
export function isOfType(type: ParameterType, value: unknown): value is ParameterValue {
  switch (type.kind) {
    case 'null':
      return value === null;
    case 'unknown':
      return isJson(value);
    case 'literal':
      return value === type.value;
    case 'array':
      return Array.isArray(value) && value.every((element) => isOfType(type.element, element));
    case 'tuple': {
      const { elements } = type;
      const isSized = Array.isArray(value) && value.length === elements.length;
      return isSized && elements.every((element, i) => isOfType(element, value[i]));
    }
    case 'object': {
      if (!isJsonObject(value)) return false;
      const isKnown = (name: string): boolean => type.fields.some((field) => field.name === name);
      return (
        Object.keys(value).every(isKnown) &&
        type.fields.every(({ name, type: of, isOptional }) =>
          Object.hasOwn(value, name) ? isOfType(of, value[name]) : isOptional,
        )
      );
    }
    case 'record':
      return isJsonObject(value) && Object.values(value).every((member) => isOfType(type.value, member));
    case 'union':
      return type.members.some((member) => isOfType(member, value));
    case 'number':
      return typeof value === 'number' && Number.isFinite(value);
    default:
      return typeof value === type.kind;
  }
}

function isJson(value: unknown): value is ParameterValue {
  if (Array.isArray(value)) return value.every(isJson);
  if (isJsonObject(value)) return Object.values(value).every(isJson);
  return value === null || ['number', 'string', 'boolean'].includes(typeof value);
}

function parseNumber(text: string): number | undefined {
  const plain = text.trim().replace(/(?<=\d)_(?=\d)/g, '');
  if (!/^[+-]?(?:0x[0-9a-f]+|(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)$/i.test(plain)) return undefined;
  const value = Number(plain);
  return Number.isFinite(value) ? value : undefined;
}

function parseJsonText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A list in brackets is JSON; others are separated by commas. */
function parseList(
  type: ParameterType,
  text: string,
  elementAt: (i: number) => ParameterType | undefined,
): ParameterValue | undefined {
  if (text.trim().startsWith('[')) {
    const list = parseJsonText(text);
    if (isOfType(type, list)) return list;
  }
  const parts = text.trim() === '' ? [] : text.split(',');
  const values = parts.map((part, i) => {
    const element = elementAt(i);
    return element && parseValue(element, part.trim());
  });
  return !values.includes(undefined) && isOfType(type, values) ? values : undefined;
}

/** Types that accept many texts are tried after those that accept few. */
const LATE: readonly string[] = ['unknown', 'string'];

/**
 * Reads the text of a command line as a value of a type: numbers as in TypeScript, `true`/`false`, `null`,
 * lists as JSON or separated by commas, objects as JSON, strings as they are.
 * @returns undefined when the text is no such value
 */
export function parseValue(type: ParameterType, text: string): ParameterValue | undefined {
  switch (type.kind) {
    case 'string':
      return text;
    case 'number':
      return parseNumber(text);
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : undefined;
    case 'null':
      return text === 'null' ? null : undefined;
    case 'literal':
      return text === String(type.value) ? type.value : undefined;
    case 'array':
      return parseList(type, text, () => type.element);
    case 'tuple':
      return parseList(type, text, (i) => type.elements[i]);
    case 'unknown':
    case 'object':
    case 'record': {
      const value = parseJsonText(text);
      return isOfType(type, value) ? value : undefined;
    }
    case 'union': {
      const ordered = [...type.members].sort((a, b) => LATE.indexOf(a.kind) - LATE.indexOf(b.kind));
      for (const member of ordered) {
        const value = parseValue(member, text);
        if (value !== undefined) return value;
      }
      return undefined;
    }
  }
}
