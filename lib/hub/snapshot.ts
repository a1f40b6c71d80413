/**
 * The hub's one client: brings files of a repository into the cache that the Python libraries use as well, and finds
 * what lies there. Which files, and when they are enough, the caller says: a model's or a tokenizer's.
 */
import { getRepoFolderName, listFiles, modelInfo } from '@huggingface/hub';
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { hubEnvironment } from '../environment';
import { requireFreeSpace } from '../files';
import { TunebookError } from '../types';
import { COMMIT, fetchFile, missingBytes, snapshotFolder, writeRef } from './cache';
import type { HubFile } from './download';
import { explainHubError, isNetworkError } from './errors';
import type { HubRequest } from './errors';
import type { HubOptions } from './options';
import { ProgressMeter } from './progress';

/** What is wanted of a repository. */
export interface SnapshotRequest {
  /** `OWNER/NAME`, or `NAME` alone. */
  readonly id: string;
  /** What the errors call it. */
  readonly what: 'model' | 'tokenizer';
  readonly options: HubOptions;
  /** Whether a folder of the cache holds all that is needed. */
  readonly isComplete: (folder: string) => Promise<boolean>;
}

/** One commit of a repository, open for downloads. */
export interface HubRepository {
  /** Names of its files, those in folders left out. */
  readonly names: readonly string[];
  /** The folder of the cache that downloads appear in. */
  readonly folder: string;
  /**
   * Downloads files, unless the cache has them.
   *
   * @throws {TunebookError} If one is larger than `maxFileBytes` or cannot be had.
   */
  download(names: readonly string[], options?: { maxFileBytes?: number }): Promise<void>;
}

/** Whether a name can be a repository on the hub: `OWNER/NAME` or `NAME`. */
export function isHubId(name: string): boolean {
  return /^\w[\w.-]{0,95}(\/\w[\w.-]{0,95})?$/.test(name) && !/--|\.\./.test(name);
}

/**
 * The cache's folder of a repository, if it is complete; asks nobody.
 *
 * @throws {TunebookError} If the options make no sense.
 */
export function cachedSnapshot(request: SnapshotRequest): Promise<string | undefined> {
  return findCached(request, placeOf(request));
}

/**
 * The cache's folder of a repository, with what the hub has now; with what was there before if the hub cannot be
 * reached. A download that broke off is continued, every file is checked against the hub's checksum, and a name that
 * the hub gives never leads out of the cache.
 *
 * @param fetch Downloads the files that are wanted.
 * @throws {TunebookError} If there is no such repository, access is restricted, the download fails, or the network is
 *   not to be used and the cache is not complete.
 */
export async function hubSnapshot(
  request: SnapshotRequest,
  fetch: (repository: HubRepository) => Promise<void>,
): Promise<string> {
  const { id, what, options } = request;
  const place = placeOf(request);
  if (options.localFilesOnly ?? hubEnvironment().isOffline) {
    const cached = await findCached(request, place);
    if (cached !== undefined) return cached;
    throw new TunebookError(
      `${what} "${id}": expected it in ${place.repoFolder}, since the network is not to be used, but it is not ` +
        'there or not complete. Run once without localFilesOnly (HF_HUB_OFFLINE), or give the path of a local folder.',
    );
  }
  try {
    const { commit, repository } = await openRepository(place, options);
    await fetch(repository);
    await writeRef(place.repoFolder, place.revision, commit);
    return repository.folder;
  } catch (error) {
    if (isNetworkError(error)) {
      const cached = await findCached(request, place); // no connection: the last one known will do
      if (cached !== undefined) return cached;
    }
    throw explainHubError(error, place);
  }
}

/** A request with everything settled that options and environment leave open. */
interface Place extends HubRequest {
  readonly repoFolder: string;
  readonly token: string | undefined;
}

function placeOf({ id, what, options }: SnapshotRequest): Place {
  const environment = hubEnvironment();
  const token = options.token ?? environment.token;
  const endpoint = options.endpoint?.replace(/\/+$/, '') ?? environment.endpoint;
  const revision = options.revision ?? 'main';
  if (!/^https?:\/\/[^/]/.test(endpoint)) {
    throw new TunebookError(
      `endpoint (HF_ENDPOINT): expected an address like https://huggingface.co, got "${endpoint}".`,
    );
  }
  if (!/^\w[\w./-]*$/.test(revision) || revision.includes('..')) {
    throw new TunebookError(`${what} "${id}": expected a branch, tag or commit, got revision "${revision}".`);
  }
  const cacheFolder = options.cacheDir ?? environment.cacheFolder;
  const repoFolder = path.join(cacheFolder, getRepoFolderName({ type: 'model', name: id }));
  return { what, id, revision, endpoint, hasToken: token !== undefined, repoFolder, token };
}

async function findCached(request: SnapshotRequest, place: Place): Promise<string | undefined> {
  const folder = await snapshotFolder(place.repoFolder, place.revision);
  return folder !== undefined && (await request.isComplete(folder)) ? folder : undefined;
}

async function openRepository(
  place: Place,
  options: HubOptions,
): Promise<{ commit: string; repository: HubRepository }> {
  const { what, id, revision, endpoint, repoFolder, token } = place;
  const access = { hubUrl: endpoint, fetch: fetchWithToken(endpoint, token) };
  const { sha: commit } = await modelInfo({ name: id, revision, additionalFields: ['sha'], ...access });
  if (!COMMIT.test(commit)) {
    throw new TunebookError(`${what} "${id}": the hub gave no commit for "${revision}".`);
  }
  const listed = new Map<string, HubFile>();
  for await (const entry of listFiles({ repo: id, revision: commit, ...access })) {
    const checksum = entry.lfs?.oid ?? entry.oid ?? '';
    if (entry.type !== 'file' || path.basename(entry.path) !== entry.path) continue;
    listed.set(entry.path, { name: entry.path, sizeBytes: entry.lfs?.size ?? entry.size, checksum });
  }
  const folder = path.join(repoFolder, 'snapshots', commit);
  await fs.mkdir(folder, { recursive: true });
  await fs.mkdir(path.join(repoFolder, 'blobs'), { recursive: true });

  const progress = new ProgressMeter(options.onProgress);
  const { maxRetries = 5, retryDelayMs = 1000, stallTimeoutMs = 60_000 } = options;
  const download: HubRepository['download'] = async (names, { maxFileBytes = Infinity } = {}) => {
    const files = names.map((name) => {
      const file = listed.get(name);
      if (file === undefined) throw new Error(`internal: ${id} lists no ${name}`);
      if (file.sizeBytes <= maxFileBytes) return file;
      throw new TunebookError(
        `${what} "${id}": expected ${name} to have at most ${maxFileBytes} bytes, got ${file.sizeBytes}.`,
      );
    });
    progress.add(files);
    await requireFreeSpace(repoFolder, await missingBytes(repoFolder, files));
    for (const file of files) {
      const onBytes = (doneBytes: number): void => progress.report(file, doneBytes);
      const policy = { token, maxRetries, retryDelayMs, stallTimeoutMs, onBytes };
      await fetchFile({ file, commit, repoFolder, request: place, policy });
    }
  };
  return { commit, repository: { names: [...listed.keys()], folder, download } };
}

/** The hub's own client refuses tokens of mirrors (they need not start with hf_), so the header is set here. */
function fetchWithToken(endpoint: string, token: string | undefined): typeof fetch {
  return (input, init) => {
    const headers = new Headers(init?.headers);
    const address = input instanceof Request ? input.url : String(input);
    const same = new URL(address).origin === new URL(endpoint).origin;
    if (token !== undefined && same) headers.set('authorization', `Bearer ${token}`);
    return fetch(input, { ...init, headers });
  };
}
