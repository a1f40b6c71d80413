/**
 * Files that appear whole or not at all: written beside their place under a temporary name, flushed to
 * the disk, and renamed. Data sets, tokenizers, models, adapters, checkpoints, reports and notebooks are saved
 * through here.
 */
import {
  chmodSync,
  existsSync,
  promises as fs,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { randomBytes } from 'node:crypto';
import { makeFolders, makeFoldersSync } from './make-folders';
import { messageOf, TunebookError } from '../types';
import { requireLocalPath } from './local-path';
import { isFolder } from './presence';

/** A file that is complete on the disk under a temporary name and waits to take its place. */
export interface StagedFile {
  /** Where the file will be. */
  readonly path: string;
  /** Where the file is now. */
  readonly temporaryPath: string;
  /** Renames the file to its place, over an older one if there is one. */
  commit(): Promise<void>;
  /** Deletes the file; its place stays as it was. Does nothing after `commit`. */
  discard(): Promise<void>;
}

/** Accepts the bytes of one file, in order. */
export type ByteSink = (bytes: Uint8Array) => Promise<void>;

/**
 * Writes a file completely, but does not put it in its place yet, so that several files can be put in
 * place together once all of them are written.
 *
 * @param filePath The final place; its folder must exist.
 * @param write Hands the bytes to the sink in order.
 * @throws {TunebookError} If the disk is full, the folder is missing or not writable; no file is left then.
 */
export async function stageFile(
  filePath: string,
  write: (sink: ByteSink) => Promise<void>,
): Promise<StagedFile> {
  requireLocalPath(filePath);
  // Renamed to at last, after hours maybe.
  if (/[\\/]$/.test(filePath) || (await isFolder(filePath)))
    throw new TunebookError(
      `${filePath}: expected the path of a file, got a folder's. Add a file's name. Nothing was written.`,
    );
  const temporaryPath = path.join(
    path.dirname(filePath),
    `.${path.basename(filePath)}.${process.pid}-${randomBytes(4).toString('hex')}.tmp`,
  );
  let writtenBytes = 0;
  let settled = false;
  const discard = async (): Promise<void> => {
    if (!settled) await fs.rm(temporaryPath, { force: true });
    settled = true;
  };
  try {
    const handle = await fs.open(temporaryPath, 'wx');
    try {
      await write(async (bytes) => {
        // A short write is legal: the rest is written again, which is where a full disk shows itself.
        for (let done = 0; done < bytes.byteLength;) {
          const { bytesWritten } = await handle.write(bytes, done, bytes.byteLength - done);
          done += bytesWritten;
          writtenBytes += bytesWritten;
        }
      });
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    await discard().catch(() => undefined);
    throw explainWriteError(error, filePath, writtenBytes);
  }
  return {
    path: filePath,
    temporaryPath,
    discard,
    commit: async () => {
      try {
        await fs.rename(temporaryPath, filePath);
      } catch (error) {
        await discard().catch(() => undefined);
        throw explainWriteError(error, filePath, writtenBytes);
      }
      settled = true;
      await syncFolder(path.dirname(filePath));
    },
  };
}

/**
 * Writes a whole file, or leaves its place as it was.
 *
 * @param filePath The final place; its folder is made where it is missing.
 * @param content The whole content, or a function that hands it to a sink piece by piece.
 * @throws {TunebookError} If the disk is full, the folder is missing or not writable.
 */
export async function writeFileAtomic(
  filePath: string,
  content: string | Uint8Array | ((sink: ByteSink) => Promise<void>),
): Promise<void> {
  const write =
    typeof content === 'function'
      ? content
      : (sink: ByteSink): Promise<void> =>
          sink(typeof content === 'string' ? Buffer.from(content, 'utf8') : content);
  requireLocalPath(filePath);
  await makeFolders(path.dirname(filePath)).catch((error: unknown) => {
    throw explainWriteError(error, filePath, 0);
  });
  const staged = await stageFile(filePath, write);
  await staged.commit();
}

/**
 * Writes a whole file, or leaves its place as it was: for what must be saved before anything else happens, an
 * executed notebook for instance. An existing file keeps its permissions, and a link to it stays a link. Unlike
 * `writeFileAtomic` it does not flush to the disk, and passes the file system's errors on as they are.
 */
export function writeFileAtomicSync(file: string, content: string | Uint8Array): void {
  requireLocalPath(file);
  const there = existsSync(file);
  const target = there ? realpathSync(file) : path.resolve(file);
  makeFoldersSync(path.dirname(target));
  const temporary = path.join(
    path.dirname(target),
    `.${path.basename(target)}.${randomBytes(4).toString('hex')}.tmp`,
  );
  try {
    writeFileSync(temporary, content);
    if (there) chmodSync(temporary, statSync(target).mode);
    renameSync(temporary, target);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/**
 * Refuses a write that cannot succeed before its first byte.
 *
 * @param folder The folder that is written to.
 * @param neededBytes What will be written there.
 * @throws {TunebookError} If the disk has less space than that.
 */
export async function requireFreeSpace(folder: string, neededBytes: number): Promise<void> {
  const stats = await fs.statfs(folder).catch(() => undefined);
  if (stats === undefined || stats.blocks === 0) return; // a file system that does not say
  const freeBytes = stats.bavail * stats.bsize;
  if (freeBytes < neededBytes) {
    throw new TunebookError(
      `${folder}: expected space for ${neededBytes} bytes, got ${freeBytes} free. ` +
        'Nothing was written. Free some space or choose a folder on another disk.',
    );
  }
}

/** Makes the rename itself survive a power cut; not every platform can open a folder. */
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await fs.open(folder, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch {
    // Windows and some network disks refuse; the rename is still atomic there.
  }
}

function explainWriteError(error: unknown, filePath: string, writtenBytes: number): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const kept = 'What was there before is untouched and no partial file was left.';
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new TunebookError(
        `${filePath}: the disk is full (stopped after ${writtenBytes} bytes). ${kept} ` +
          'Free some space or choose a folder on another disk, then save again.',
        { cause: error },
      );
    case 'EFBIG':
      return new TunebookError(
        `${filePath}: the file grew larger than this disk or user is allowed (stopped after ${writtenBytes} ` +
          `bytes). ${kept} Raise the limit (ulimit -f) or save in smaller shards (maxShardSizeBytes).`,
        { cause: error },
      );
    case 'ENOENT':
    case 'ENOTDIR':
      return new TunebookError(`${filePath}: expected an existing folder to write into. Create it first.`, {
        cause: error,
      });
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new TunebookError(
        `${filePath}: this folder cannot be written to (${code}). ${kept} Choose another folder or fix its permissions.`,
        { cause: error },
      );
    case undefined:
      return error; // not the file system's: the writer's own
    default:
      return new TunebookError(`${filePath}: could not be written (${messageOf(error)}). ${kept}`, {
        cause: error,
      });
  }
}
