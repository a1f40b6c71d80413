/**
 * The one client of the Hugging Face hub: downloads files of a repository into the cache that the Python libraries
 * share, and finds what is there. The caller decides which files it needs: a model's or a tokenizer's.
 */
import path from 'node:path';
import { hubEnvironment } from '../environment';
import { requireFreeSpace, requireLocalPath, makeFolders } from '../files';
import { TunebookError } from '../types';
import { COMMIT, fetchFile, missingBytes, snapshotFolder, writeRef } from './cache';
import { fetchWithToken, hubClient } from './client';
import type { HubFile } from './download';
import { explainHubError, isNetworkError } from './errors';
import type { HubRequest } from './errors';
import type { HubOptions } from './options';
import { ProgressMeter } from './progress';

/** What a caller wants from a repository. */
export interface SnapshotRequest {
  /** `OWNER/NAME`, or `NAME` alone. */
  readonly id: string;
  /** What errors call it. */
  readonly what: 'model' | 'tokenizer' | 'dataset';
  /** Folders of the repository whose files are listed as well, as `folder/name`; 'all' lists every file. */
  readonly folders?: readonly string[] | 'all';
  readonly options: HubOptions;
  /** Whether a snapshot folder holds every file that is needed. */
  readonly isComplete: (folder: string) => Promise<boolean>;
}

/** One commit of a repository, open for downloads. */
export interface HubRepository {
  /** Names of its files at the top level, and of those in the folders that were asked for. */
  readonly names: readonly string[];
  /** The snapshot folder in the cache, where downloads appear. */
  readonly folder: string;
  /**
   * Downloads the files that the cache lacks.
   *
   * @throws {TunebookError} If one is larger than `maxFileBytes` or the download fails.
   */
  download(names: readonly string[], options?: { maxFileBytes?: number }): Promise<void>;
}

/** Whether a name can be a repository's: `OWNER/NAME` or `NAME`. */
export function isHubId(name: string): boolean {
  return /^\w[\w.-]{0,95}(\/\w[\w.-]{0,95})?$/.test(name) && !/--|\.\./.test(name);
}

/**
 * The snapshot folder of a repository if the cache has it complete; never uses the network.
 *
 * @throws {TunebookError} If the endpoint or the revision is malformed.
 */
export function cachedSnapshot(request: SnapshotRequest): Promise<string | undefined> {
  return findCached(request, placeOf(request));
}

/**
 * The snapshot folder of a repository at the hub's current commit, or the last known one if the hub cannot be reached.
 * Interrupted downloads resume, every file is verified against the hub's checksum, and no name from the hub can lead
 * out of the cache.
 *
 * @param fetch Downloads the files that are needed.
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
    const { commit, repository } = await openRepository(place, request);
    await fetch(repository);
    await writeRef(place.repoFolder, place.revision, commit);
    return repository.folder;
  } catch (error) {
    if (isNetworkError(error)) {
      const cached = await findCached(request, place); // no connection: use the last known commit
      if (cached !== undefined) return cached;
    }
    throw explainHubError(error, place);
  }
}

function repoType(what: SnapshotRequest['what']): 'model' | 'dataset' {
  return what === 'dataset' ? 'dataset' : 'model';
}

/** Whether a name from the hub stays in the folder that it is written to, on every system. */
function isSafeName(name: string): boolean {
  return (
    name.split('/').every((part) => part !== '' && part !== '.' && part !== '..') && !/[\\:\0]/.test(name)
  );
}

/** A request with the defaults of options and environment filled in. */
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
  requireLocalPath(cacheFolder, 'the hub cache (cacheDir, HF_HOME or HF_HUB_CACHE)');
  const repoFolder = path.join(
    cacheFolder,
    hubClient().getRepoFolderName({ type: repoType(what), name: id }),
  );
  return { what, id, revision, endpoint, hasToken: token !== undefined, repoFolder, token };
}

async function findCached(request: SnapshotRequest, place: Place): Promise<string | undefined> {
  const folder = await snapshotFolder(place.repoFolder, place.revision);
  return folder !== undefined && (await request.isComplete(folder)) ? folder : undefined;
}

async function openRepository(
  place: Place,
  { options, folders = [] }: SnapshotRequest,
): Promise<{ commit: string; repository: HubRepository }> {
  const { what, id, revision, endpoint, repoFolder, token } = place;
  const access = { hubUrl: endpoint, fetch: fetchWithToken(endpoint, token) };
  const request = { name: id, revision, ...access };
  const { sha: commit } =
    what === 'dataset'
      ? await hubClient().datasetInfo({ ...request, additionalFields: ['sha'] })
      : await hubClient().modelInfo({ ...request, additionalFields: ['sha'] });
  if (!COMMIT.test(commit)) {
    throw new TunebookError(`${what} "${id}": the hub gave no commit for "${revision}".`);
  }
  const listed = new Map<string, HubFile>();
  const present = new Set<string>();
  const list = async (within?: string): Promise<void> => {
    const prefix = within === undefined ? '' : `${within}/`;
    const recursive = folders === 'all';
    const repo = { repo: { type: repoType(what), name: id }, revision: commit, path: within, recursive };
    for await (const entry of hubClient().listFiles({ ...repo, ...access })) {
      const isWithin = recursive
        ? isSafeName(entry.path)
        : `${prefix}${path.basename(entry.path)}` === entry.path;
      if (!isWithin) continue;
      if (entry.type === 'directory') present.add(entry.path);
      if (entry.type !== 'file') continue;
      const checksum = entry.lfs?.oid ?? entry.oid ?? '';
      listed.set(entry.path, { name: entry.path, sizeBytes: entry.lfs?.size ?? entry.size, checksum });
    }
  };
  await list();
  for (const name of folders === 'all' ? [] : folders) if (present.has(name)) await list(name);
  const folder = path.join(repoFolder, 'snapshots', commit);
  await makeFolders(folder);
  await makeFolders(path.join(repoFolder, 'blobs'));

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
