/**
 * Stock tslab, loaded with its faults fixed. Nothing on disk changes, and every patch is installed here: TypeScript's
 * module is replaced while tslab loads it and put back at once; the search for modules is patched until `dispose`.
 */
import fs from 'node:fs';
import Module, { createRequire } from 'node:module';
import path from 'node:path';
import type * as TypeScript from '@tslab/typescript-for-tslab';
import type { Converter, IsCompleteResult } from 'tslab/dist/converter';
import { PACKAGE_ROOT } from '../../environment';
import { shareTimer } from './compiler-timers';
import { searchFolders } from './completions';
import { lightProgram } from './light-program';
import { SearchedFolders } from './searched-folders';
import { CELL_TYPES, cellTypePaths, hasCellTypes } from '../typescript/cell-types';
import { OWN_TYPES, PACKAGE_TYPES, withCellGlobals } from '../typescript/own-types';
import { fixShorthand } from './shorthand-properties';
import { chainLookups, readSourceMap } from '../typescript/source-map';
import type { SourceLookup } from '../typescript/source-map';

/** What a comment at the head of a cell says: `@module name`, `@browser`. */
interface CellMetadata {
  readonly module?: string;
  readonly mode?: 'node' | 'browser';
}

/** tslab's parts. */
export interface TslabModule {
  /** tslab's own TypeScript. */
  readonly ts: typeof TypeScript;
  /** `import ... from 'tslab'` of a cell. */
  readonly library: unknown;
  /** tslab's module state: `lastWriteDisplayData` is what `display` of package tslab calls. */
  readonly jupyter: { lastWriteDisplayData: ((data: unknown, update: boolean) => void) | null };
  createConverter(options: { isJS: boolean; isBrowser: boolean }): Converter;
  isCompleteCode(code: string): IsCompleteResult;
  metadataOf(code: string): CellMetadata;
  printQuickInfo(info: TypeScript.QuickInfo): string;
  /** The lines that JavaScript which was just compiled comes from; once only. */
  takeLookup(output: string): SourceLookup | undefined;
  /** The program of the first converter, which is that of node's cells. */
  program(): TypeScript.Program | undefined;
  /** Has the package's declarations read with the next cell. */
  addPackageTypes(): void;
  /** Has the next cell's program look again for imports that were not found. */
  lookAgain(): void;
  /** Takes the patches back. */
  dispose(): void;
}

const INLINE_MAP = /\/\/# sourceMappingURL=data:application\/json[^,]*,([A-Za-z0-9+/=]+)\s*$/;

/**
 * tslab exports a cell's names with a line at its end, and writes those that start with `__` as TypeScript keeps
 * them inside: with one underscore more. `__global` is its word for `declare global`, which is no name.
 */
function fixUnderscores(text: string | undefined): string | undefined {
  return text?.replace(/\nexport \{[^{}]*\}$/, (line) =>
    line.replace(/(?<=[{ ])__global(?:, |(?=\}))/, '').replace(/([{ ])_(__)/g, '$1$2'),
  );
}

/** Where cells find this package. */
interface OwnPackage {
  /** Its declarations, as a file for the compiler to begin with. */
  readonly root: string;
  /** TypeScript's `paths`. */
  readonly paths: Record<string, string[]>;
  readonly undo: () => void;
}

/** Lets `import 'tunebook'` and its rooms be found where the notebook's folder has no such package. */
function resolveOwnPackage(): OwnPackage {
  const folders = createRequire(path.join(process.cwd(), 'cell.js')).resolve.paths('tunebook') ?? [];
  const places = folders.map((folder) => path.join(folder, 'tunebook'));
  const place = places.find((folder) => fs.existsSync(path.join(folder, 'package.json')));
  const isOurs = place === undefined || fs.realpathSync(place) === fs.realpathSync(PACKAGE_ROOT);
  const isBundled = isOurs && hasCellTypes();
  const root = isBundled ? CELL_TYPES : PACKAGE_TYPES;
  if (place !== undefined) return { root, paths: isBundled ? cellTypePaths() : {}, undo: () => undefined };
  const modules = Module as unknown as { _resolveFilename: (id: string, ...rest: unknown[]) => string };
  const resolve = modules._resolveFilename;
  // A package finds itself by its name.
  modules._resolveFilename = (id, ...rest) =>
    /^tunebook(\/|$)/.test(id) ? resolve(id, module) : resolve(id, ...rest);
  const undo = (): void => {
    modules._resolveFilename = resolve;
  };
  return { root, paths: isBundled ? cellTypePaths() : OWN_TYPES, undo };
}

/** Loads modules that require `file` while its exports are others. */
function withExports<T>(file: string, exports: unknown, load: () => T): T {
  const cached = require.cache[file];
  if (!cached) return load();
  const own: unknown = cached.exports;
  cached.exports = exports;
  try {
    return load();
  } finally {
    cached.exports = own;
  }
}

/**
 * Declarations whose documentation is plain comments, every position kept: parsing `@types/node` and the library's own
 * takes a third less, which is a quarter of a kernel's start.
 */
function withoutDocs(file: string, text: string): string {
  return file.endsWith('.d.ts') ? text.replace(/^([ \t]*\/\*)\*(?!\/)/gm, '$1 ') : text;
}

/**
 * Loads tslab for the current folder.
 * @param hasDocs whether documentation is read, which nobody asks for in a run without a person
 */
export function loadTslab(hasDocs: boolean): TslabModule {
  const tslabFolder = path.dirname(require.resolve('tslab/package.json'));
  const load = createRequire(path.join(tslabFolder, 'dist', 'main.js'));
  const typescriptPath = load.resolve('@tslab/typescript-for-tslab');
  const ts = load(typescriptPath) as typeof TypeScript;
  const { root, paths, undo } = resolveOwnPackage();
  const lookups = new Map<string, SourceLookup>();
  const searched = new SearchedFolders();
  let watched: TypeScript.WatchOfFilesAndCompilerOptions<TypeScript.BuilderProgram> | undefined;
  let rootFiles: string[] = [];
  const fixed = fixShorthand(ts);
  const patched: Record<string, unknown> = {
    ...ts,
    ...fixed,
    Completions: searchFolders(ts),
    createWatchProgram: (...all: unknown[]): unknown => {
      const program = (fixed.createWatchProgram as (...rest: unknown[]) => unknown)(...all);
      watched ??= program as typeof watched; // node's; the browser's comes later
      return program;
    },
    createWatchCompilerHost: (
      files: string[],
      options: TypeScript.CompilerOptions,
      system: TypeScript.System,
      _createProgram: unknown,
      ...rest: unknown[]
    ): unknown => {
      const readFile = system.readFile.bind(system);
      system.readFile = (...place) => {
        const text = fixUnderscores(readFile(...place));
        if (text === undefined) return undefined;
        return withCellGlobals(place[0], hasDocs ? text : withoutDocs(place[0], text));
      };
      shareTimer(system);
      searched.serve(system);
      if (rootFiles.length === 0) rootFiles = files;
      return (ts.createWatchCompilerHost as unknown as (...all: unknown[]) => unknown)(
        files,
        {
          ...options,
          inlineSourceMap: true,
          disableTopLevelAwait: false,
          types: ['node'], // where cells run; of other packages what they import is read
          ...(Object.keys(paths).length > 0 ? { paths } : {}),
        },
        system,
        lightProgram(ts),
        ...rest,
      );
    },
    // tslab compiles in two stages (TypeScript to JavaScript modules to CommonJS); both get a map.
    transpileModule: (input: string, options: TypeScript.TranspileOptions): TypeScript.TranspileOutput => {
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
    },
  };
  const parts = withExports(typescriptPath, patched, () => ({
    ...(load('./converter.js') as Pick<TslabModule, 'createConverter' | 'isCompleteCode'>),
    ...(load('./inspect.js') as Pick<TslabModule, 'printQuickInfo'>),
    metadataOf: (load('./metadata.js') as { getCodeMetadata: TslabModule['metadataOf'] }).getCodeMetadata,
    jupyter: load('./jupyter.js') as TslabModule['jupyter'],
    library: load(tslabFolder) as unknown,
  }));
  return {
    ts,
    createConverter: parts.createConverter,
    isCompleteCode: parts.isCompleteCode,
    metadataOf: parts.metadataOf,
    printQuickInfo: parts.printQuickInfo,
    jupyter: parts.jupyter,
    library: parts.library,
    takeLookup(output) {
      const lookup = lookups.get(output);
      lookups.clear();
      return lookup;
    },
    program: () => watched?.getProgram().getProgram(),
    lookAgain: () => searched.lookAgain(),
    addPackageTypes: () => watched?.updateRootFileNames([...rootFiles, root]),
    dispose: undo,
  };
}
