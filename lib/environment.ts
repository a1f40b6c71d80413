/** Where the package lies. It runs from `.build/lib`, in the repository as where it is installed. */
import path from 'node:path';

/** The folder of package.json. */
export const PACKAGE_ROOT = path.resolve(__dirname, '..', '..');
