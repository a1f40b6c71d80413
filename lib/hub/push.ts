/**
 * A folder to the hub: what is there already stays, large files go first, one commit ends it. An upload that broke off is
 * resumed by pushing again, since the hub keeps what it has by checksum.
 */
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { hubEnvironment } from '../environment';
import { requireLocalPath } from '../files';
import { requireOptions } from '../options';
import { requireText, TunebookError } from '../types';
import { hubClient } from './client';
import { ProgressMeter } from './progress';
import type { DownloadProgress } from './progress';
import { explainPushError, statusOf } from './push-errors';
import { pushFetch } from './push-fetch';
import type { PushPlace } from './push-fetch';
import { hubChecksum } from './hub-checksum';
import { filesToPush, requireNoToken } from './push-files';
import type { LocalFile } from './push-files';
import { isHubId } from './snapshot';

/** How a folder is pushed. The token comes from HF_TOKEN, or from the file that `hf auth login` writes, only. */
export interface PushOptions {
  /** `OWNER/NAME`; made where it is not there. */
  readonly repo: string;
  /** Whether a repository that is made now is private. Default: as the owner's settings say, else public. */
  readonly private?: boolean;
  /** The branch; made where it is not there. Default 'main'. */
  readonly revision?: string;
  /** The commit's title. */
  readonly message?: string;
  /** Say what would be pushed, and push nothing. Default false. */
  readonly dryRun?: boolean;
  /** Push optimizer state, random state and the like of training checkpoints too. Default false: they are refused. */
  readonly withTrainingState?: boolean;
  /** Address of the hub; HF_ENDPOINT or https://huggingface.co by default. */
  readonly endpoint?: string;
  /** Called as files arrive. */
  readonly onProgress?: (progress: DownloadProgress) => void;
  /** Retries of a request that the hub is too busy for, or that breaks off. Default 5. */
  readonly maxRetries?: number;
  /** Pause before the first retry, in ms; doubles each time. Default 1000. */
  readonly retryDelayMs?: number;
}

/** What was pushed. */
export interface PushResult {
  /** Address of the repository. */
  readonly url: string;
  /** Files that were sent, or would be with `dryRun`. */
  readonly pushed: readonly { readonly name: string; readonly sizeBytes: number }[];
  /** Files that the repository has already. */
  readonly unchanged: readonly string[];
  /** Files that are never pushed, and why. */
  readonly leftOut: readonly { readonly name: string; readonly reason: string }[];
  /** The commit that was made; undefined where nothing changed, or with `dryRun`. */
  readonly commit: string | undefined;
  /** Whether the repository is new. */
  readonly isNew: boolean;
}

interface RemoteFile {
  readonly sizeBytes: number;
  /** SHA-256 where `isLarge`, else git's SHA-1. */
  readonly checksum: string;
  readonly isLarge: boolean;
}

/**
 * Pushes a folder to a repository of the hub; `.env` files and keys never, training state only where asked.
 *
 * @throws TunebookError where the folder has nothing or too much to push, there is no token, the network is not to be
 *   used, or the hub refuses
 * @example
 * import { pushToHub } from 'tunebook';
 *
 * const { pushed } = await pushToHub('outputs/01-gpt2-finetuning/model', { repo: 'me/race-coach', dryRun: true });
 */
export async function pushToHub(folder: string, options: PushOptions): Promise<PushResult> {
  const where = 'pushToHub';
  requireText(folder, { where, what: 'the path of a folder' });
  requireLocalPath(folder, where);
  requireOptions<PushOptions>(options, {
    where,
    names: {
      ...{ repo: true, private: true, revision: true, message: true, dryRun: true, withTrainingState: true },
      ...{ endpoint: true, onProgress: true, maxRetries: true, retryDelayMs: true },
    },
  });
  const place = placeOf(options);
  const { files, leftOut } = await filesToPush(folder, { withTrainingState: options.withTrainingState });
  await requireNoToken(files, place.token);
  try {
    const found = await remoteFiles(place, options);
    const { changed, unchanged } = await compare(files, found?.files);
    const result: PushResult = {
      ...{ url: `${place.endpoint}/${place.id}`, unchanged, leftOut, isNew: found === undefined },
      pushed: changed.map(({ name, sizeBytes }) => ({ name, sizeBytes })),
      commit: undefined,
    };
    if (options.dryRun === true || changed.length === 0) return result;
    if (found === undefined) await createRepository(place, options.private);
    if (found?.hasBranch !== true && place.revision !== 'main') await createBranch(place);
    return { ...result, commit: await send(changed, place, options) };
  } catch (error) {
    throw explainPushError(error, place);
  }
}

/** @throws TunebookError where it is no place to push to, or there is no token */
function placeOf(options: PushOptions): PushPlace {
  const { repo, revision = 'main', dryRun = false } = options;
  const environment = hubEnvironment();
  const endpoint = options.endpoint?.replace(/\/+$/, '') ?? environment.endpoint;
  if (typeof repo !== 'string' || !isHubId(repo) || !repo.includes('/'))
    throw new TunebookError(`push: expected a repository OWNER/NAME, got ${JSON.stringify(repo)}.`);
  if (!/^\w[\w./-]*$/.test(revision) || revision.includes('..'))
    throw new TunebookError(`push: expected a branch in revision, got ${JSON.stringify(revision)}.`);
  if (!/^https?:\/\/[^/]/.test(endpoint))
    throw new TunebookError(
      `endpoint (HF_ENDPOINT): expected an address like https://huggingface.co, got "${endpoint}".`,
    );
  if (environment.isOffline)
    throw new TunebookError(
      'push: expected a network, but HF_HUB_OFFLINE says that it is not to be used. Unset it.',
    );
  const { token } = environment;
  if (token === undefined && !dryRun)
    throw new TunebookError(
      `push: expected a token that may write to ${repo}, got none. Set HF_TOKEN, or log in with \`hf auth login\`; tokens ` +
        `are made at ${endpoint}/settings/tokens.`,
    );
  return { id: repo, revision, endpoint, token };
}

/** What the repository has on the branch; undefined where there is no repository. */
async function remoteFiles(
  place: PushPlace,
  options: PushOptions,
): Promise<{ files: Map<string, RemoteFile>; hasBranch: boolean } | undefined> {
  const access = { hubUrl: place.endpoint, fetch: pushFetch(place, options) };
  const files = new Map<string, RemoteFile>();
  try {
    const request = { repo: place.id, revision: encodeURIComponent(place.revision), recursive: true };
    for await (const { type, path: name, size, oid, lfs } of hubClient().listFiles({
      ...request,
      ...access,
    })) {
      if (type !== 'file') continue;
      const isLarge = lfs !== undefined;
      files.set(name, { sizeBytes: lfs?.size ?? size, checksum: lfs?.oid ?? oid ?? '', isLarge });
    }
    return { files, hasBranch: true };
  } catch (error) {
    if (statusOf(error) !== 404 && !(statusOf(error) === 401 && place.token === undefined)) throw error;
    const isBranch = error instanceof Error && /revision|rev id/i.test(error.message);
    return isBranch ? { files, hasBranch: false } : undefined;
  }
}

async function compare(
  files: readonly LocalFile[],
  remote: ReadonlyMap<string, RemoteFile> | undefined,
): Promise<{ changed: LocalFile[]; unchanged: string[] }> {
  const changed: LocalFile[] = [];
  const unchanged: string[] = [];
  for (const file of files) {
    const there = remote?.get(file.name);
    const isSame =
      there?.sizeBytes === file.sizeBytes &&
      (await hubChecksum(file.place, file.sizeBytes, there.isLarge)) === there.checksum;
    if (isSame) unchanged.push(file.name);
    else changed.push(file);
  }
  return { changed, unchanged };
}

async function createRepository(place: PushPlace, isPrivate: boolean | undefined): Promise<void> {
  const [organization, name] = place.id.split('/');
  await post(place, '/api/repos/create', {
    ...{ type: 'model', name, organization },
    ...(isPrivate === undefined ? {} : { private: isPrivate, visibility: isPrivate ? 'private' : 'public' }),
  });
}

async function createBranch(place: PushPlace): Promise<void> {
  await post(place, `/api/models/${place.id}/branch/${encodeURIComponent(place.revision)}`, {});
}

/** The client's own functions for these two take tokens of its form only, which mirrors do not issue. */
async function post(place: PushPlace, address: string, body: unknown): Promise<void> {
  const response = await pushFetch(place, {})(`${place.endpoint}${address}`, {
    ...{ method: 'POST', headers: { 'content-type': 'application/json' } },
    body: JSON.stringify(body),
  });
  if (response.ok) return;
  const said = await response.json().catch(() => undefined);
  const message =
    typeof said === 'object' && said !== null && 'error' in said ? String(said.error) : response.statusText;
  throw new (hubClient().HubApiError)(response.url, response.status, undefined, message);
}

async function send(
  files: readonly LocalFile[],
  place: PushPlace,
  options: PushOptions,
): Promise<string | undefined> {
  const meter = new ProgressMeter(options.onProgress);
  const metered = new Map(files.map((file) => [file.name, { ...file, checksum: '' }]));
  meter.add([...metered.values()]);
  const sent = new Map<string, number>();
  const onSent = (name: string, bytes: number): void => {
    const file = metered.get(name);
    if (file === undefined) return;
    const done = Math.min(file.sizeBytes, (sent.get(name) ?? 0) + bytes);
    sent.set(name, done);
    meter.report(file, done);
  };
  const upload = hubClient().commitIter({
    ...{ repo: place.id, branch: place.revision, hubUrl: place.endpoint, useXet: false },
    title: options.message ?? 'Push by tunebook',
    operations: files.map(({ name, place: file }) => ({
      ...{ operation: 'addOrUpdate' as const, path: name, content: pathToFileURL(path.resolve(file)) },
    })),
    fetch: pushFetch(place, { ...options, onSent }),
  });
  for (;;) {
    const step = await upload.next();
    if (step.done === true) {
      for (const [name, file] of metered) onSent(name, file.sizeBytes);
      return step.value?.commit.oid;
    }
    const { value } = step;
    // The hub had its bytes from an earlier push.
    if (value.event === 'fileProgress' && value.state === 'uploading' && value.progress === 1)
      onSent(value.path, Infinity);
  }
}
