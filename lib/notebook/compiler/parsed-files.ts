/**
 * Declaration files that were parsed before the kernel began: they lie in its image (`kernel/image-entry`), as parsing
 * TypeScript's library, `@types/node` and the package's own types is most of a start. Empty in a kernel without one.
 */
import fs from 'node:fs';
import type * as TypeScript from '@tslab/typescript-for-tslab';

/** A file as it was parsed, and what it was then. */
interface ParsedFile {
  readonly file: TypeScript.SourceFile;
  readonly stamp: string;
}

const HELD = Symbol.for('tunebook.parsedFiles');
type Holder = typeof globalThis & { [HELD]?: Map<string, ParsedFile> };

const parsedFiles = (): Map<string, ParsedFile> => ((globalThis as Holder)[HELD] ??= new Map());

/** What changes with a file's content; undefined for no file. The time of change is the system's own: npm sets the other. */
export function stampOf(file: string): string | undefined {
  const found = fs.statSync(file, { throwIfNoEntry: false });
  return found && [found.size, found.mtimeMs, found.ctimeMs, found.ino].join();
}

/** Keeps the declaration files of a program for programs after it. */
export function keepParsed(program: TypeScript.Program): void {
  const files = parsedFiles();
  for (const file of program.getSourceFiles()) {
    const stamp = file.isDeclarationFile ? stampOf(file.fileName) : undefined;
    if (stamp !== undefined) files.set(file.fileName, { file, stamp });
  }
}

/** Gives a program's host the files that are kept and have not changed since. */
export function useParsed(host: TypeScript.CompilerHost): void {
  const files = parsedFiles();
  if (files.size === 0) return;
  const looked = new Map<string, TypeScript.SourceFile | undefined>();
  const kept = (name: string): TypeScript.SourceFile | undefined => {
    if (!looked.has(name)) {
      const found = files.get(name);
      looked.set(name, found && found.stamp === stampOf(name) ? found.file : undefined);
    }
    return looked.get(name);
  };
  const { getSourceFile, getSourceFileByPath } = host;
  host.getSourceFile = (name, ...rest) => kept(name) ?? getSourceFile.call(host, name, ...rest);
  host.getSourceFileByPath = (name, ...rest) => kept(name) ?? getSourceFileByPath?.call(host, name, ...rest);
}
