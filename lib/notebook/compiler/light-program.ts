/**
 * TypeScript's program without the dependency graph that stock tslab has it build. Computing it anew for every cell,
 * over hundreds of library files, is half of a cell's overhead, and tslab only needs a cell's imports of source files
 * beside the notebook. These are found here by following imports.
 */
import type * as TypeScript from '@tslab/typescript-for-tslab';
import { useParsed } from './parsed-files';

type Builder = TypeScript.BuilderProgram;
type CreateBuilder = TypeScript.CreateProgram<Builder>;

/** TypeScript's own record of what a file's imports were resolved to; its form differs by version. */
interface Resolved {
  readonly resolvedModules?: { forEach(visit: (entry: ResolvedEntry | undefined) => void): void };
}
interface ResolvedEntry {
  readonly resolvedFileName?: string;
  readonly resolvedModule?: { readonly resolvedFileName: string };
}

/** The source files (no declarations, nothing of node_modules) that `from` needs, itself first. */
function sourceDependencies(program: TypeScript.Program, from: TypeScript.SourceFile): string[] {
  const found = new Set([from.fileName]);
  for (const name of found) {
    const file = program.getSourceFile(name);
    (file as Resolved | undefined)?.resolvedModules?.forEach((entry) => {
      const target = (entry?.resolvedModule ?? entry)?.resolvedFileName;
      const source = target === undefined ? undefined : program.getSourceFile(target);
      if (source && !source.isDeclarationFile) found.add(source.fileName);
    });
  }
  return [...found];
}

interface Binder {
  bindSourceFile(file: TypeScript.SourceFile, options: TypeScript.CompilerOptions): void;
}

/** For `createWatchCompilerHost`: creates programs that compute a file's dependencies on demand. */
export function lightProgram(ts: typeof TypeScript): CreateBuilder {
  const create = ts.createAbstractBuilder as CreateBuilder;
  const served = new WeakSet<TypeScript.CompilerHost>(); // each program of a watcher has the same one
  return (...settings) => {
    const [, , host] = settings;
    if (host && !served.has(host)) useParsed(host);
    if (host) served.add(host);
    const builder = create(...settings);
    const getSourceFile = builder.getSourceFile.bind(builder);
    return Object.assign(builder, {
      getAllDependencies: (file: TypeScript.SourceFile) => sourceDependencies(builder.getProgram(), file),
      // tslab reads a cell's names from the file, where the bookkeeping has put them as it went.
      getSourceFile: (name: string) => {
        const file = getSourceFile(name);
        if (file && !file.isDeclarationFile)
          (ts as unknown as Binder).bindSourceFile(file, builder.getCompilerOptions());
        return file;
      },
    });
  };
}
