/**
 * What stays of a cell that failed. Stock tslab drops a failed cell's declarations, though the values set before the
 * failure exist. Here they stay usable, and a name that was not reached keeps its earlier value. Works on tslab's own
 * form: declarations as text (a .d.ts), values as properties of one object.
 */
import type * as TypeScript from '@tslab/typescript-for-tslab';

/** A cell as it was compiled, before it runs. */
export interface CompiledText {
  /** Declarations of the cells before it. */
  readonly before: string;
  /** Declarations that there are once it has run. */
  readonly after: string;
  /** Its JavaScript, with TypeScript's `exports.a = exports.b = void 0` at its head. */
  readonly output: string;
}

type Values = Record<string, unknown>;

/** Values that the cell sets, in the order of its JavaScript. */
function ownNames(output: string): string[] {
  const heads = output.match(/^(?:exports\.[^\s=]+ = )+void 0;$/gm) ?? [];
  return heads.flatMap((line) => [...line.matchAll(/exports\.([^\s=]+) = /g)].map(([, name]) => name));
}

function namesOf(ts: typeof TypeScript, statement: TypeScript.Statement): string[] {
  if (ts.isImportDeclaration(statement)) {
    const { name, namedBindings } = statement.importClause ?? {};
    const named = !namedBindings
      ? []
      : ts.isNamespaceImport(namedBindings)
        ? [namedBindings.name]
        : namedBindings.elements.map((element) => element.name);
    return [...(name ? [name] : []), ...named].map(({ text }) => text);
  }
  if (
    ts.isFunctionDeclaration(statement) ||
    ts.isClassDeclaration(statement) ||
    ts.isEnumDeclaration(statement) ||
    ts.isModuleDeclaration(statement)
  )
    return statement.name ? [statement.name.text] : [];
  return [];
}

/** The declarations of values whose name is wanted; types on request. */
function pick(
  ts: typeof TypeScript,
  declarations: string,
  wanted: (name: string) => boolean,
  types: boolean,
): string {
  const file = ts.createSourceFile('failed.d.ts', declarations, ts.ScriptTarget.Latest, true);
  const picked = file.statements.map((statement) => {
    if (ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement))
      return types ? statement.getText(file) : '';
    if (ts.isVariableStatement(statement)) {
      const all = statement.declarationList.declarations;
      const some = all.filter(({ name }) => wanted(name.getText(file))).map((node) => node.getText(file));
      const head = declarations.slice(statement.getStart(file), all[0].getStart(file));
      return some.length === 0 ? '' : `${head}${some.join(', ')};`;
    }
    const names = namesOf(ts, statement);
    if (names.length === 0) return types ? statement.getText(file) : '';
    return names.every(wanted) ? statement.getText(file) : '';
  });
  return picked
    .filter((text) => text !== '')
    .map((text) => `${text}\n`)
    .join('');
}

/**
 * Remembers the values that a cell may overwrite; to be called before it runs.
 * @param values the cells' values
 * @returns what to call if it fails: names that were not reached get their earlier values back, and the answer is
 * what is declared from then on
 */
export function prepareFailure(ts: typeof TypeScript, values: Values, cell: CompiledText): () => string {
  const earlier = new Map(ownNames(cell.output).map((name) => [name, values[name]]));
  return () => {
    const missed = [...earlier.keys()].filter((name) => values[name] === undefined);
    for (const name of missed) {
      const value = earlier.get(name);
      if (value === undefined) delete values[name];
      else values[name] = value;
    }
    const lost = new Set(missed);
    return (
      pick(ts, cell.after, (name) => !lost.has(name), true) +
      pick(ts, cell.before, (name) => lost.has(name), false)
    );
  };
}
