/**
 * Type-checks the cells of a notebook with the strict compiler: each cell is a module that sees the latest declarations
 * of earlier cells, as in the kernel.
 */
import fs from 'node:fs';
import path from 'node:path';
import type * as TypeScript from 'typescript';
import { parseJson } from '../../files';
import { identifiersIn } from '../typescript/cell-names';
import { blankFileWords, declaredNames } from '../typescript/cell-text';
import { USING_ADVICE } from '../kernel/compiler-advice';
import { loadTypescript } from '../typescript/load-typescript';
import { dependencyFolder, OWN_TYPES, withCellGlobals } from '../typescript/own-types';
import { cellSource, cellTags } from '../format/nbformat';
import type { Notebook } from '../format/nbformat';

/** One finding; `cell` and `line` count from 1. */
export interface TypeFinding {
  readonly cell: number;
  readonly line: number;
  readonly message: string;
}

/** One cell as a module; its first line is generated. */
interface CellModule {
  /** Position in the notebook, from 1. */
  readonly cell: number;
  readonly text: string;
}

/** The cells as modules that import the declarations of earlier cells; `let` stays assignable, as in the kernel. */
function cellModules(notebook: Notebook): CellModule[] {
  const ts = loadTypescript();
  const known = new Map<string, { module: string; kind: 'variable' | 'other' }>();
  const modules: CellModule[] = [];
  for (const [i, cell] of notebook.cells.entries()) {
    if (cell.cell_type !== 'code' || cellTags(cell).includes('skip-type-check')) continue;
    const source = blankFileWords(ts, cellSource(cell));
    const file = ts.createSourceFile('cell.ts', source, ts.ScriptTarget.Latest, true);
    const own = declaredNames(ts, file);
    const head = [...identifiersIn(ts, file)].flatMap((name) => {
      const from = known.get(name);
      if (!from || own.has(name)) return [];
      return from.kind === 'variable'
        ? [`declare let ${name}: typeof import('${from.module}').${name};`]
        : [`import { ${name} } from '${from.module}';`];
    });
    const module = `./${moduleName(i + 1)}`;
    for (const [name, kind] of own) known.set(name, { module, kind });
    modules.push({
      cell: i + 1,
      text: `${head.join(' ')}\n${source}\nexport { ${[...own.keys()].join(', ')} };`,
    });
  }
  return modules;
}

/** Declarations that were parsed before, by path: most of a check, and the same for each notebook. */
const parsedFiles = new Map<string, TypeScript.SourceFile>();

const moduleName = (cell: number): string => `__notebook_cell_${cell}`;

/**
 * Checks the types of a notebook's cells.
 * @param file the notebook's path, from which imports are resolved
 */
export function checkCellTypes(notebook: Notebook, file: string): TypeFinding[] {
  const ts = loadTypescript();
  const folder = path.dirname(path.resolve(file));
  const modules = new Map(
    cellModules(notebook).map((module) => [path.join(folder, `${moduleName(module.cell)}.ts`), module]),
  );
  const options: TypeScript.CompilerOptions = {
    strict: true,
    noEmit: true,
    experimentalDecorators: true, // as the kernel compiles them
    target: ts.ScriptTarget.ES2022,
    lib: ['lib.es2022.d.ts'],
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Node10,
    ignoreDeprecations: '5.0',
    esModuleInterop: true,
    resolveJsonModule: true,
    skipLibCheck: true,
    types: ['node'],
    typeRoots: [path.dirname(dependencyFolder('@types/node'))],
    paths: { ...OWN_TYPES, tslab: [dependencyFolder('tslab')] }, // as in the kernel
  };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists, readFile } = host;
  const own = (wanted: string): CellModule | undefined => modules.get(path.resolve(wanted));
  host.getSourceFile = (wanted, ...rest) => {
    const module = own(wanted);
    if (module) return ts.createSourceFile(wanted, module.text, ts.ScriptTarget.ES2022, true);
    const before = parsedFiles.get(wanted);
    if (before && before.text === host.readFile(wanted)) return before;
    const file = getSourceFile.call(host, wanted, ...rest);
    if (file?.isDeclarationFile) parsedFiles.set(wanted, file);
    return file;
  };
  host.fileExists = (wanted) => own(wanted) !== undefined || fileExists.call(host, wanted);
  host.readFile = (wanted) => {
    const text = own(wanted)?.text ?? readFile.call(host, wanted);
    return text === undefined ? undefined : withCellGlobals(wanted, text);
  };
  host.getCurrentDirectory = () => folder;
  const program = ts.createProgram([...modules.keys()], options, host);
  return [...modules].flatMap(([name, { cell }]) => {
    const source = program.getSourceFile(name);
    if (!source) return [];
    const using = usingLines(ts, source).map((line): TypeFinding => ({ cell, line, message: USING_ADVICE }));
    const found = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map(
      ({ start, messageText }): TypeFinding => ({
        cell,
        // A fault of an earlier cell's name is reported in the generated line above the cell's first.
        line: Math.max(1, source.getLineAndCharacterOfPosition(start ?? 0).line),
        message: ts.flattenDiagnosticMessageText(messageText, ' '),
      }),
    );
    return [...using, ...found];
  });
}

/** Lines with `using`, which this compiler supports and the kernel's does not. */
function usingLines(ts: typeof TypeScript, source: TypeScript.SourceFile): number[] {
  const lines: number[] = [];
  const visit = (node: TypeScript.Node): void => {
    const kind = ts.isVariableDeclarationList(node) ? node.flags & ts.NodeFlags.BlockScoped : 0;
    if (kind === ts.NodeFlags.Using || kind === ts.NodeFlags.AwaitUsing)
      lines.push(source.getLineAndCharacterOfPosition(node.getStart(source)).line);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return lines;
}

/** Packages that cells import but the nearest package.json does not list. */
export function missingDependencies(notebook: Notebook, file: string): string[] {
  const ts = loadTypescript();
  const builtin = new Set([...process.getBuiltinModule('node:module').builtinModules, 'tslab']);
  const known = dependencyNames(path.dirname(path.resolve(file)));
  const missing = new Set<string>();
  for (const cell of notebook.cells) {
    if (cell.cell_type !== 'code') continue;
    for (const { fileName: id } of ts.preProcessFile(cellSource(cell), true, true).importedFiles) {
      if (/^[./]|^[a-z]+:/.test(id)) continue; // a file, a module of node, or a URL
      const name = id.startsWith('@') ? id.split('/').slice(0, 2).join('/') : id.split('/')[0];
      if (!builtin.has(name) && !known.has(name)) missing.add(name);
    }
  }
  return [...missing];
}

function dependencyNames(folder: string): Set<string> {
  const names = new Set<string>(['tunebook']);
  for (let at = folder; ; at = path.dirname(at)) {
    const file = path.join(at, 'package.json');
    if (fs.existsSync(file)) {
      const { name, dependencies, devDependencies, optionalDependencies, peerDependencies } =
        readPackage(file);
      const named = { ...dependencies, ...devDependencies, ...optionalDependencies, ...peerDependencies };
      for (const known of [name, ...Object.keys(named)]) if (known) names.add(known);
      return names;
    }
    if (path.dirname(at) === at) return names;
  }
}

interface PackageNames {
  readonly name?: string;
  readonly dependencies?: object;
  readonly devDependencies?: object;
  readonly optionalDependencies?: object;
  readonly peerDependencies?: object;
}

function readPackage(file: string): PackageNames {
  return parseJson(fs.readFileSync(file, 'utf8'), { where: file }) as PackageNames;
}
