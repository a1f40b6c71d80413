/** Parses the cell tagged `parameters` with the TypeScript compiler: each constant is a parameter. */
import type * as TypeScript from 'typescript';
import { identifiersIn } from '../typescript/cell-names';
import { loadTypescript } from '../typescript/load-typescript';
import { declaredTypes, literalValue, readType, typeOfComputed, typeOfValue } from './declared-types';
import { typeText } from './parameter-types';
import type { ParameterType, ParameterValue } from './parameter-types';

/** One parameter of a notebook. */
export interface Parameter {
  readonly name: string;
  readonly type: ParameterType;
  /** The type as written in the cell, or as inferred from the default. */
  readonly typeText: string;
  /** The default as written in the cell; '' for none. */
  readonly defaultText: string;
  /** undefined if the cell computes it or there is none. */
  readonly defaultValue: ParameterValue | undefined;
  /** The comment on its line or above: meaning and unit. */
  readonly comment: string;
  readonly keyword: 'const' | 'let';
  /** Whether the cell declares the type. */
  readonly typed: boolean;
}

/** A name of the parameters cell that cannot be set. */
export interface FixedParameter {
  readonly name: string;
  /** Why not, and what to write instead. */
  readonly reason: string;
}

/** A computed constant of the parameters cell. */
export interface Derived {
  readonly name: string;
  readonly text: string;
  readonly uses: ReadonlySet<string>;
}

/** The declarations of a parameters cell. */
export interface ParameterCell {
  readonly parameters: readonly Parameter[];
  readonly derived: readonly Derived[];
  readonly fixed: readonly FixedParameter[];
}

const SETTABLE =
  'expected numbers, strings, booleans, null, literals, lists, tuples, objects, records, or unions of them';

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

/** Other names that a statement declares (functions, classes, ...), each with the reason why it cannot be set. */
function otherNames(ts: typeof TypeScript, statement: TypeScript.Statement): FixedParameter[] {
  const named = (name: TypeScript.Identifier | undefined, what: string): FixedParameter[] =>
    name ? [{ name: name.text, reason: `it is ${what}` }] : [];
  if (ts.isFunctionDeclaration(statement)) return named(statement.name, 'a function');
  if (ts.isClassDeclaration(statement)) return named(statement.name, 'a class');
  if (ts.isEnumDeclaration(statement)) return named(statement.name, 'an enum');
  if (!ts.isImportDeclaration(statement)) return [];
  return [...identifiersIn(ts, statement)].map((name) => ({ name, reason: 'it is imported' }));
}

/** Reads the declarations of a parameters cell. */
export function readParameterCell(source: string): ParameterCell {
  const ts = loadTypescript();
  const file = ts.createSourceFile('parameters.ts', source, ts.ScriptTarget.Latest, true);
  const types = declaredTypes(ts, file);
  const parameters: Parameter[] = [];
  const derived: Derived[] = [];
  const fixed: FixedParameter[] = [];
  const declared = new Set<string>();
  for (const statement of file.statements) {
    if (!ts.isVariableStatement(statement)) {
      fixed.push(...otherNames(ts, statement));
      continue;
    }
    const keyword = statement.declarationList.flags & ts.NodeFlags.Const ? 'const' : 'let';
    for (const { name: binding, type: node, initializer } of statement.declarationList.declarations) {
      if (!ts.isIdentifier(binding)) {
        const reason = `it is taken out of ${initializer?.getText(file) ?? 'a value'}; write a constant of its own`;
        for (const name of identifiersIn(ts, binding)) fixed.push({ name, reason });
        continue;
      }
      const { text: name } = binding;
      const value = initializer && literalValue(ts, initializer);
      const uses = initializer ? identifiersIn(ts, initializer) : new Set<string>();
      const from = [...uses].filter((used) => declared.has(used));
      declared.add(name);
      if (initializer && value === undefined) {
        const { parent } = initializer;
        derived.push({ name, text: `${keyword} ${parent.getText(file)};`, uses });
      }
      const inferred = (): ParameterType | undefined =>
        value === undefined ? initializer && typeOfComputed(ts, initializer) : typeOfValue(value);
      const type = node ? readType(ts, node, types) : inferred();
      if (type) {
        parameters.push({
          name,
          type,
          typeText: node?.getText(file) ?? typeText(type),
          defaultText: initializer?.getText(file) ?? '',
          defaultValue: value,
          comment: commentOf(ts, source, statement),
          keyword,
          typed: node !== undefined,
        });
      } else fixed.push({ name, reason: reasonOf({ name, node, initializer, from, keyword }) });
    }
  }
  return { parameters, derived, fixed };
}

/** Why a constant cannot be set. */
function reasonOf(declaration: {
  readonly name: string;
  readonly node: TypeScript.TypeNode | undefined;
  readonly initializer: TypeScript.Expression | undefined;
  /** The cell's own names that it is derived from. */
  readonly from: readonly string[];
  readonly keyword: string;
}): string {
  const { name, node, initializer, from, keyword } = declaration;
  if (node) return `no value can be given for its type ${node.getText()}: ${SETTABLE}`;
  const declare = `declare it in the cell: \`${keyword} ${name}: TYPE${initializer ? ' = …' : ''}\``;
  if (!initializer) return `it has no type; ${declare}`;
  if (from.length > 0) return `it is computed from ${from.join(', ')}; set that, or ${declare}`;
  return `its type does not follow from ${initializer.getText()}; ${declare}`;
}
