/**
 * Which process something belongs to. A process that is killed cannot tidy up: its locks and temporary folders are
 * known as stale by the process that they name, and the next one clears them away.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { isJsonObject } from '../../files';

/** A process, known again even where its number has been given to another one. */
export interface ProcessOwner {
  readonly pid: number;
  readonly host: string;
  /** When it began, in the system's own measure; null where the system does not say. */
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

/** This process. */
export function thisProcess(): ProcessOwner {
  return { pid: process.pid, host: os.hostname(), began: beginning(process.pid) ?? null };
}

/** Whether a process of this machine runs. Of another one, a container that is gone for instance, it cannot be known. */
export function isAlive({ pid, host, began }: ProcessOwner): boolean {
  if (host !== os.hostname()) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  return (began ?? undefined) === beginning(pid);
}

/** Reads the owner that a file names; undefined where the file is gone, or cut off by a full disk. */
export function readOwner(file: string): ProcessOwner | undefined {
  try {
    const owner: unknown = JSON.parse(fs.readFileSync(file, 'utf8'));
    return isJsonObject(owner) ? (owner as unknown as ProcessOwner) : undefined;
  } catch {
    return undefined;
  }
}

const OWNER_FILE = 'owner.json';

/**
 * Makes a temporary folder of this process, and removes those of the same prefix that processes of this machine which
 * are gone have left.
 */
export function makeOwnedFolder(prefix: string): string {
  const parent = os.tmpdir();
  for (const name of fs.readdirSync(parent).filter((one) => one.startsWith(prefix))) {
    const folder = path.join(parent, name);
    const owner = readOwner(path.join(folder, OWNER_FILE));
    if (!owner || owner.host !== os.hostname() || isAlive(owner)) continue;
    try {
      fs.rmSync(folder, { recursive: true, force: true });
    } catch {
      // another user's
    }
  }
  const folder = fs.mkdtempSync(path.join(parent, prefix));
  fs.writeFileSync(path.join(folder, OWNER_FILE), JSON.stringify(thisProcess()));
  return folder;
}
