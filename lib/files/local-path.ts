/** Paths, which URLs are not: `s3://bucket/run` would become a folder called `s3:` here. */
import { makeFolders, makeFoldersSync } from './make-folders';
import { messageOf, TunebookError } from '../types';

/** A URL's scheme as a part of a path, joined or resolved; one letter is a Windows drive. */
const SCHEME = /^[a-z][a-z0-9+.-]+:$/i;

/** Whether data is named by its address on the Hugging Face hub, the one URL that is read. */
export function isHubAddress(file: string): boolean {
  return file.startsWith('hf://');
}

/**
 * Refuses URLs where a path is taken.
 *
 * @param where what takes the path, for the error
 * @throws {TunebookError} If the path has a URL's scheme in it.
 */
export function requireLocalPath(file: string, where?: string): void {
  const scheme = file.split(/[\\/]/).find((part) => SCHEME.test(part));
  if (scheme === undefined) return;
  const advice =
    scheme.toLowerCase() === 'file:'
      ? 'Leave out file://.'
      : `Copy from and to ${scheme}// with its own tool, and give a local path here.`;
  throw new TunebookError(
    `${where === undefined ? '' : `${where}: `}expected a path on this machine, got ${file}. ${advice}`,
  );
}

/**
 * Makes a folder and those above it.
 * @throws {TunebookError} For a URL, a path with a file in it, and where nothing may be written.
 */
export async function makeFolder(folder: string): Promise<void> {
  requireLocalPath(folder);
  await makeFolders(folder).catch((error: unknown) => {
    throw notMade(folder, error);
  });
}

/** `makeFolder` at once. */
export function makeFolderSync(folder: string): void {
  requireLocalPath(folder);
  try {
    makeFoldersSync(folder);
  } catch (error) {
    throw notMade(folder, error);
  }
}

function notMade(folder: string, error: unknown): TunebookError {
  return new TunebookError(
    `${folder}: this folder cannot be made (${messageOf(error)}). Choose a path without a file in it, where you may write.`,
    { cause: error },
  );
}
