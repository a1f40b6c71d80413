/**
 * Folders with those above them. Node's own way never ends where a system answers ENOENT below a folder that is there, as
 * Linux does in /proc; the synchronous one holds the whole process then.
 */
import { existsSync, mkdirSync, promises as fs } from 'node:fs';
import path from 'node:path';

/** The missing folder that is nearest to the root; a plain call that makes it has an end. */
function topMissing(folder: string): string | undefined {
  let [top, above]: [string | undefined, string] = [undefined, path.resolve(folder)];
  while (!existsSync(above) && above !== path.dirname(above)) {
    top = above;
    above = path.dirname(above);
  }
  return top;
}

/** Another process may have made it, and a link that leads nowhere is node's to name. */
function unlessThere(error: unknown): void {
  if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
}

/** As `fs.mkdir` with `recursive`. @throws the system's error */
export async function makeFolders(folder: string): Promise<void> {
  const top = topMissing(folder);
  if (top !== undefined) await fs.mkdir(top).catch(unlessThere);
  await fs.mkdir(folder, { recursive: true });
}

/** As `fs.mkdirSync` with `recursive`. @throws the system's error */
export function makeFoldersSync(folder: string): void {
  const top = topMissing(folder);
  try {
    if (top !== undefined) mkdirSync(top);
  } catch (error) {
    unlessThere(error);
  }
  mkdirSync(folder, { recursive: true });
}
