/**
 * A cell's text as the kernel's compiler gets it: syntax that only files have is blanked, so that positions stay.
 * Used by the kernel (`tslab-compiler`) and by `check-types`, so that both accept the same cells.
 */
import type * as TypeScript from 'typescript';

interface Span {
  readonly start: number;
  readonly end: number;
}

const IMPORT_ATTRIBUTES = /^\s*with\s*\{[^{}]*\}/;

/** The word `export` of a declaration, or a whole `export { a, b }`: a cell's names are known to the later ones. */
function exportSpan(
  ts: typeof TypeScript,
  node: TypeScript.Statement,
  file: TypeScript.SourceFile,
): Span | undefined {
  if (ts.isExportDeclaration(node))
    return node.moduleSpecifier ? undefined : { start: node.getStart(file), end: node.end };
  const modifiers = ts.canHaveModifiers(node) ? (ts.getModifiers(node) ?? []) : [];
  const word = modifiers.find(({ kind }) => kind === ts.SyntaxKind.ExportKeyword);
  if (!word || modifiers.some(({ kind }) => kind === ts.SyntaxKind.DefaultKeyword)) return undefined;
  return { start: word.getStart(file), end: word.end };
}

/**
 * Blanks `export` (tslab refuses a second one) and import attributes (`with { type: 'json' }`, which are newer than
 * the kernel's TypeScript and which CommonJS does not need).
 */
export function blankFileWords(ts: typeof TypeScript, source: string): string {
  if (!/\bexport\b|\bwith\b/.test(source)) return source;
  const file = ts.createSourceFile('cell.ts', source, ts.ScriptTarget.Latest, true);
  const spans: Span[] = [];
  for (const statement of file.statements) {
    const span = exportSpan(ts, statement, file);
    if (span) spans.push(span);
    if (ts.isImportDeclaration(statement)) {
      const start = statement.moduleSpecifier.end;
      const attributes = IMPORT_ATTRIBUTES.exec(source.slice(start));
      if (attributes) spans.push({ start, end: start + attributes[0].length });
    }
  }
  return spans.reduce(
    (text, { start, end }) =>
      text.slice(0, start) + text.slice(start, end).replace(/[^\r\n]/g, ' ') + text.slice(end),
    source,
  );
}

/** The names that a declaration binds. */
function boundNames(ts: typeof TypeScript, name: TypeScript.BindingName): string[] {
  if (ts.isIdentifier(name)) return [name.text];
  return name.elements.flatMap((element) =>
    ts.isBindingElement(element) ? boundNames(ts, element.name) : [],
  );
}

/** Variables that a `var` inside a block or a loop declares for the whole text: `if (x) { var a = 1 }`. */
export function hoistedNames(ts: typeof TypeScript, file: TypeScript.SourceFile): Set<string> {
  const names = new Set<string>();
  const visit = (node: TypeScript.Node): void => {
    if (ts.isFunctionLike(node) || ts.isClassLike(node) || ts.isModuleDeclaration(node)) return;
    if (ts.isVariableDeclarationList(node) && !(node.flags & ts.NodeFlags.BlockScoped))
      for (const { name } of node.declarations) boundNames(ts, name).forEach((text) => names.add(text));
    ts.forEachChild(node, visit);
  };
  for (const statement of file.statements) if (!ts.isVariableStatement(statement)) visit(statement);
  return names;
}

/** Names that a text's own statements declare or import, by what they are: `let` and `var` stay assignable. */
export function declaredNames(
  ts: typeof TypeScript,
  file: TypeScript.SourceFile,
): Map<string, 'variable' | 'other'> {
  const names = new Map<string, 'variable' | 'other'>();
  const bind = (name: TypeScript.BindingName, kind: 'variable' | 'other'): void =>
    boundNames(ts, name).forEach((text) => names.set(text, kind));
  for (const name of hoistedNames(ts, file)) names.set(name, 'variable');
  for (const statement of file.statements) {
    if (ts.isVariableStatement(statement)) {
      const { declarations, flags } = statement.declarationList;
      declarations.forEach(({ name }) => bind(name, flags & ts.NodeFlags.Const ? 'other' : 'variable'));
    } else if (ts.isImportDeclaration(statement)) {
      const { name, namedBindings } = statement.importClause ?? {};
      if (name) names.set(name.text, 'other');
      if (namedBindings && ts.isNamespaceImport(namedBindings)) names.set(namedBindings.name.text, 'other');
      else namedBindings?.elements.forEach((element) => names.set(element.name.text, 'other'));
    } else if (ts.isModuleDeclaration(statement)) {
      // Not `declare global`, nor `declare module 'x'`: these add to what is there.
      if (ts.isIdentifier(statement.name) && !(statement.flags & ts.NodeFlags.GlobalAugmentation))
        names.set(statement.name.text, 'other');
    } else if (
      (ts.isFunctionDeclaration(statement) ||
        ts.isClassDeclaration(statement) ||
        ts.isInterfaceDeclaration(statement) ||
        ts.isTypeAliasDeclaration(statement) ||
        ts.isEnumDeclaration(statement)) &&
      statement.name
    )
      names.set(statement.name.text, 'other');
  }
  return names;
}

/**
 * Namespaces and `declare global` of earlier cells, which stock tslab drops after one cell.
 * @param before declarations of the cells before this one
 * @param source the cell: what it declares again is left out
 */
export function keptNamespaces(ts: typeof TypeScript, before: string, source: string): string {
  if (!/\b(?:namespace|module|global)\b/.test(before)) return '';
  const parse = (name: string, text: string): TypeScript.SourceFile =>
    ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true);
  const own = declaredNames(ts, parse('cell.ts', source));
  const file = parse('before.d.ts', before);
  return file.statements
    .filter((statement) => ts.isModuleDeclaration(statement) && !own.has(statement.name.text))
    .map((statement) => `${statement.getText(file)}\n`)
    .join('');
}
