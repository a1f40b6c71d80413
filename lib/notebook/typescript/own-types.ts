/**
 * What a compiler of cells knows beside TypeScript's library: this package's declarations, those of the packages that it
 * brings, and what the kernel adds to node's globals.
 */
import { createRequire } from 'node:module';
import path from 'node:path';
import { PACKAGE_ROOT } from '../../environment';

/** TypeScript's `paths` for `tunebook` and `tunebook/ROOM`. */
export const OWN_TYPES: Record<string, string[]> = {
  tunebook: [PACKAGE_ROOT],
  'tunebook/*': [path.join(PACKAGE_ROOT, '.build', 'lib', '*')],
};

/** The package's own declarations. */
export const PACKAGE_TYPES = path.join(PACKAGE_ROOT, '.build', 'lib', 'index.d.ts');

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
