/**
 * Files that are either whole or absent, whatever happens while they are written.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { TunebookError } from '../types.js';

/**
 * Writes beside the target, flushes to the disk, and renames: nothing partial is ever under the final name.
 *
 * @throws TunebookError where the folder or the disk refuses; what was there before stays.
 */
export async function writeFileAtomic(path: string, content: string | Uint8Array): Promise<void> {
  const beside = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    await mkdir(dirname(path), { recursive: true });
    const file = await open(beside, 'wx');
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true }).catch(() => undefined);
    const reason = error instanceof Error ? error.message : String(error);
    throw new TunebookError(`${path}: could not be written (${reason}). Nothing was changed.`);
  }
}
