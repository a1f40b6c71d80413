/** Reads the types and literal values in the parameters cell, as far as parameters can have them. */
import type * as TypeScript from 'typescript';
import type { ParameterField, ParameterType, ParameterValue } from './parameter-types';

/** Types that a cell declares, by name. */
export type TypeNames = ReadonlyMap<string, TypeScript.TypeNode | TypeScript.InterfaceDeclaration>;

/** The types that a cell declares. */
export function declaredTypes(ts: typeof TypeScript, file: TypeScript.SourceFile): TypeNames {
  const names = new Map<string, TypeScript.TypeNode | TypeScript.InterfaceDeclaration>();
  for (const statement of file.statements)
    if (ts.isTypeAliasDeclaration(statement)) names.set(statement.name.text, statement.type);
    else if (ts.isInterfaceDeclaration(statement) && !statement.heritageClauses)
      names.set(statement.name.text, statement);
  return names;
}

/** Most nested references between types: a recursive one has no end. */
const MAX_DEPTH = 20;

/**
 * Reads a type. A union loses its member `undefined`, which cannot be given as a value.
 * @returns undefined for a type that JSON cannot express or that only a compiler could resolve
 */
export function readType(
  ts: typeof TypeScript,
  node: TypeScript.TypeNode,
  names: TypeNames,
  depth = 0,
): ParameterType | undefined {
  if (depth > MAX_DEPTH) return undefined;
  const read = (inner: TypeScript.TypeNode): ParameterType | undefined =>
    readType(ts, inner, names, depth + 1);
  switch (node.kind) {
    case ts.SyntaxKind.NumberKeyword:
      return { kind: 'number' };
    case ts.SyntaxKind.StringKeyword:
      return { kind: 'string' };
    case ts.SyntaxKind.BooleanKeyword:
      return { kind: 'boolean' };
    case ts.SyntaxKind.UnknownKeyword:
    case ts.SyntaxKind.AnyKeyword:
      return { kind: 'unknown' };
  }
  if (ts.isParenthesizedTypeNode(node) || ts.isNamedTupleMember(node)) return read(node.type);
  if (ts.isTypeOperatorNode(node) && node.operator === ts.SyntaxKind.ReadonlyKeyword) return read(node.type);
  if (ts.isLiteralTypeNode(node)) {
    if (node.literal.kind === ts.SyntaxKind.NullKeyword) return { kind: 'null' };
    const value = literalValue(ts, node.literal);
    return value === undefined || typeof value === 'object' ? undefined : { kind: 'literal', value };
  }
  const listOf = (element: TypeScript.TypeNode): ParameterType | undefined => {
    const type = read(element);
    return type && { kind: 'array', element: type };
  };
  if (ts.isArrayTypeNode(node)) return listOf(node.elementType);
  if (ts.isTupleTypeNode(node)) {
    const elements = node.elements.map(read);
    return whole(elements) ? { kind: 'tuple', elements } : undefined;
  }
  if (ts.isUnionTypeNode(node)) {
    const members = node.types.filter(({ kind }) => kind !== ts.SyntaxKind.UndefinedKeyword).map(read);
    if (!whole(members)) return undefined;
    return members.length === 1 ? members[0] : { kind: 'union', members };
  }
  if (ts.isTypeLiteralNode(node)) return readMembers(ts, node.members, read);
  if (!ts.isTypeReferenceNode(node) || !ts.isIdentifier(node.typeName)) return undefined;
  const { text: name } = node.typeName;
  const [first, second] = node.typeArguments ?? [];
  const declared = names.get(name);
  if (declared && ts.isInterfaceDeclaration(declared)) return readMembers(ts, declared.members, read);
  if (declared) return read(declared);
  if (first === undefined) return undefined;
  if (name === 'Array' || name === 'ReadonlyArray') return listOf(first);
  if (name === 'Readonly' || name === 'Required' || name === 'Partial') {
    const type = read(first);
    if (type?.kind !== 'object' || name === 'Readonly') return type;
    const isOptional = name === 'Partial';
    return { kind: 'object', fields: type.fields.map((field) => ({ ...field, isOptional })) };
  }
  return name === 'Record' && second !== undefined ? recordOf(read(first), read(second)) : undefined;
}

const whole = <T>(list: (T | undefined)[]): list is T[] => list.every((one) => one !== undefined);

function recordOf(
  key: ParameterType | undefined,
  value: ParameterType | undefined,
): ParameterType | undefined {
  if (!key || !value) return undefined;
  if (key.kind === 'string') return { kind: 'record', value };
  const names = (key.kind === 'union' ? key.members : [key]).map((one) =>
    one.kind === 'literal' ? String(one.value) : undefined,
  );
  if (!whole(names)) return undefined;
  return { kind: 'object', fields: names.map((name) => ({ name, type: value, isOptional: false })) };
}

function nameOf(ts: typeof TypeScript, name: TypeScript.PropertyName | undefined): string | undefined {
  return name && (ts.isIdentifier(name) || ts.isStringLiteral(name) || ts.isNumericLiteral(name))
    ? name.text
    : undefined;
}

function readMembers(
  ts: typeof TypeScript,
  members: readonly TypeScript.TypeElement[],
  read: (node: TypeScript.TypeNode) => ParameterType | undefined,
): ParameterType | undefined {
  const [only] = members;
  if (members.length === 1 && ts.isIndexSignatureDeclaration(only))
    return recordOf({ kind: 'string' }, read(only.type));
  const fields = members.map((member): ParameterField | undefined => {
    const name = nameOf(ts, member.name);
    const type = ts.isPropertySignature(member) && member.type ? read(member.type) : undefined;
    return name === undefined || !type
      ? undefined
      : { name, type, isOptional: member.questionToken !== undefined };
  });
  return whole(fields) ? { kind: 'object', fields } : undefined;
}

/** The value of a literal expression, objects and lists of literals included; undefined for anything computed. */
export function literalValue(ts: typeof TypeScript, node: TypeScript.Node): ParameterValue | undefined {
  if (ts.isAsExpression(node) || ts.isSatisfiesExpression(node) || ts.isParenthesizedExpression(node))
    return literalValue(ts, node.expression);
  if (ts.isNumericLiteral(node)) return Number(node.text);
  if (ts.isStringLiteralLike(node)) return node.text;
  if (node.kind === ts.SyntaxKind.TrueKeyword) return true;
  if (node.kind === ts.SyntaxKind.FalseKeyword) return false;
  if (node.kind === ts.SyntaxKind.NullKeyword) return null;
  if (ts.isPrefixUnaryExpression(node) && ts.isNumericLiteral(node.operand)) {
    const value = Number(node.operand.text);
    if (node.operator === ts.SyntaxKind.MinusToken) return -value;
    if (node.operator === ts.SyntaxKind.PlusToken) return value;
  }
  if (ts.isArrayLiteralExpression(node)) {
    const values = node.elements.map((element) => literalValue(ts, element));
    return whole(values) ? values : undefined;
  }
  if (ts.isObjectLiteralExpression(node)) {
    const members = node.properties.map((member): [string, ParameterValue] | undefined => {
      const name = nameOf(ts, member.name);
      const value = ts.isPropertyAssignment(member) ? literalValue(ts, member.initializer) : undefined;
      return name === undefined || value === undefined ? undefined : [name, value];
    });
    return whole(members) ? Object.fromEntries(members) : undefined;
  }
  return undefined;
}

/** The type inferred from a default; undefined for `null` and for an empty list. */
export function typeOfValue(value: ParameterValue): ParameterType | undefined {
  if (value === null) return undefined;
  if (typeof value !== 'object') return { kind: typeof value as 'number' | 'string' | 'boolean' };
  if (isList(value)) {
    const types = value.map((element) =>
      element === null ? { kind: 'null' as const } : typeOfValue(element),
    );
    if (types.length === 0 || !whole(types)) return undefined;
    const members = types.filter((type, i) => types.findIndex((other) => isSame(type, other)) === i);
    return { kind: 'array', element: members.length === 1 ? members[0] : { kind: 'union', members } };
  }
  const fields = Object.entries(value).map(([name, member]): ParameterField | undefined => {
    const type = typeOfValue(member);
    return type && { name, type, isOptional: false };
  });
  return whole(fields) ? { kind: 'object', fields } : undefined;
}

const isList = (value: object): value is readonly ParameterValue[] => Array.isArray(value);
const isSame = (a: ParameterType, b: ParameterType): boolean => JSON.stringify(a) === JSON.stringify(b);

/** The type of an expression where it is evident: arithmetic, templates, `a ?? 'b'`. */
export function typeOfComputed(
  ts: typeof TypeScript,
  node: TypeScript.Expression,
): ParameterType | undefined {
  if (ts.isParenthesizedExpression(node)) return typeOfComputed(ts, node.expression);
  if (ts.isTemplateExpression(node)) return { kind: 'string' };
  const value = literalValue(ts, node);
  if (value !== undefined) return typeOfValue(value);
  if (!ts.isBinaryExpression(node)) return undefined;
  const [left, right] = [typeOfComputed(ts, node.left), typeOfComputed(ts, node.right)];
  const { SyntaxKind } = ts;
  switch (node.operatorToken.kind) {
    case SyntaxKind.PlusToken:
      if (left?.kind === 'string' || right?.kind === 'string') return { kind: 'string' };
      return left?.kind === 'number' && right?.kind === 'number' ? left : undefined;
    case SyntaxKind.MinusToken:
    case SyntaxKind.AsteriskToken:
    case SyntaxKind.AsteriskAsteriskToken:
    case SyntaxKind.SlashToken:
    case SyntaxKind.PercentToken:
      return left?.kind === 'number' && right?.kind === 'number' ? left : undefined;
    case SyntaxKind.QuestionQuestionToken:
    case SyntaxKind.BarBarToken:
      // Environment variables are strings.
      return right?.kind === 'string' && isEnvironment(node.left) ? right : undefined;
    default:
      return undefined;
  }
}

const isEnvironment = (node: TypeScript.Expression): boolean =>
  /^process\.env(?:\.[\w$]+|\[(['"])[^'"]*\1\])$/.test(node.getText());
