/** Where things lie, for tests: they run from `.build/test`. */
import path from 'node:path';

/** The checkout. */
export const ROOT = path.resolve(__dirname, '..', '..', '..');

/** The compiled `tunebook` command. */
export const CLI = path.join(ROOT, '.build', 'lib', 'cli', 'main.js');
