/** Where the real files are, if this machine has them: they are not part of the repository. */
import fs from 'node:fs';
import path from 'node:path';
import { ROOT } from '../support/paths';

/** Folder of the real files: TUNEBOOK_REAL_DATA, else `../shared/data` beside the checkout. */
export const REAL_DATA = process.env.TUNEBOOK_REAL_DATA ?? path.join(ROOT, '..', 'shared', 'data');

/** A reason to skip, or false where all the files are there. */
export function missingRealData(...names: readonly string[]): string | false {
  const missing = names.filter((name) => !fs.existsSync(path.join(REAL_DATA, name)));
  return missing.length === 0
    ? false
    : `${missing.join(', ')} not in ${REAL_DATA}; set TUNEBOOK_REAL_DATA to test on the real files`;
}
