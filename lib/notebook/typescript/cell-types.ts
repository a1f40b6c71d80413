/**
 * This package's declarations and those of TensorFlow.js's core in one file, for the compilers of cells. Read from eight
 * hundred files they are most of what a first import takes, and a part of every cell after it: TypeScript finds, opens
 * and compares each file for each program. Each file becomes an ambient module here, under the name by which the others
 * import it; what cells see of the types is the same. Other libraries (zod, ONNX's messages) are half as much again and
 * behind no door: what is computed from their types is written out, and they are left out.
 */
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import type * as TypeScript from '@tslab/typescript-for-tslab';
import { PACKAGE_ROOT } from '../../environment';
import { writeFileAtomicSync } from '../../files';
import { dependencyFolder } from './own-types';

/** Where the file lies once it has been made. */
export const CELL_TYPES = path.join(PACKAGE_ROOT, '.build', 'cell-types.d.ts');

const LIB = path.join(PACKAGE_ROOT, '.build', 'lib');
const TENSORFLOW = '@tensorflow/tfjs-core';
/** The head of each of its files, of which one is enough. */
const LICENSE_COMMENT = /\/\*\*\s*\* @license[^]*?\*\/\n?/g;
const NOTICE =
  "// tunebook's declarations, and those of TensorFlow.js (Apache License 2.0, Google LLC). Made by cell-types.\n";
/** How modules that are no doors are named; `cellTypePaths` leads them here. */
const INNER = 'tunebook/.build/';

/** The package's doors, by the name that cells import them by: their declarations. */
function doors(): Map<string, string> {
  const manifest = fs.readFileSync(path.join(PACKAGE_ROOT, 'package.json'), 'utf8');
  const { exports } = JSON.parse(manifest) as { exports: Record<string, { types?: string }> };
  return new Map(
    Object.entries(exports).flatMap(([name, { types }]): [string, string][] =>
      types === undefined ? [] : [[path.posix.join('tunebook', name), path.join(PACKAGE_ROOT, types)]],
    ),
  );
}

/** TypeScript's `paths` for cells: every door, and what lies behind them, is in the one file. */
export function cellTypePaths(): Record<string, string[]> {
  return Object.fromEntries([...doors().keys(), `${INNER}*`].map((name) => [name, [CELL_TYPES]]));
}

/** Whether the file is there and younger than every declaration of the package. */
export function hasCellTypes(): boolean {
  const made = fs.statSync(CELL_TYPES, { throwIfNoEntry: false });
  if (!made) return false;
  const names = fs.readdirSync(LIB, { recursive: true, encoding: 'utf8' });
  return !names.some(
    (name) => name.endsWith('.d.ts') && fs.statSync(path.join(LIB, name)).mtimeMs > made.mtimeMs,
  );
}

/** TypeScript's own record of what a file imports. */
interface FileImports {
  readonly imports: readonly TypeScript.StringLiteralLike[];
  readonly moduleAugmentations: readonly TypeScript.Node[];
  readonly resolvedModules?: {
    get(name: string, mode: undefined): { readonly resolvedModule?: Resolved } | undefined;
  };
  readonly resolvedTypeReferenceDirectiveNames?: {
    forEach(visit: (found: { readonly resolvedTypeReferenceDirective?: Resolved }) => void): void;
  };
}
interface Resolved {
  readonly resolvedFileName?: string;
}

/** The package's declarations, read with what cells have beside them. */
export function packageProgram(ts: typeof TypeScript, files: readonly string[]): TypeScript.Program {
  return ts.createProgram(files, {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Node10,
    esModuleInterop: true,
    lib: ['lib.es2022.d.ts'],
    types: ['node'],
    typeRoots: [path.dirname(dependencyFolder('@types/node'))],
  });
}

/** Makes the file. Takes some seconds. */
export function makeCellTypes(): void {
  const load = createRequire(createRequire(__filename).resolve('tslab/package.json'));
  const ts = load('@tslab/typescript-for-tslab') as typeof TypeScript;
  const entries = doors();
  const program = packageProgram(ts, [...entries.values()]);
  const core = path.dirname(load.resolve(`${TENSORFLOW}/package.json`, { paths: [PACKAGE_ROOT] }));
  const names = new Map<string, string>();
  for (const { fileName } of program.getSourceFiles()) {
    const name = moduleName(fileName, core);
    if (name !== undefined) names.set(fileName, name);
  }
  const checker = program.getTypeChecker();
  const { NoTruncation, InTypeAlias } = ts.TypeFormatFlags;
  const [elsewhere] = program.getSourceFiles(); // a file of TypeScript's library sees no library's names
  const typeText = (node: TypeScript.Node): string =>
    withUnions(checker.typeToString(checker.getTypeAtLocation(node), elsewhere, NoTruncation | InTypeAlias));
  const parts: string[] = [];
  const references = new Set<string>();
  for (const file of program.getSourceFiles()) {
    const name = names.get(file.fileName);
    if (name === undefined) continue;
    for (const { fileName } of file.libReferenceDirectives)
      references.add(`/// <reference lib="${fileName}" />`);
    (file as unknown as FileImports).resolvedTypeReferenceDirectiveNames?.forEach((found) => {
      const types = found.resolvedTypeReferenceDirective?.resolvedFileName;
      if (types !== undefined) references.add(`/// <reference path="${types}" />`);
    });
    parts.push(...modulesOf(ts, file, { name, names, typeText }));
  }
  // Whoever imports TensorFlow.js itself, or a part of it as its other packages do, gets the same types.
  const aliases: [string, string][] = [...entries].map(([door, file]) => [door, names.get(file) ?? '']);
  for (const [file, name] of names) {
    const inside = path.relative(core, file).split(path.sep).join('/');
    const source = program.getSourceFile(file);
    if (inside.startsWith('..') || !source || isEmpty(ts, source)) continue;
    aliases.push([`${TENSORFLOW}/${inside.replace(/\.d\.ts$/, '')}`, name]);
    if (inside === 'dist/index.d.ts') aliases.push([TENSORFLOW, name]);
  }
  for (const [alias, name] of aliases) parts.push(`declare module "${alias}" { export * from "${name}"; }\n`);
  writeFileAtomicSync(CELL_TYPES, [...references, NOTICE, ...parts].join('\n'));
}

/** A file's name as a module of the one file; undefined for one that stays where it is. */
function moduleName(file: string, core: string): string | undefined {
  for (const [folder, name] of [
    [LIB, 'lib'],
    [core, 'tensorflow'],
  ]) {
    const inside = path.relative(folder, file).split(path.sep).join('/');
    if (!inside.startsWith('..') && !inside.includes('node_modules/'))
      return `${INNER}${name}/${inside.replace(/\.d\.ts$/, '')}`;
  }
  return undefined;
}

interface Naming {
  readonly name: string;
  /** The names of all files that become modules. */
  readonly names: ReadonlyMap<string, string>;
  /** The type of a name, written out. */
  readonly typeText: (name: TypeScript.Node) => string;
}

/** A piece of a file's text and what stands for it. */
type Edit = readonly [from: number, to: number, text: string];

/** A file as an ambient module, and what it adds to others as parts of theirs. */
function modulesOf(ts: typeof TypeScript, file: TypeScript.SourceFile, naming: Naming): string[] {
  const { imports, moduleAugmentations, resolvedModules } = file as unknown as FileImports;
  const fileOf = (literal: TypeScript.Node): string | undefined =>
    resolvedModules?.get((literal as TypeScript.StringLiteralLike).text, undefined)?.resolvedModule
      ?.resolvedFileName;
  const nameOf = (literal: TypeScript.Node): string | undefined => naming.names.get(fileOf(literal) ?? '');
  const edits: Edit[] = [...imports, ...moduleAugmentations].flatMap((literal): Edit[] => {
    const own = nameOf(literal);
    return own === undefined ? [] : [[literal.getStart(file), literal.end, `"${own}"`]];
  });
  // What a module does when it is loaded is nothing here.
  for (const statement of file.statements)
    if (ts.isImportDeclaration(statement) && !statement.importClause)
      edits.push([statement.getStart(file), statement.end, '']);
  edits.push(...withoutLibraries(ts, file, { fileOf, naming }));
  const textOf = (from: number, to: number): string => {
    let [text, at] = ['', from];
    for (const [start, end, changed] of edits.sort((a, b) => a[0] - b[0])) {
      if (start < at || end > to) continue;
      text += file.text.slice(at, start) + changed;
      at = end;
    }
    return text + file.text.slice(at, to);
  };
  const augmenting = file.statements.filter(
    (statement): statement is TypeScript.ModuleDeclaration =>
      ts.isModuleDeclaration(statement) && moduleAugmentations.includes(statement.name),
  );
  let [body, at] = ['', 0];
  for (const { pos, end } of augmenting) {
    body += textOf(at, pos);
    at = end;
  }
  body += textOf(at, file.text.length);
  const wrap = (module: string, text: string): string =>
    `declare module "${module}" {\n${text.replace(LICENSE_COMMENT, '').trim()}\n}\n`;
  return [
    wrap(naming.name, isEmpty(ts, file) ? 'export {};' : body),
    ...augmenting.flatMap((statement) => {
      const target = nameOf(statement.name);
      if (target === undefined || !statement.body) return [];
      // It sees its file's imports; those of the module itself are there.
      const seen = file.statements.filter(
        (one): one is TypeScript.ImportDeclaration =>
          ts.isImportDeclaration(one) && nameOf(one.moduleSpecifier) !== target,
      );
      const { pos, end } = statement.body;
      const inner = textOf(pos, end).trim().slice(1, -1);
      return [wrap(target, [...seen.map((one) => textOf(one.getStart(file), one.end)), inner].join('\n'))];
    }),
  ];
}

/** Whether a file has nothing of its own: it imports, and adds to other modules. */
function isEmpty(ts: typeof TypeScript, file: TypeScript.SourceFile): boolean {
  const { moduleAugmentations } = file as unknown as FileImports;
  return file.statements.every(
    (one) =>
      ts.isImportDeclaration(one) || (ts.isModuleDeclaration(one) && moduleAugmentations.includes(one.name)),
  );
}

/** Leaves out imports of other libraries: types that are computed from theirs are written out, theirs are unknown. */
function withoutLibraries(
  ts: typeof TypeScript,
  file: TypeScript.SourceFile,
  { fileOf, naming }: { fileOf: (literal: TypeScript.Node) => string | undefined; naming: Naming },
): Edit[] {
  const foreign = (file as unknown as FileImports).imports.filter((literal) => {
    const target = fileOf(literal);
    return target !== undefined && !naming.names.has(target) && !target.includes('/@types/node/');
  });
  if (foreign.length === 0) return [];
  const locals = new Set(
    foreign.flatMap(({ parent }) => {
      const bindings = ts.isImportDeclaration(parent) ? parent.importClause?.namedBindings : undefined;
      if (!bindings) return [];
      return (ts.isNamespaceImport(bindings) ? [bindings] : bindings.elements).map(({ name }) => name.text);
    }),
  );
  /** Values of this file whose types are a library's: what is computed from them is, too. */
  const values = new Set<string>();
  const isForeign = (node: TypeScript.Node): boolean => {
    if (ts.isImportTypeNode(node))
      return (
        ts.isLiteralTypeNode(node.argument) &&
        foreign.some((one) => one === (node.argument as TypeScript.LiteralTypeNode).literal)
      );
    const name = ts.isTypeReferenceNode(node)
      ? node.typeName
      : ts.isTypeQueryNode(node)
        ? node.exprName
        : undefined;
    if (name === undefined) return false;
    const [first] = name.getText(file).split('.');
    return locals.has(first) || values.has(first);
  };
  const foreignIn = (node: TypeScript.Node): TypeScript.Node[] => {
    if (isForeign(node)) return [node];
    const found: TypeScript.Node[] = [];
    ts.forEachChild(node, (child) => void found.push(...foreignIn(child)));
    return found;
  };
  for (const statement of file.statements)
    if (ts.isVariableStatement(statement) && foreignIn(statement).length > 0)
      for (const { name } of statement.declarationList.declarations) values.add(name.getText(file));
  return file.statements.flatMap((statement): Edit[] => {
    if (foreign.some(({ parent }) => parent === statement))
      return [[statement.getStart(file), statement.end, '']];
    const found = foreignIn(statement);
    if (found.length > 0 && ts.isTypeAliasDeclaration(statement))
      return [[statement.type.getStart(file), statement.type.end, naming.typeText(statement.name)]];
    return found.map((node) => [node.getStart(file), node.end, 'unknown']);
  });
}

/** A type's text in which zod's enums, an alias that TypeScript keeps, are unions of their values. */
function withUnions(type: string): string {
  return type.replace(/(?:import\("[^"]*"\)\.)?\$InferEnum\w+<\{ ([^{}]*) \}>/g, (_, members: string) => {
    const values = members.split(';').flatMap((member) => /"[^"]*"$/.exec(member.trim()) ?? []);
    return `(${values.join(' | ')})`;
  });
}
