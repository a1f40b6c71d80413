/**
 * Stock tslab's compiler and executor, prepared from outside (nothing of tslab is changed on disk): source maps for
 * tracebacks, awaits that an interrupt can leave, cells named in stacks, `tunebook` importable from any folder.
 */
import Module, { createRequire } from 'node:module';
import path from 'node:path';
import vm from 'node:vm';
import type * as TypeScript from '@tslab/typescript-for-tslab';
import type { Converter, IsCompleteResult } from 'tslab/dist/converter';
import type { ConsoleInterface, ConverterSet, Executor } from 'tslab/dist/executor';
import type * as NewTypeScript from 'typescript';
import { blankFileWords, declaredNames, hoistedNames, keptNamespaces } from './cell-text';
import { shareTimer } from './compiler-timers';
import { KeptDeclarations } from './failed-cell';
import { lightProgram } from './light-program';
import { LiveVariables, LIVE_HELPER, shareVariables } from './live-variables';
import { mendShorthand } from './shorthand-properties';
import { chainLookups, readSourceMap } from './source-map';
import type { Place, SourceLookup } from './source-map';
import { PACKAGE_ROOT } from '../../environment';
const packageTypes = path.join(PACKAGE_ROOT, '.build', 'lib', 'index.d.ts');

/** Names that compiled cells use; put on globalThis by `host-cells`. */
export const AWAIT_HELPER = '__tunebookAwait';
export const ITERATE_HELPER = '__tunebookIterate';
export const META_HELPER = '__tunebookMeta';

/** What a cell that is compiled and run asks and tells. */
export interface RunHooks {
  /** Number of the cell. */
  cellNumber(): number;
  /** Called before its first statement. */
  beginRunning(): void;
}

/** tslab, ready for use. */
export interface PreparedTslab {
  readonly executor: Executor;
  readonly isCompleteCode: (code: string) => IsCompleteResult;
  readonly printQuickInfo: (info: TypeScript.QuickInfo) => string;
  /** tslab's own module state: `lastWriteDisplayData` is what `display` of package tslab calls. */
  readonly jupyter: { lastWriteDisplayData: ((data: unknown, update: boolean) => void) | null };
  readonly typescriptVersion: string;
  /** From a place in the code that ran as cell `n` (zero-based) to the cell's own line. */
  locate(this: void, cell: number, generated: Place): Place | null;
  /** The cell that was compiled last has failed: what it had defined until then stays. */
  keepDefined(): void;
  /**
   * Compiles an empty cell ahead of the first real one: the checker's start is then nobody's time. With `library`
   * the package's declarations are read too, and stay read. To be called before any cell.
   */
  warmUp(library: boolean): void;
}

interface Insertion {
  readonly line: number;
  readonly column: number;
  readonly length: number;
}

const INLINE_MAP = /\/\/# sourceMappingURL=data:application\/json[^,]*,([A-Za-z0-9+/=]+)\s*$/;

interface WrappedCode {
  readonly code: string;
  readonly insertions: Insertion[];
  /** Whether the cell itself awaits; tslab overlooks `for await`. */
  readonly awaits: boolean;
}

/** Without this, `await (x)` outside of a function would be read as a call of a function named await. */
function asModule(ts: typeof TypeScript): TypeScript.CreateSourceFileOptions {
  const setExternalModuleIndicator = (file: TypeScript.SourceFile): void => {
    Object.assign(file, { externalModuleIndicator: true });
  };
  return { languageVersion: ts.ScriptTarget.Latest, setExternalModuleIndicator };
}

/** Wraps what is awaited in calls of the helpers, and gives `import.meta` to CommonJS, without moving a line. */
function wrapAwaits(ts: typeof TypeScript, code: string): WrappedCode {
  if (!/\bawait\b|\bimport\.meta\b/.test(code)) return { code, insertions: [], awaits: false };
  const file = ts.createSourceFile('cell.js', code, asModule(ts), true, ts.ScriptKind.JS);
  const edits: { at: number; text: string; instead?: number }[] = [];
  const wrap = (node: TypeScript.Node, helper: string): void => {
    edits.push({ at: node.getStart(file), text: `${helper}(` }, { at: node.end, text: ')' });
  };
  let awaits = false;
  const visit = (node: TypeScript.Node, inFunction: boolean): void => {
    const loop = ts.isForOfStatement(node) && node.awaitModifier !== undefined;
    if (ts.isAwaitExpression(node)) wrap(node.expression, AWAIT_HELPER);
    if (loop) wrap(node.expression, ITERATE_HELPER);
    if (ts.isMetaProperty(node) && node.keywordToken === ts.SyntaxKind.ImportKeyword)
      edits.push({ at: node.getStart(file), text: META_HELPER, instead: node.end });
    awaits ||= !inFunction && (loop || ts.isAwaitExpression(node));
    const inside = inFunction || ts.isFunctionLike(node);
    // A computed name belongs to what is around the function.
    ts.forEachChild(node, (child) => visit(child, ts.isComputedPropertyName(child) ? inFunction : inside));
  };
  visit(file, false);
  edits.sort((a, b) => a.at - b.at);
  const insertions: Insertion[] = [];
  const shiftOfLine = new Map<number, number>();
  let out = '';
  let from = 0;
  for (const { at, text, instead = at } of edits) {
    const { line, character } = file.getLineAndCharacterOfPosition(at);
    const shift = shiftOfLine.get(line) ?? 0;
    const length = text.length - (instead - at);
    insertions.push({ line, column: character + shift, length });
    shiftOfLine.set(line, shift + length);
    out += code.slice(from, at) + text;
    from = instead;
  }
  return { code: out + code.slice(from), insertions, awaits };
}

function undoInsertions(place: Place, insertions: readonly Insertion[]): Place {
  let { column } = place;
  for (const insertion of [...insertions].reverse())
    if (insertion.line === place.line && insertion.column < column) column -= insertion.length;
  return { line: place.line, column };
}

/**
 * tslab exports a cell's names with a line at its end, and writes those that start with `__` as TypeScript keeps
 * them inside: with one underscore more. `__global` is its word for `declare global`, which is no name.
 */
function mendUnderscores(text: string | undefined): string | undefined {
  return text?.replace(/\nexport \{[^{}]*\}$/, (line) =>
    line.replace(/(?<=[{ ])__global(?:, |(?=\}))/, '').replace(/([{ ])_(__)/g, '$1$2'),
  );
}

/**
 * Declarations of a cell's `var`s inside of blocks, which TypeScript's own declarations of a file leave out. One that
 * is declared on top too is declared twice, with one type.
 */
function hoistedDeclarations(ts: typeof TypeScript, program: TypeScript.Program): string {
  const file = program.getSourceFile(path.join(program.getCurrentDirectory(), '__tslab__.ts'));
  if (!file || !/\bvar\b/.test(file.text)) return '';
  const checker = program.getTypeChecker();
  const { locals } = file as unknown as { locals?: Map<string, TypeScript.Symbol> };
  const parser = ts as unknown as typeof NewTypeScript;
  return [...hoistedNames(parser, file as unknown as NewTypeScript.SourceFile)]
    .map((name) => {
      const symbol = locals?.get(name);
      if (!symbol) return '';
      const type = checker.getTypeOfSymbolAtLocation(symbol, file);
      return `declare var ${name}: ${checker.typeToString(type, file, ts.TypeFormatFlags.NoTruncation)};\n`;
    })
    .join('');
}

/** Whether a text ends within a template, which tslab takes for an error rather than for a beginning. */
function hasOpenTemplate(ts: typeof TypeScript, code: string): boolean {
  const file = ts.createSourceFile('cell.ts', code, ts.ScriptTarget.Latest);
  const { parseDiagnostics } = file as unknown as { parseDiagnostics: TypeScript.Diagnostic[] };
  const unterminatedTemplate = 1160;
  return parseDiagnostics.some((finding) => finding.code === unterminatedTemplate);
}

/** Lets `import 'tunebook'` (and its types) be found where the notebook's folder has no such package. */
function resolveOwnPackage(): Record<string, string[]> {
  const fromHere = createRequire(path.join(process.cwd(), 'cell.js'));
  try {
    fromHere.resolve('tunebook');
    return {};
  } catch {
    const modules = Module as unknown as { _resolveFilename: (id: string, ...rest: unknown[]) => string };
    const resolve = modules._resolveFilename;
    modules._resolveFilename = (id, ...rest) =>
      id === 'tunebook' ? require.resolve(PACKAGE_ROOT) : resolve(id, ...rest);
    return { tunebook: [PACKAGE_ROOT] };
  }
}

/** Loads tslab for the current folder; takes about half a second, TypeScript's start mostly. */
export function prepareTslab(console: ConsoleInterface, hooks: RunHooks): PreparedTslab {
  const tslabFolder = path.dirname(require.resolve('tslab/package.json'));
  const load = createRequire(path.join(tslabFolder, 'dist', 'main.js'));
  const typescriptPath = load.resolve('@tslab/typescript-for-tslab');
  const ts = load(typescriptPath) as typeof TypeScript;
  const parser = ts as unknown as typeof NewTypeScript; // what it is used for is the same in both
  const paths = resolveOwnPackage();
  const lookups = new Map<string, SourceLookup>();

  // tslab compiles in two stages (TypeScript to JavaScript modules to CommonJS); both get a map.
  const mended = mendShorthand(ts);
  const patched: Record<string, unknown> = { ...ts, ...mended };
  let watched: TypeScript.WatchOfFilesAndCompilerOptions<TypeScript.BuilderProgram> | null = null;
  let rootFiles: string[] = [];
  patched.createWatchProgram = (...all: unknown[]): unknown => {
    const program = (mended.createWatchProgram as (...rest: unknown[]) => unknown)(...all);
    watched ??= program as typeof watched; // node's; the browser's comes later
    return program;
  };
  patched.createWatchCompilerHost = (
    files: string[],
    options: TypeScript.CompilerOptions,
    system: TypeScript.System,
    _createProgram: unknown,
    ...rest: unknown[]
  ): unknown => {
    const readFile = system.readFile.bind(system);
    system.readFile = (...place) => mendUnderscores(readFile(...place));
    shareTimer(system);
    if (rootFiles.length === 0) rootFiles = files;
    return (ts.createWatchCompilerHost as unknown as (...all: unknown[]) => unknown)(
      files,
      {
        ...options,
        inlineSourceMap: true,
        disableTopLevelAwait: false,
        ...(Object.keys(paths).length > 0 ? { paths } : {}),
      },
      system,
      lightProgram(ts),
      ...rest,
    );
  };
  patched.transpileModule = (
    input: string,
    options: TypeScript.TranspileOptions,
  ): TypeScript.TranspileOutput => {
    const map = INLINE_MAP.exec(input);
    const output = ts.transpileModule(map ? input.slice(0, map.index) : input, {
      ...options,
      compilerOptions: { ...options.compilerOptions, sourceMap: true },
    });
    const outputText = output.outputText.replace(/\/\/# sourceMappingURL=\S*\s*$/, '');
    if (map && output.sourceMapText) {
      const first = readSourceMap(Buffer.from(map[1], 'base64').toString('utf8'));
      lookups.set(outputText, chainLookups(readSourceMap(output.sourceMapText), first));
    }
    return { ...output, outputText };
  };
  const cached = require.cache[typescriptPath];
  if (cached) cached.exports = patched;

  const { createConverter, isCompleteCode } = load('./converter.js') as {
    createConverter: (options: { isJS: boolean; isBrowser: boolean }) => Converter;
    isCompleteCode: (code: string) => IsCompleteResult;
  };
  const { createExecutor } = load('./executor.js') as {
    createExecutor: (root: string, converters: ConverterSet, console: ConsoleInterface) => Executor;
  };
  const { printQuickInfo } = load('./inspect.js') as {
    printQuickInfo: (info: TypeScript.QuickInfo) => string;
  };
  const jupyter = load('./jupyter.js') as PreparedTslab['jupyter'];

  const cells = new Map<number, SourceLookup>();
  const node = createConverter({ isJS: false, isBrowser: false });
  const kept = new KeptDeclarations(
    ts,
    () => (globalThis as unknown as { __tslab__: { exports: Record<string, unknown> } }).__tslab__.exports,
  );
  const { convert, inspect, complete } = node;
  node.inspect = (previous, ...rest) => inspect(kept.current(previous), ...rest);
  node.complete = (previous, ...rest) => complete(kept.current(previous), ...rest);
  node.convert = (previous, source) => {
    const before = kept.current(previous);
    const text = blankFileWords(parser, source);
    const converted = convert(before, text);
    const { output } = converted;
    const declOutput =
      (converted.declOutput ?? '') +
      keptNamespaces(parser, before, text) +
      (watched ? hoistedDeclarations(ts, watched.getProgram().getProgram()) : '');
    const result = { ...converted, declOutput };
    kept.begin(previous, output === undefined ? null : { before, after: declOutput, output });
    if (output === undefined) return result;
    const lookup = lookups.get(output);
    lookups.clear();
    const { code, insertions, awaits } = wrapAwaits(ts, output);
    if (lookup) {
      cells.set(hooks.cellNumber(), (generated) => {
        const place = lookup(undoInsertions(generated, insertions));
        return place && place.line > 0 ? { line: place.line - 1, column: place.column } : null; // "export {};"
      });
    }
    live.forget(
      declaredNames(parser, parser.createSourceFile('cell.ts', text, ts.ScriptTarget.Latest, true)).keys(),
    );
    return { ...result, output: shareVariables(parser, text, code), hasToplevelAwait: awaits };
  };
  const executor = createExecutor(process.cwd(), lazyBrowser(node, createConverter), console);
  const live = new LiveVariables();
  const shared = globalThis as unknown as { __tslab__: { exports: Record<string, unknown> } };
  shared.__tslab__ = { ...shared.__tslab__, exports: live.over(shared.__tslab__.exports) };
  Object.assign(globalThis, { [LIVE_HELPER]: live.share.bind(live) });
  nameCells(hooks);
  return {
    executor,
    isCompleteCode: (code) =>
      hasOpenTemplate(ts, code) ? { completed: false, indent: '' } : isCompleteCode(code),
    printQuickInfo,
    jupyter,
    typescriptVersion: ts.version,
    locate: (cell, generated) => cells.get(cell)?.(generated) ?? null,
    keepDefined: () => kept.failed(),
    warmUp: (library) => {
      if (library) watched?.updateRootFileNames([...rootFiles, packageTypes]);
      convert('', '1');
    },
  };
}

function lazyBrowser(
  node: Converter,
  create: (options: { isJS: boolean; isBrowser: boolean }) => Converter,
): ConverterSet {
  let browser: Converter | null = null;
  return {
    node,
    get browser() {
      return (browser ??= create({ isJS: false, isBrowser: true }));
    },
    close() {
      node.close();
      browser?.close();
    },
  };
}

/** Cells run under the name `In[n]`, in lines of their own; tslab's wrapper stands before column 0. */
function nameCells(hooks: RunHooks): void {
  const run = vm.runInThisContext.bind(vm);
  vm.runInThisContext = (code: string, options?: vm.RunningCodeOptions | string): unknown => {
    if (typeof options !== 'object' || options.breakOnSigint !== true) return run(code, options);
    const prefix = /^\((?:async )?function\(exports, require\) \{ /.exec(code);
    hooks.beginRunning();
    return run(code, {
      ...options,
      breakOnSigint: false, // it would take the listeners of SIGINT away meanwhile; interrupts come by message
      filename: `In[${hooks.cellNumber()}]`,
      columnOffset: prefix ? -prefix[0].length : 0,
    } as vm.RunningCodeOptions);
  };
}
