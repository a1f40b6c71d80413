/**
 * One run at a time writes an output. A lock file beside it names the process; the lock of a dead process is stale.
 */
import fs from 'node:fs';
import path from 'node:path';
import { requireLocalPath, makeFoldersSync } from '../../files';
import { TunebookError } from '../../types';
import { isAlive, readOwner, thisProcess } from '../client/process-owner';

/** Removes a lock; where that cannot be done, its folder is gone or it is none of ours. */
function remove(file: string): void {
  try {
    fs.rmSync(file, { force: true });
  } catch {
    // the next attempt to write it fails with the reason
  }
}

/** Removes what a process that was killed had not written to its end. */
function removeHalfWritten(output: string, pid: number): void {
  const folder = path.dirname(path.resolve(output));
  const start = `.${path.basename(output)}.${pid}-`;
  for (const name of fs.readdirSync(folder))
    if (name.startsWith(start) && name.endsWith('.tmp')) remove(path.join(folder, name));
}

/**
 * Takes an output for this process.
 * @returns a function that releases it
 * @throws TunebookError when another run has it, or nothing can be written there
 */
export function lockOutput(output: string): () => void {
  requireLocalPath(output, 'run');
  const folder = path.dirname(path.resolve(output));
  const file = path.join(folder, `.${path.basename(output)}.lock`);
  for (let attempt = 0; ; attempt++) {
    try {
      makeFoldersSync(folder);
      fs.writeFileSync(file, JSON.stringify(thisProcess()), { flag: 'wx' });
      return () => remove(file);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'EEXIST' || attempt > 2 || !fs.existsSync(file))
        throw new TunebookError(`${output}: cannot be written (${code})`);
    }
    const other = readOwner(file);
    if (other && isAlive(other))
      throw new TunebookError(
        `${output}: another run (process ${other.pid}) is writing it; wait for its end, or choose another output`,
      );
    if (other) removeHalfWritten(output, other.pid);
    remove(file);
  }
}
