/**
 * Downloads one file into the cache: resumes after a broken connection or an interrupted run, and verifies the
 * checksum before the file gets its name.
 */
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { TunebookError } from '../types';
import {
  ConnectionLost,
  hubStatusError,
  isNetworkError,
  isTransientStatus,
  networkReason,
  nameOf,
} from './errors';
import type { HubRequest } from './errors';
import { hubChecksum } from './hub-checksum';

/** A file of a repository, as the hub lists it. */
export interface HubFile {
  /** Its name, after one folder's at most. */
  readonly name: string;
  readonly sizeBytes: number;
  /** Name of the blob in the cache: SHA-256 of the content (large files), or git's SHA-1 of it. In hex. */
  readonly checksum: string;
}

/** Retries, timeouts and progress of a download. */
export interface DownloadPolicy {
  readonly token?: string;
  /** Retries in a row that bring no new bytes before the download fails. */
  readonly maxRetries: number;
  /** Pause before the first retry, in ms; doubles each time. */
  readonly retryDelayMs: number;
  /** A connection that sends nothing for so long is dropped, in ms. */
  readonly stallTimeoutMs: number;
  /** Called with the bytes of this file that are on the disk. */
  readonly onBytes: (doneBytes: number) => void;
}

/**
 * Downloads a file to `blobs/<checksum>` through `<checksum>.incomplete`, which a later call resumes.
 *
 * @throws {TunebookError} If the hub refuses, the connection stays down, the disk is full, or the checksum is wrong.
 */
export async function downloadBlob(
  url: string,
  file: HubFile,
  blobPath: string,
  { request, policy }: { request: HubRequest; policy: DownloadPolicy },
): Promise<void> {
  const partialPath = `${blobPath}.incomplete`;
  let failures = 0;
  for (;;) {
    const before = await sizeOf(partialPath);
    if (before > file.sizeBytes) await fs.rm(partialPath, { force: true });
    else if (before === file.sizeBytes && before > 0) break;
    try {
      await continueDownload(url, file, partialPath, { request, policy });
      break;
    } catch (error) {
      if (!isNetworkError(error)) throw explainDiskError(error, partialPath);
      const now = await sizeOf(partialPath);
      failures = now > before ? 1 : failures + 1;
      if (failures > policy.maxRetries) {
        throw new TunebookError(
          `${nameOf(request)}, ${file.name}: the connection broke (${networkReason(error)}) with ${now} of ` +
            `${file.sizeBytes} bytes here. They are kept: run again to continue.`,
          { cause: error },
        );
      }
      await sleep(policy.retryDelayMs * 2 ** (failures - 1));
    }
  }
  try {
    await requireChecksum(partialPath, file, request);
    await fs.rename(partialPath, blobPath);
  } catch (error) {
    // Another process downloaded the same file, verified it and renamed it first.
    if (error instanceof TunebookError || (await sizeOf(blobPath)) !== file.sizeBytes) throw error;
  }
}

/** Requests the missing bytes once; a network error is worth a retry. */
async function continueDownload(
  url: string,
  file: HubFile,
  partialPath: string,
  { request, policy }: { request: HubRequest; policy: DownloadPolicy },
): Promise<void> {
  let position = await sizeOf(partialPath);
  const watchdog = new AbortController();
  const stall = setTimeout(
    () =>
      watchdog.abort(new DOMException(`nothing received for ${policy.stallTimeoutMs} ms`, 'TimeoutError')),
    policy.stallTimeoutMs,
  );
  const handle = await fs.open(partialPath, 'a').then(async (created) => {
    await created.close();
    return fs.open(partialPath, 'r+');
  });
  try {
    const headers: Record<string, string> = { 'accept-encoding': 'identity' };
    if (policy.token !== undefined) headers.authorization = `Bearer ${policy.token}`; // fetch drops it on a redirect to another host
    if (position > 0) headers.range = `bytes=${position}-`;
    const response = await fetch(url, { headers, signal: watchdog.signal });
    if (isTransientStatus(response.status)) throw new ConnectionLost(`status ${response.status}`);
    if (!response.ok && response.status !== 416) {
      throw hubStatusError(request, response.status, response.headers.get('x-error-code') ?? undefined);
    }
    const continues =
      response.status === 206 &&
      response.headers.get('content-range')?.startsWith(`bytes ${position}-`) === true;
    if (!continues && position > 0) {
      await handle.truncate(0); // the server ignores ranges: start over
      position = 0;
    }
    if (response.status === 416) throw new ConnectionLost('the server refused the range');
    if (response.body === null) throw new ConnectionLost('the response has no body');
    const reader = response.body.getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      const bytes = part.value;
      stall.refresh();
      if (position + bytes.byteLength > file.sizeBytes) {
        await handle.truncate(0);
        throw new TunebookError(
          `${nameOf(request)}, ${file.name}: expected ${file.sizeBytes} bytes, the server sent more. Try again later.`,
        );
      }
      // At an explicit position: two processes may download the same file at once.
      for (let done = 0; done < bytes.byteLength;) {
        const { bytesWritten } = await handle.write(bytes, done, bytes.byteLength - done, position);
        done += bytesWritten;
        position += bytesWritten;
      }
      policy.onBytes(position);
    }
    if (position < file.sizeBytes) throw new ConnectionLost(`the response ended at byte ${position}`);
    await handle.sync();
  } finally {
    clearTimeout(stall);
    await handle.close();
  }
}

async function requireChecksum(filePath: string, file: HubFile, request: HubRequest): Promise<void> {
  const actual = await hubChecksum(filePath, file.sizeBytes, file.checksum.length === 64);
  if (actual === file.checksum) return;
  await fs.rm(filePath, { force: true });
  throw new TunebookError(
    `${nameOf(request)}, ${file.name}: expected checksum ${file.checksum}, got ${actual}. The file was deleted. ` +
      'Try again; if it happens again, a proxy or mirror changes the files.',
  );
}

async function sizeOf(filePath: string): Promise<number> {
  const stats = await fs.stat(filePath).catch(() => undefined);
  return stats?.size ?? 0;
}

function explainDiskError(error: unknown, filePath: string): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code !== 'ENOSPC' && code !== 'EDQUOT' && code !== 'EFBIG') return error;
  return new TunebookError(
    `${path.dirname(filePath)}: the disk is full. What was downloaded is kept; free some space, or set HF_HOME to ` +
      'a folder on another disk, and run again.',
    { cause: error },
  );
}
