/**
 * A notebook's parameters: the typed constants of the cell tagged `parameters`, read with the TypeScript
 * compiler; values for them are checked before anything runs and injected as data, never as code.
 */
import type * as TypeScript from 'typescript';
import { TunebookError } from '../../types';
import { loadTypescript } from '../typescript/load-typescript';
import { cellSource, cellTags, makeCell } from '../format/nbformat';
import type { Notebook } from '../format/nbformat';
import { isOfType, parseValue, typeText } from './parameter-types';
import type { ParameterType, ParameterValue } from './parameter-types';

/** One parameter of a notebook. */
export interface Parameter {
  readonly name: string;
  readonly type: ParameterType;
  /** The type as it stands in the cell, or as it follows from the default. */
  readonly typeText: string;
  /** The default as it stands in the cell. */
  readonly defaultText: string;
  readonly defaultValue: ParameterValue;
  /** The comment on its line or above it: meaning and unit. */
  readonly comment: string;
  readonly keyword: 'const' | 'let';
  /** Whether the cell declares the type. */
  readonly typed: boolean;
}

/** A constant of the parameters cell that is computed from parameters. */
interface Derived {
  readonly name: string;
  readonly text: string;
  readonly uses: ReadonlySet<string>;
}

/** What the parameters cell declares. */
export interface ParameterCell {
  readonly parameters: readonly Parameter[];
  readonly derived: readonly Derived[];
}

function readType(
  ts: typeof TypeScript,
  node: TypeScript.TypeNode,
  aliases: ReadonlyMap<string, TypeScript.TypeNode>,
): ParameterType | undefined {
  const read = (inner: TypeScript.TypeNode): ParameterType | undefined => readType(ts, inner, aliases);
  switch (node.kind) {
    case ts.SyntaxKind.NumberKeyword:
      return { kind: 'number' };
    case ts.SyntaxKind.StringKeyword:
      return { kind: 'string' };
    case ts.SyntaxKind.BooleanKeyword:
      return { kind: 'boolean' };
  }
  if (ts.isParenthesizedTypeNode(node)) return read(node.type);
  if (ts.isTypeOperatorNode(node) && node.operator === ts.SyntaxKind.ReadonlyKeyword) return read(node.type);
  if (ts.isLiteralTypeNode(node)) {
    if (node.literal.kind === ts.SyntaxKind.NullKeyword) return { kind: 'null' };
    const value = literalValue(ts, node.literal);
    return value === undefined || value === null || Array.isArray(value)
      ? undefined
      : { kind: 'literal', value: value as string | number | boolean };
  }
  const listOf = (element: TypeScript.TypeNode): ParameterType | undefined => {
    const type = read(element);
    return type && { kind: 'array', element: type };
  };
  if (ts.isArrayTypeNode(node)) return listOf(node.elementType);
  if (ts.isUnionTypeNode(node)) {
    const members = node.types.map(read);
    return members.includes(undefined) ? undefined : { kind: 'union', members: members as ParameterType[] };
  }
  if (ts.isTypeReferenceNode(node) && ts.isIdentifier(node.typeName)) {
    const name = node.typeName.text;
    if ((name === 'Array' || name === 'ReadonlyArray') && node.typeArguments?.length === 1)
      return listOf(node.typeArguments[0]);
    const alias = aliases.get(name);
    return alias ? read(alias) : undefined;
  }
  return undefined;
}

/** The value of a literal expression; undefined for anything that is computed. */
function literalValue(ts: typeof TypeScript, node: TypeScript.Node): ParameterValue | undefined {
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
    return values.includes(undefined) ? undefined : (values as ParameterValue[]);
  }
  return undefined;
}

function typeOfValue(value: ParameterValue): ParameterType | undefined {
  if (value === null) return undefined;
  if (typeof value !== 'object') return { kind: typeof value as 'number' | 'string' | 'boolean' };
  const kinds = new Set(value.map((element) => (element === null ? 'null' : typeof element)));
  const [kind] = kinds;
  if (kinds.size !== 1 || kind === 'object') return undefined;
  return { kind: 'array', element: { kind: kind as 'number' } };
}

function commentOf(ts: typeof TypeScript, text: string, statement: TypeScript.Node): string {
  const ranges = [
    ...(ts.getTrailingCommentRanges(text, statement.end) ?? []),
    ...(ts.getLeadingCommentRanges(text, statement.pos) ?? []).slice(-1),
  ];
  const [first] = ranges;
  if (!first) return '';
  return text
    .slice(first.pos, first.end)
    .replace(/^\/\*+|\*+\/$|^\/\/+/g, '')
    .replace(/\n\s*\*/g, ' ')
    .trim();
}

/** Reads the declarations of a parameters cell. */
export function readParameterCell(source: string): ParameterCell {
  const ts = loadTypescript();
  const file = ts.createSourceFile('parameters.ts', source, ts.ScriptTarget.Latest, true);
  const aliases = new Map<string, TypeScript.TypeNode>();
  for (const statement of file.statements)
    if (ts.isTypeAliasDeclaration(statement)) aliases.set(statement.name.text, statement.type);
  const parameters: Parameter[] = [];
  const derived: Derived[] = [];
  for (const statement of file.statements) {
    if (!ts.isVariableStatement(statement)) continue;
    const keyword = statement.declarationList.flags & ts.NodeFlags.Const ? 'const' : 'let';
    for (const declaration of statement.declarationList.declarations) {
      if (!ts.isIdentifier(declaration.name) || !declaration.initializer) continue;
      const name = declaration.name.text;
      const value = literalValue(ts, declaration.initializer);
      const type = declaration.type
        ? readType(ts, declaration.type, aliases)
        : value === undefined
          ? undefined
          : typeOfValue(value);
      if (value === undefined || !type) {
        const uses = new Set<string>();
        const visit = (node: TypeScript.Node): void => {
          if (ts.isIdentifier(node)) uses.add(node.text);
          ts.forEachChild(node, visit);
        };
        visit(declaration.initializer);
        derived.push({ name, text: `${keyword} ${declaration.getText(file)};`, uses });
        continue;
      }
      parameters.push({
        name,
        type,
        typeText: declaration.type?.getText(file) ?? typeText(type),
        defaultText: declaration.initializer.getText(file),
        defaultValue: value,
        comment: commentOf(ts, source, statement),
        keyword,
        typed: declaration.type !== undefined,
      });
    }
  }
  return { parameters, derived };
}

/** Where a notebook's parameters stand; -1 when no cell is tagged `parameters`. */
export function parameterCellIndex(notebook: Notebook): number {
  return notebook.cells.findIndex(
    (cell) => cell.cell_type === 'code' && cellTags(cell).includes('parameters'),
  );
}

/** The parameters of a notebook, in the order of the cell. */
export function notebookParameters(notebook: Notebook): readonly Parameter[] {
  const at = parameterCellIndex(notebook);
  return at < 0 ? [] : readParameterCell(cellSource(notebook.cells[at])).parameters;
}

/** One line for each parameter: name, type, default, comment. */
export function describeParameters(parameters: readonly Parameter[]): string {
  if (parameters.length === 0) return 'The notebook has no parameters (no cell is tagged "parameters").';
  const lines = parameters.map(({ name, typeText: type, defaultText, comment }) => {
    return `  ${name}: ${type} = ${defaultText}${comment === '' ? '' : `   // ${comment}`}`;
  });
  return `The notebook's parameters:\n${lines.join('\n')}`;
}

/** Values as they are given: texts of a command line, or values of a file or a program. */
export type GivenParameters = Readonly<Record<string, unknown>>;

/**
 * Checks given values against the parameters.
 * @param asText whether the values are texts of a command line, to be read by type
 * @throws TunebookError that lists every unknown or ill-typed parameter and what there is
 */
export function checkParameters(
  parameters: readonly Parameter[],
  given: GivenParameters,
  asText: boolean,
): Record<string, ParameterValue> {
  const values: Record<string, ParameterValue> = {};
  const problems: string[] = [];
  for (const [name, value] of Object.entries(given)) {
    const parameter = parameters.find((candidate) => candidate.name === name);
    if (!parameter) {
      problems.push(`there is no parameter "${name}"`);
      continue;
    }
    const parsed =
      asText && typeof value === 'string'
        ? parseValue(parameter.type, value)
        : isOfType(parameter.type, value)
          ? value
          : undefined;
    if (parsed === undefined) {
      const shown = typeof value === 'string' ? value : JSON.stringify(value);
      const type = typeText(parameter.type);
      problems.push(`${name}: expected ${type}, got ${shown === undefined ? String(value) : shown}`);
    } else {
      values[name] = parsed;
    }
  }
  if (problems.length > 0)
    throw new TunebookError(`parameters: ${problems.join('; ')}.\n${describeParameters(parameters)}`);
  return values;
}

/** A value as TypeScript: JSON, but for the two characters that end a line in TypeScript and not in JSON. */
function literalText(value: ParameterValue): string {
  return JSON.stringify(value).replace(/[\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16)}`);
}

/** The source of the cell that overrides parameters; constants computed from them are computed again. */
export function injectedSource(
  cell: ParameterCell,
  values: Readonly<Record<string, ParameterValue>>,
): string {
  const changed = new Set(Object.keys(values));
  const lines = cell.parameters
    .filter(({ name }) => changed.has(name))
    .map(
      ({ keyword, name, typeText: type }) => `${keyword} ${name}: ${type} = ${literalText(values[name])};`,
    );
  for (const { name, text, uses } of cell.derived) {
    if (![...uses].some((used) => changed.has(used))) continue;
    changed.add(name);
    lines.push(text);
  }
  return ['// Injected by tunebook', ...lines].join('\n');
}

/**
 * A copy of the notebook with the values injected in a cell after the parameters; that of an earlier run is replaced.
 * @throws TunebookError when there are values and no parameters cell
 */
export function injectParameters(
  notebook: Notebook,
  values: Readonly<Record<string, ParameterValue>>,
): Notebook {
  const cells = notebook.cells.filter((cell) => !cellTags(cell).includes('injected-parameters'));
  const copy: Notebook = { ...notebook, cells };
  if (Object.keys(values).length === 0) return copy;
  const at = parameterCellIndex(copy);
  if (at < 0) throw new TunebookError('parameters: no cell of the notebook is tagged "parameters"');
  const source = injectedSource(readParameterCell(cellSource(cells[at])), values);
  const injected = makeCell('code', source, ['injected-parameters']);
  return { ...copy, cells: [...cells.slice(0, at + 1), injected, ...cells.slice(at + 1)] };
}
