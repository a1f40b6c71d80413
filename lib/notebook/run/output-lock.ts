/**
 * One run at a time writes an output. A lock file beside it names the process; the lock of a dead process is stale.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { TunebookError } from '../../types';

interface Owner {
  readonly pid: number;
  readonly host: string;
  /** When that process began, in the system's own measure: process ids are used again. */
  readonly began: string | null;
}

/** When a process began, undefined where the system does not say or there is none. */
function beginning(pid: number): string | undefined {
  try {
    // The name of the program, in brackets, may have blanks in it; what follows has none. (proc(5), field 22)
    const fields = fs
      .readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\)\s/s, '')
      .split(' ');
    return fields[19];
  } catch {
    return undefined;
  }
}

function isAlive({ pid, host, began }: Owner): boolean {
  if (host !== os.hostname()) return false; // a container that is gone, for instance: there is no way to check
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  return (began ?? undefined) === beginning(pid);
}

function readOwner(file: string): Owner | undefined {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8')) as Owner;
  } catch {
    return undefined; // gone, or cut off by a full disk
  }
}

/** Removes a lock; where that cannot be done, its folder is gone or it is none of ours. */
function remove(file: string): void {
  try {
    fs.rmSync(file, { force: true });
  } catch {
    // the next attempt to write it fails with the reason
  }
}

/**
 * Takes an output for this process.
 * @returns a function that releases it
 * @throws TunebookError when another run has it, or nothing can be written there
 */
export function lockOutput(output: string): () => void {
  const folder = path.dirname(path.resolve(output));
  const file = path.join(folder, `.${path.basename(output)}.lock`);
  const owner: Owner = { pid: process.pid, host: os.hostname(), began: beginning(process.pid) ?? null };
  for (let attempt = 0; ; attempt++) {
    try {
      fs.mkdirSync(folder, { recursive: true });
      fs.writeFileSync(file, JSON.stringify(owner), { flag: 'wx' });
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
    remove(file);
  }
}
