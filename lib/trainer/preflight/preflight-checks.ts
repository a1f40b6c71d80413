/**
 * Checks before anything is computed: folders that cannot be written, a disk that is too small. `preflight-memory.ts`
 * checks memory.
 */
import { createHash, randomBytes } from 'node:crypto';
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { makeFolders } from '../../files';
import type { CausalLM } from '../../pretrained';
import { messageOf, TunebookError } from '../../types';
import type { CheckedArguments } from '../arguments/schema';

/** The error of a run that cannot work. @param problems a sentence each, with what to do */
export function failed(problems: readonly string[]): TunebookError {
  return new TunebookError(`preflight: this run cannot work.\n${problems.map((p) => `- ${p}`).join('\n')}`);
}

/**
 * Checks the folder of offloaded layers before anything is read from it.
 * @throws TunebookError where it is gone or cannot be written; names the output folder's fault too
 */
export async function requireOffloadFolder(run: {
  model: CausalLM;
  values: CheckedArguments;
}): Promise<void> {
  const folder = run.model.weights.frozen?.offloadFolder;
  if (folder === undefined) return;
  const stats = await fs.stat(folder).catch(() => undefined);
  const isFolder = stats?.isDirectory() ?? false;
  const fault = isFolder
    ? await folderFault('offloadFolder', folder)
    : `offloadFolder: expected the folder ${folder} with layers of the model, got ` +
      (stats === undefined
        ? 'nothing there. Load the model again: its layers are written anew.'
        : 'a file of that name. Move it away and load the model again: its layers are written anew.');
  if (fault === undefined) return;
  const others = await folderFault('outputDir', run.values.outputDir);
  throw failed(others === undefined ? [fault] : [others, fault]);
}

/** Writes and reads back a file in a folder. @returns what is wrong, with what to do */
export async function folderFault(option: string, folder: string): Promise<string | undefined> {
  const file = path.join(folder, `.preflight-${process.pid}-${randomBytes(4).toString('hex')}`);
  const bytes = randomBytes(1 << 16);
  const sum = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');
  try {
    await makeFolders(folder);
    await fs.writeFile(file, bytes, { flush: true });
    if (sum(await fs.readFile(file)) !== sum(bytes))
      return `${option}: ${folder} gives back other bytes than were written. Choose a folder on another disk.`;
    return undefined;
  } catch (error) {
    const why = messageOf(error);
    const isFull = /^(ENOSPC|EDQUOT|EFBIG)/.test(why);
    const remedy = isFull
      ? 'Free space, or choose another folder'
      : 'Choose another folder or fix its permissions';
    return `${option}: ${folder} cannot be written (${why}). ${remedy}.`;
  } finally {
    await fs.rm(file, { force: true }).catch(() => undefined);
  }
}

/** Bytes available to users on a folder's disk; undefined where the file system does not say. */
export async function freeDisk(folder: string): Promise<number | undefined> {
  const stats = await fs.statfs(folder).catch(() => undefined);
  return stats === undefined || stats.blocks === 0 ? undefined : stats.bavail * stats.bsize;
}

/** Most checkpoints in the output folder at a time, including the one being written. */
export function checkpointsAtATime(values: CheckedArguments, checkpoints: number): number {
  const limit = values.saveTotalLimit ?? Infinity;
  const best = values.loadBestModelAtEnd && limit === 1 ? 1 : 0;
  return Math.min(checkpoints, limit + best + 1);
}

export function diskFault(disk: {
  folder: string;
  bytes: number;
  count: number;
  free: number | undefined;
  values: CheckedArguments;
}): string | undefined {
  const { folder, bytes, count, free } = disk;
  if (free === undefined || bytes * count <= free) return undefined;
  const fitting = Math.floor(free / bytes) - 1;
  const advice =
    fitting >= 1
      ? `Set saveTotalLimit: ${fitting}, save more rarely (saveSteps), free some space`
      : 'Free some space';
  return (
    `outputDir: ${folder} has ${free} bytes free, ${count} checkpoints of ${bytes} bytes need ${bytes * count}. ` +
    `${advice} or choose a folder on another disk.`
  );
}
