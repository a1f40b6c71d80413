/**
 * The hub's cache on this disk, in the layout that the Python libraries use: `blobs/<checksum>` hold the
 * bytes, `snapshots/<commit>/<name>` link to them, `refs/<branch>` name commits.
 */
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { TunebookError } from '../types';
import { isFolder, writeFileAtomic, makeFolders } from '../files';
import { downloadBlob } from './download';
import type { DownloadPolicy, HubFile } from './download';
import { nameOf, pathOf } from './errors';
import type { HubRequest } from './errors';

/** The name of a commit: 40 hex digits. */
export const COMMIT = /^[0-9a-f]{40}$/;
const CHECKSUM = /^([0-9a-f]{40}|[0-9a-f]{64})$/;

/** Downloads a file unless the cache has it, and links it into the snapshot, as huggingface_hub does. */
export async function fetchFile(job: {
  file: HubFile;
  commit: string;
  repoFolder: string;
  request: HubRequest;
  policy: DownloadPolicy;
}): Promise<void> {
  const { file, commit, repoFolder, request, policy } = job;
  if (!CHECKSUM.test(file.checksum) || !Number.isSafeInteger(file.sizeBytes) || file.sizeBytes < 0) {
    throw new TunebookError(`${nameOf(request)}, ${file.name}: the hub gave no usable checksum or size.`);
  }
  const blobPath = path.join(repoFolder, 'blobs', file.checksum);
  const blob = await fs.stat(blobPath).catch(() => undefined);
  if (blob?.size !== file.sizeBytes) {
    const name = file.name.split('/').map(encodeURIComponent).join('/');
    const address = `${request.endpoint}/${pathOf(request)}/resolve/${commit}/${name}`;
    await downloadBlob(address, file, blobPath, { request, policy });
  }
  policy.onBytes(file.sizeBytes);
  const pointer = path.join(repoFolder, 'snapshots', commit, file.name);
  const target = await fs.realpath(pointer).catch(() => undefined);
  if (target === (await fs.realpath(blobPath))) return;
  await makeFolders(path.dirname(pointer));
  await fs.rm(pointer, { force: true });
  try {
    await fs.symlink(path.relative(path.dirname(pointer), blobPath), pointer);
  } catch {
    await fs.link(blobPath, pointer).catch(() => fs.copyFile(blobPath, pointer)); // Windows without permission to make symlinks
  }
}

/** The snapshot folder of a revision, complete or not; undefined where there is none. */
export async function snapshotFolder(repoFolder: string, revision: string): Promise<string | undefined> {
  const ref = path.join(repoFolder, 'refs', ...revision.split('/'));
  const commit = COMMIT.test(revision) ? revision : (await fs.readFile(ref, 'utf8').catch(() => '')).trim();
  const snapshot = path.join(repoFolder, 'snapshots', commit);
  return COMMIT.test(commit) && (await isFolder(snapshot)) ? snapshot : undefined;
}

/** Bytes of these files that are not on the disk yet. */
export async function missingBytes(repoFolder: string, files: readonly HubFile[]): Promise<number> {
  let missing = 0;
  for (const { checksum, sizeBytes } of files) {
    const blob = path.join(repoFolder, 'blobs', checksum);
    const stats = await fs.stat(blob).catch(() => fs.stat(`${blob}.incomplete`).catch(() => undefined));
    missing += Math.max(0, sizeBytes - (stats?.size ?? 0));
  }
  return missing;
}

/** Records which commit a branch or tag points to. */
export async function writeRef(repoFolder: string, revision: string, commit: string): Promise<void> {
  if (revision === commit) return;
  const ref = path.join(repoFolder, 'refs', ...revision.split('/'));
  await makeFolders(path.dirname(ref));
  await writeFileAtomic(ref, commit);
}
