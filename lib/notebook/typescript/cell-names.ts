/** The names that cells declare, use and change: what `resume` reads from them to know which cell needs which. */
import type * as TypeScript from 'typescript';

/** The names of one cell. */
export interface CellNames {
  readonly declared: ReadonlySet<string>;
  /** Declared names whose value a later cell may change: not functions, classes, types or constant literals. */
  readonly changeable: ReadonlySet<string>;
  readonly used: ReadonlySet<string>;
  readonly imports: ReadonlySet<string>;
  /** What the cell changes that is no name of a cell: `process.env`, a setting of a library; undefined for nothing. */
  readonly changes: string | undefined;
}

/** Calls whose result nobody takes and whose name says that they set something: `setSeed(1)`, `tf.setBackend('cpu')`. */
const SETTING_CALL = /^(?:set|seed|use|register|config|init|enable|disable|patch|chdir|loadEnv)/i;

/** Set something too, but end with the kernel that they ran in. */
const TIMERS = new Set(['setTimeout', 'setInterval', 'setImmediate']);

function isFixed(ts: typeof TypeScript, node: TypeScript.Node): boolean {
  if (!ts.isVariableDeclaration(node)) return true;
  const { initializer, parent } = node;
  if (!initializer || !(parent.flags & ts.NodeFlags.Const)) return false;
  return (
    ts.isArrowFunction(initializer) ||
    ts.isFunctionExpression(initializer) ||
    ts.isLiteralExpression(initializer) ||
    ts.isTemplateExpression(initializer) ||
    [ts.SyntaxKind.TrueKeyword, ts.SyntaxKind.FalseKeyword, ts.SyntaxKind.NullKeyword].includes(
      initializer.kind,
    )
  );
}

/** The name that `a`, `a.b` or `a[0].c` starts with. */
function rootName(ts: typeof TypeScript, node: TypeScript.Expression): string | undefined {
  if (ts.isIdentifier(node)) return node.text;
  if (ts.isPropertyAccessExpression(node) || ts.isElementAccessExpression(node))
    return rootName(ts, node.expression);
  return undefined;
}

/** What an expression changes outside of the cells' own names, undefined for nothing. */
function outsideChange(
  ts: typeof TypeScript,
  node: TypeScript.Node,
  owned: ReadonlySet<string>,
): string | undefined {
  const foreign = (target: TypeScript.Expression): string | undefined => {
    const name = rootName(ts, target);
    return name !== undefined && !ts.isIdentifier(target) && !owned.has(name) ? target.getText() : undefined;
  };
  const { FirstAssignment, LastAssignment } = ts.SyntaxKind;
  if (ts.isBinaryExpression(node)) {
    const { kind } = node.operatorToken;
    return kind >= FirstAssignment && kind <= LastAssignment ? foreign(node.left) : undefined;
  }
  if (ts.isDeleteExpression(node)) return foreign(node.expression);
  if (!ts.isExpressionStatement(node)) return undefined;
  const call = ts.isAwaitExpression(node.expression) ? node.expression.expression : node.expression;
  if (!ts.isCallExpression(call)) return undefined;
  const name = rootName(ts, call.expression);
  if (name === undefined || owned.has(name)) return undefined;
  const last = ts.isPropertyAccessExpression(call.expression) ? call.expression.name.text : name;
  return SETTING_CALL.test(last) && !TIMERS.has(last) ? call.expression.getText() : undefined;
}

function names(ts: typeof TypeScript, file: TypeScript.SourceFile, owned: ReadonlySet<string>): CellNames {
  const declared = new Set<string>();
  const changeable = new Set<string>();
  const used = new Set<string>();
  const imports = new Set<string>();
  let changes: string | undefined;
  const visit = (node: TypeScript.Node, top: boolean): void => {
    changes ??= outsideChange(ts, node, owned);
    if (ts.isImportDeclaration(node)) {
      const { name, namedBindings } = node.importClause ?? {};
      if (name) imports.add(name.text);
      if (namedBindings && ts.isNamespaceImport(namedBindings)) imports.add(namedBindings.name.text);
      else namedBindings?.elements.forEach((element) => imports.add(element.name.text));
      return;
    }
    if (ts.isIdentifier(node)) used.add(node.text);
    const inside =
      ts.isSourceFile(node) || ts.isVariableStatement(node) || ts.isVariableDeclarationList(node);
    if (top && !ts.isSourceFile(node)) {
      const bind = (name: TypeScript.Node): void => {
        if (ts.isIdentifier(name)) {
          declared.add(name.text);
          if (!isFixed(ts, node)) changeable.add(name.text);
        }
        if (ts.isObjectBindingPattern(name) || ts.isArrayBindingPattern(name))
          name.elements.forEach((element) => ts.isBindingElement(element) && bind(element.name));
      };
      const { name } = node as Partial<TypeScript.NamedDeclaration>;
      if (name) bind(name);
    }
    ts.forEachChild(node, (child) => visit(child, top && inside));
  };
  visit(file, true);
  return { declared, changeable, used, imports, changes };
}

/** Every name that code declares, in its functions too; what it imports is not its own. */
function ownNames(ts: typeof TypeScript, node: TypeScript.Node): string[] {
  const { name } = node as Partial<TypeScript.NamedDeclaration>;
  const declares =
    ts.isVariableDeclaration(node) ||
    ts.isParameter(node) ||
    ts.isBindingElement(node) ||
    ts.isFunctionLike(node) ||
    ts.isClassLike(node);
  const found = declares && name && ts.isIdentifier(name) ? [name.text] : [];
  ts.forEachChild(node, (child) => {
    found.push(...ownNames(ts, child));
  });
  return found;
}

/** The names of a notebook's cells, cell by cell. */
export function namesOfCells(ts: typeof TypeScript, sources: readonly string[]): CellNames[] {
  const files = sources.map((source) => ts.createSourceFile('cell.ts', source, ts.ScriptTarget.Latest, true));
  const owned = new Set(files.flatMap((file) => ownNames(ts, file)));
  return files.map((file) => names(ts, file, owned));
}

/** Every identifier of a node and below it. */
export function identifiersIn(ts: typeof TypeScript, node: TypeScript.Node): Set<string> {
  const names = new Set<string>();
  const visit = (inner: TypeScript.Node): void => {
    if (ts.isIdentifier(inner)) names.add(inner.text);
    ts.forEachChild(inner, visit);
  };
  visit(node);
  return names;
}
