/**
 * The TypeScript compiler as a library: the project's own where it is installed, tslab's otherwise; loaded on first
 * use. And where a compiler finds this package's declarations, and those of packages that it brings.
 */
import { createRequire } from 'node:module';
import path from 'node:path';
import type * as TypeScript from 'typescript';
import { PACKAGE_ROOT } from '../../environment';

let loaded: typeof TypeScript | undefined;

/** The compiler's API; takes about 0.3 s the first time. */
export function loadTypescript(): typeof TypeScript {
  if (loaded) return loaded;
  const load = createRequire(__filename);
  try {
    loaded = load('typescript') as typeof TypeScript;
  } catch {
    const tslab = createRequire(
      path.join(path.dirname(load.resolve('tslab/package.json')), 'dist', 'main.js'),
    );
    loaded = tslab('@tslab/typescript-for-tslab') as typeof TypeScript;
  }
  return loaded;
}

/** TypeScript's `paths` for `tunebook` and `tunebook/ROOM`. */
export const OWN_TYPES: Record<string, string[]> = {
  tunebook: [PACKAGE_ROOT],
  'tunebook/*': [path.join(PACKAGE_ROOT, '.build', 'lib', '*')],
};

/** The folder of a package that this one depends on; npm puts it inside of ours or beside it. */
export function dependencyFolder(name: string): string {
  return path.dirname(createRequire(__filename).resolve(`${name}/package.json`));
}

const MAIN_LIBRARY = /\blib\.es2022\.d\.ts$/;
const CELL_GLOBALS = `
/** Asks the person at the notebook, and waits for the line. */
declare function prompt(message?: string): string;
`;

/** A file of TypeScript's library, with what the kernel adds to node's globals. */
export function withCellGlobals(file: string, text: string): string {
  return MAIN_LIBRARY.test(file) ? text + CELL_GLOBALS : text;
}
