/** Where compilers find this package's declarations, and those of packages that it brings. */
import { createRequire } from 'node:module';
import path from 'node:path';
import { PACKAGE_ROOT } from '../../environment';

/** TypeScript's `paths` for `tunebook` and `tunebook/ROOM`. */
export const OWN_TYPES: Record<string, string[]> = {
  tunebook: [PACKAGE_ROOT],
  'tunebook/*': [path.join(PACKAGE_ROOT, '.build', 'lib', '*')],
};

/** The folder of a package that this one depends on; npm puts it inside of ours or beside it. */
export function dependencyFolder(name: string): string {
  return path.dirname(createRequire(__filename).resolve(`${name}/package.json`));
}
