/**
 * Where a model's files are: a local folder as it is, one of the small models that come with tunebook, or a
 * model of the Hugging Face hub, downloaded into the cache that the Python libraries use as well.
 */
import { getHFHubCachePath, getRepoFolderName, listFiles, modelInfo } from '@huggingface/hub';
import { promises as fs, readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { TunebookError } from '../types';
import { requireFreeSpace } from '../files';
import { noCheckpoint, requireInnerFile } from '../checkpoint/checkpoint-layout';
import { cachedSnapshot, COMMIT, fetchFile, isFolder, missingBytes, writeRef } from './hub-cache';
import type { HubFile } from './hub-download';
import { explainHubError, isNetworkError } from './hub-errors';
import type { HubRequest } from './hub-errors';
import { ProgressMeter } from './hub-progress';
import type { DownloadProgress } from './hub-progress';
import { PACKAGE_ROOT } from '../environment';

export type { DownloadProgress } from './hub-progress';

/** Where to look, and how. */
export interface ResolveModelOptions {
  /** The hub's cache; HF_HUB_CACHE, or `hub` in HF_HOME, or ~/.cache/huggingface/hub by default. */
  readonly cacheDir?: string;
  /** Branch, tag or commit; 'main' by default. */
  readonly revision?: string;
  /** Access token; HF_TOKEN, or the one that `hf auth login` stored, by default. */
  readonly token?: string;
  /** Address of the hub; HF_ENDPOINT or https://huggingface.co by default. */
  readonly endpoint?: string;
  /** Never use the network; true by default if HF_HUB_OFFLINE is 1. */
  readonly localFilesOnly?: boolean;
  /** Called a few times a second while downloading. */
  readonly onProgress?: (progress: DownloadProgress) => void;
  /** Tries after a broken connection that bring nothing new; 5 by default. */
  readonly maxRetries?: number;
  /** Pause before the first retry, doubled each time; 1000 by default. */
  readonly retryDelayMs?: number;
  /** A connection that is silent for so long is given up; 60000 by default. */
  readonly stallTimeoutMs?: number;
}

/** The small files that a model may come with; nothing else is downloaded but its weights. */
const SMALL_FILES = new Set([
  'config.json',
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'tokenizer.model',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'merges.txt',
  'chat_template.jinja',
  'adapter_config.json',
  'model.safetensors.index.json',
]);
/** Weights in one file: of a model, or of an adapter. */
const SINGLE_WEIGHTS = ['model.safetensors', 'adapter_model.safetensors'];
const SMALL_FILE_LIMIT_BYTES = 100_000_000;

/**
 * Finds the folder with a model's files, downloading them first where needed. A download that broke off is
 * continued, every file is checked against the hub's checksum, and a name that the hub gives never leads
 * out of the cache.
 *
 * @param idOrFolder A local folder, a built-in name (`gpt2-mini`) or a hub id (`gpt2`, `OWNER/NAME`).
 * @throws {TunebookError} If there is no such model, access is restricted, or the download fails.
 */
export async function resolveModelFolder(
  idOrFolder: string,
  options: ResolveModelOptions = {},
): Promise<string> {
  if (await isFolder(idOrFolder)) return idOrFolder;
  const builtInFolder = path.join(PACKAGE_ROOT, 'data', 'models');
  const builtIn = path.join(builtInFolder, path.basename(idOrFolder));
  if (idOrFolder !== '' && path.basename(idOrFolder) === idOrFolder && (await isFolder(builtIn)))
    return builtIn;
  if (!/^\w[\w.-]{0,95}(\/\w[\w.-]{0,95})?$/.test(idOrFolder) || /--|\.\./.test(idOrFolder)) {
    const names = await fs.readdir(builtInFolder).catch(() => []);
    throw new TunebookError(
      `model "${idOrFolder}": expected a folder that exists, a hub id (OWNER/NAME)` +
        `${names.length > 0 ? `, or a built-in model (${names.join(', ')})` : ''}.`,
    );
  }

  const token = options.token ?? storedToken();
  const endpoint = (options.endpoint ?? process.env.HF_ENDPOINT ?? 'https://huggingface.co').replace(
    /\/+$/,
    '',
  );
  const revision = options.revision ?? 'main';
  const request: HubRequest = { modelId: idOrFolder, revision, endpoint, hasToken: token !== undefined };
  const repoFolder = path.join(
    options.cacheDir ?? getHFHubCachePath(),
    getRepoFolderName({ type: 'model', name: idOrFolder }),
  );
  if (!/^https?:\/\/[^/]/.test(endpoint)) {
    throw new TunebookError(
      `endpoint (HF_ENDPOINT): expected an address like https://huggingface.co, got "${endpoint}".`,
    );
  }
  if (!/^\w[\w./-]*$/.test(revision) || revision.includes('..')) {
    throw new TunebookError(
      `model "${idOrFolder}": expected a branch, tag or commit, got revision "${revision}".`,
    );
  }
  if (options.localFilesOnly ?? process.env.HF_HUB_OFFLINE === '1') {
    const cached = await cachedSnapshot(repoFolder, revision);
    if (cached !== undefined) return cached;
    throw new TunebookError(
      `model "${idOrFolder}": expected it in ${repoFolder}, since the network is not to be used, but it is not ` +
        'there or not complete. Run once without localFilesOnly (HF_HUB_OFFLINE).',
    );
  }
  try {
    return await download({ request, repoFolder, token, options });
  } catch (error) {
    if (isNetworkError(error)) {
      const cached = await cachedSnapshot(repoFolder, revision); // no connection: the last one known will do
      if (cached !== undefined) return cached;
    }
    throw explainHubError(error, request);
  }
}

interface Job {
  readonly request: HubRequest;
  readonly repoFolder: string;
  readonly token: string | undefined;
  readonly options: ResolveModelOptions;
}

async function download({ request, repoFolder, token, options }: Job): Promise<string> {
  const { modelId, revision, endpoint } = request;
  const access = { hubUrl: endpoint, fetch: fetchWithToken(endpoint, token) };
  const { sha: commit } = await modelInfo({ name: modelId, revision, additionalFields: ['sha'], ...access });
  if (!COMMIT.test(commit))
    throw new TunebookError(`model "${modelId}": the hub gave no commit for "${revision}".`);

  const listed = new Map<string, HubFile>();
  for await (const entry of listFiles({ repo: modelId, revision: commit, ...access })) {
    const checksum = entry.lfs?.oid ?? entry.oid ?? '';
    if (entry.type !== 'file' || path.basename(entry.path) !== entry.path) continue;
    listed.set(entry.path, { name: entry.path, sizeBytes: entry.lfs?.size ?? entry.size, checksum });
  }
  const snapshot = path.join(repoFolder, 'snapshots', commit);
  await fs.mkdir(snapshot, { recursive: true });
  await fs.mkdir(path.join(repoFolder, 'blobs'), { recursive: true });

  const small = [...listed.values()].filter(({ name }) => SMALL_FILES.has(name));
  const single = SINGLE_WEIGHTS.filter((name) => listed.has(name));
  if (single.length === 0 && !listed.has('model.safetensors.index.json')) {
    const names = {
      single: SINGLE_WEIGHTS[0],
      index: 'model.safetensors.index.json',
      present: [...listed.keys()],
    };
    throw noCheckpoint({ folder: modelId, ...names });
  }
  for (const { name, sizeBytes } of small) {
    if (sizeBytes > SMALL_FILE_LIMIT_BYTES) {
      throw new TunebookError(
        `model "${modelId}": expected ${name} to have at most ${SMALL_FILE_LIMIT_BYTES} bytes, got ${sizeBytes}.`,
      );
    }
  }
  const progress = new ProgressMeter(options.onProgress, small);
  const { maxRetries = 5, retryDelayMs = 1000, stallTimeoutMs = 60_000 } = options;
  const toCache = (file: HubFile): Promise<void> => {
    const onBytes = (doneBytes: number): void => progress.report(file, doneBytes);
    const policy = { token, maxRetries, retryDelayMs, stallTimeoutMs, onBytes };
    return fetchFile({ file, commit, repoFolder, request, policy });
  };
  for (const file of small) await toCache(file);

  const weightNames = single.length > 0 ? single : await shardNames(snapshot);
  const weights = weightNames.map((name) => {
    const file = listed.get(name);
    if (file !== undefined) return file;
    throw new TunebookError(`model "${modelId}": its index names ${name}, but the hub has no such file.`);
  });
  progress.add(weights);
  await requireFreeSpace(repoFolder, await missingBytes(repoFolder, weights));
  for (const file of weights) await toCache(file);

  await writeRef(repoFolder, revision, commit);
  return snapshot;
}

/** The shards that a downloaded index names; every name is checked before it is used. */
async function shardNames(snapshot: string): Promise<string[]> {
  const indexPath = path.join(snapshot, 'model.safetensors.index.json');
  const index: unknown = JSON.parse(await fs.readFile(indexPath, 'utf8'));
  const map =
    typeof index === 'object' && index !== null && 'weight_map' in index ? index.weight_map : undefined;
  const names = [...new Set(Object.values(typeof map === 'object' && map !== null ? map : {}))];
  return names.map((name) => {
    requireInnerFile(String(name), indexPath);
    return String(name);
  });
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

/** The token of the environment, or the one that the Hugging Face command line stored at log-in. */
function storedToken(): string | undefined {
  const named = process.env.HF_TOKEN ?? process.env.HUGGING_FACE_HUB_TOKEN;
  if (named !== undefined && named !== '') return named;
  const cacheHome = process.env.XDG_CACHE_HOME ?? path.join(os.homedir(), '.cache');
  const home = process.env.HF_HOME ?? path.join(cacheHome, 'huggingface');
  try {
    const text = readFileSync(process.env.HF_TOKEN_PATH ?? path.join(home, 'token'), 'utf8').trim();
    return text === '' ? undefined : text;
  } catch {
    return undefined;
  }
}
