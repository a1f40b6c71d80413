/** Whether files and folders exist. */
import { promises as fs } from 'node:fs';
import { messageOf, TunebookError } from '../types';

/** Whether a path is a folder; false too if it cannot be examined. */
export async function isFolder(folder: string): Promise<boolean> {
  const stats = await fs.stat(folder).catch(() => undefined);
  return stats?.isDirectory() === true;
}

/** Whether a path is a file; false too if it cannot be examined. */
export async function isFile(file: string): Promise<boolean> {
  const stats = await fs.stat(file).catch(() => undefined);
  return stats?.isFile() === true;
}

/**
 * The text of a file; undefined if there is none.
 *
 * @throws {TunebookError} If it exists but cannot be read.
 */
export async function readTextIfPresent(file: string): Promise<string | undefined> {
  try {
    return await fs.readFile(file, 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw new TunebookError(`${file}: cannot be read (${messageOf(error)}).`, { cause: error });
  }
}

/** Whether an error says that a file or folder does not exist. */
export function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}
