/** The types that a notebook parameter may have, and values checked against them. */

/** Type of a parameter. */
export type ParameterType =
  | { readonly kind: 'number' | 'string' | 'boolean' | 'null' }
  | { readonly kind: 'literal'; readonly value: string | number | boolean }
  | { readonly kind: 'array'; readonly element: ParameterType }
  | { readonly kind: 'union'; readonly members: readonly ParameterType[] };

/** A value that a parameter can take: JSON without objects. */
export type ParameterValue = number | string | boolean | null | readonly ParameterValue[];

/** A type as TypeScript writes it. */
export function typeText(type: ParameterType): string {
  switch (type.kind) {
    case 'literal':
      return typeof type.value === 'string' ? `'${type.value}'` : String(type.value);
    case 'array': {
      const element = typeText(type.element);
      return type.element.kind === 'union' ? `(${element})[]` : `${element}[]`;
    }
    case 'union':
      return type.members.map(typeText).join(' | ');
    default:
      return type.kind;
  }
}

/** Whether a value is of a type; numbers must be finite. */
export function isOfType(type: ParameterType, value: unknown): value is ParameterValue {
  switch (type.kind) {
    case 'null':
      return value === null;
    case 'literal':
      return value === type.value;
    case 'array':
      return Array.isArray(value) && value.every((element) => isOfType(type.element, element));
    case 'union':
      return type.members.some((member) => isOfType(member, value));
    case 'number':
      return typeof value === 'number' && Number.isFinite(value);
    default:
      return typeof value === type.kind;
  }
}

function parseNumber(text: string): number | undefined {
  const plain = text.trim().replace(/(?<=\d)_(?=\d)/g, '');
  if (!/^[+-]?(?:0x[0-9a-f]+|(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)$/i.test(plain)) return undefined;
  const value = Number(plain);
  return Number.isFinite(value) ? value : undefined;
}

function parseList(text: string): unknown {
  if (text.trim().startsWith('[')) {
    try {
      return JSON.parse(text);
    } catch {
      return undefined;
    }
  }
  return undefined;
}

/**
 * Reads the text of a command line as a value of a type: numbers as in TypeScript, `true`/`false`, `null`,
 * lists as JSON or separated by commas, strings as they are.
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
    case 'array': {
      const list = parseList(text);
      if (list !== undefined) return isOfType(type, list) ? list : undefined;
      const parts = text.trim() === '' ? [] : text.split(',');
      const values = parts.map((part) => parseValue(type.element, part.trim()));
      return values.includes(undefined) ? undefined : (values as ParameterValue[]);
    }
    case 'union': {
      // A string takes any text, so it is tried last.
      const ordered = [...type.members].sort(
        (a, b) => Number(a.kind === 'string') - Number(b.kind === 'string'),
      );
      for (const member of ordered) {
        const value = parseValue(member, text);
        if (value !== undefined) return value;
      }
      return undefined;
    }
  }
}
