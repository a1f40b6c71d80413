/**
 * Going on after a failed run. The kernel's memory is gone, so the cells that the rest depends on run again, and
 * the others keep their saved outputs: what depends on what is read from the names that cells declare and use.
 */
import type * as TypeScript from 'typescript';
import { TunebookError } from '../types';
import { loadTypescript } from './load-typescript';
import { cellSource, cellTags, type Notebook, type NotebookCell } from './nbformat';
import type { CellResult } from './runner';

/** Which cells of the new run are left out, and why the others are not. */
export interface ResumePlan {
  /** Cells that were done and that nothing below needs; their outputs are filled in. */
  readonly skip: ReadonlySet<NotebookCell>;
  /** One line for each done cell that runs again, and one for where the run goes on. */
  readonly notes: readonly string[];
}

interface CellNames {
  readonly declared: Set<string>;
  /** Declared names whose value a later cell may change: not functions, classes, types or constant literals. */
  readonly changeable: Set<string>;
  readonly used: Set<string>;
  readonly imports: Set<string>;
}

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

function names(ts: typeof TypeScript, source: string): CellNames {
  const file = ts.createSourceFile('cell.ts', source, ts.ScriptTarget.Latest, true);
  const declared = new Set<string>();
  const changeable = new Set<string>();
  const used = new Set<string>();
  const imports = new Set<string>();
  const visit = (node: TypeScript.Node, top: boolean): void => {
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
  return { declared, changeable, used, imports };
}

const runs = (cell: NotebookCell): boolean =>
  cell.cell_type === 'code' && cellSource(cell).trim() !== '' && !cellTags(cell).includes('skip-execution');

/**
 * Plans how a run goes on.
 * @param previous the notebook that the failed run left
 * @param next the prepared notebook of the new run; skipped cells get their earlier outputs
 * @throws TunebookError where going on is not possible: no failed run, other cells, other parameters
 */
export function planResume(previous: Notebook, next: Notebook): ResumePlan {
  const record = previous.metadata.tunebook as { cells?: CellResult[]; partial?: boolean } | undefined;
  if (!record?.cells)
    throw new TunebookError('resume: the output is of no run of tunebook; run without --resume');
  if (record.partial)
    throw new TunebookError(
      'resume: the earlier run was of a part of the notebook (--from, --until); run without --resume',
    );
  const firstBad = record.cells.findIndex(({ status }) => status !== 'ok');
  const done = firstBad < 0 ? record.cells.length : firstBad;
  const before = previous.cells.filter(runs);
  const after = next.cells.filter(runs);
  if (done >= after.length)
    throw new TunebookError('resume: the earlier run went through to its end; nothing is left to run');
  for (let i = 0; i < done; i++) {
    if (before[i] !== undefined && cellSource(before[i]) === cellSource(after[i])) continue;
    throw new TunebookError(
      `resume: code cell ${i + 1} was done, and is now another (changed cells or parameters); run without --resume`,
    );
  }
  const ts = loadTypescript();
  const parts = after.map((cell) => names(ts, cellSource(cell)));
  const needed = new Set(parts.slice(done).flatMap(({ used }) => [...used]));
  const again = new Map<number, string>();
  // Upwards until nothing changes: a cell that names what is needed may also change it.
  for (let changed = true; changed;) {
    changed = false;
    for (let i = done - 1; i >= 0; i--) {
      if (again.has(i)) continue;
      const { declared, used, imports } = parts[i];
      const shared = parts.slice(0, i).flatMap((part) => [...part.changeable]);
      const because =
        [...declared, ...imports].find((name) => needed.has(name)) ??
        [...used].find((name) => needed.has(name) && shared.includes(name));
      if (because === undefined) continue;
      again.set(i, because);
      used.forEach((name) => needed.add(name));
      changed = true;
    }
  }
  const skip = new Set<NotebookCell>();
  for (let i = 0; i < done; i++) {
    if (again.has(i)) continue;
    skip.add(after[i]);
    after[i].outputs = before[i].outputs ?? [];
    after[i].execution_count = before[i].execution_count ?? null;
  }
  const notes = [...again]
    .sort(([a], [b]) => a - b)
    .map(([i, name]) => `code cell ${i + 1} runs again: "${name}" is needed below`);
  return {
    skip,
    notes: [`resume: from code cell ${done + 1} of ${after.length}, ${skip.size} cell(s) left out`, ...notes],
  };
}
