/**
 * Finds the folder of a hub tokenizer: what Python or an earlier run already downloaded, else a download by
 * the library's own code. Where it stands: between a hub id and `tokenizer-files`.
 */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { TunebookError } from '../types';
import { isJsonObject, isMissing, messageOf } from './json';
import { hasTokenizer } from './tokenizer-files';
import { transformersLibrary } from './transformers-js';
import type { TokenizerOptions } from './types';

/** `name` or `owner/name`, as the hub allows them. */
const HUB_ID = /^[A-Za-z0-9][\w.-]*(\/[A-Za-z0-9][\w.-]*)?$/;

/** True where a name can be a repository on the hub. */
export function isHubId(name: string): boolean {
  return HUB_ID.test(name) && !name.includes('..') && !name.includes('--');
}

/**
 * The local folder that holds a hub tokenizer's files; downloads them where need be.
 *
 * @throws TunebookError if they are not here and may not or cannot be fetched.
 */
export async function hubFolder(id: string, options: TokenizerOptions): Promise<string> {
  const revision = options.revision ?? 'main';
  const cacheDir = options.cacheDir ?? join(huggingFaceHome(), 'tunebook');
  const shared = await sharedCacheFolder(id, revision);
  if (shared !== null) return shared;
  const own = revision === 'main' ? join(cacheDir, id) : join(cacheDir, id, revision);
  if (await hasTokenizer(own)) return own;
  const localOnly = options.localFilesOnly ?? isSet(process.env.HF_HUB_OFFLINE);
  if (localOnly) {
    throw new TunebookError(
      `AutoTokenizer: expected ${id} (revision ${revision}) in ${own} or in the Hugging Face cache, found it in neither, ` +
        'and localFilesOnly (or HF_HUB_OFFLINE) forbids a download. Allow it once, or give a folder.',
    );
  }
  await download({ id, revision, cacheDir, remoteHost: remoteHost(options), onProgress: options.onProgress });
  return own;
}

interface Download {
  id: string;
  revision: string;
  cacheDir: string;
  remoteHost: string;
  onProgress: TokenizerOptions['onProgress'];
}

/** The library's settings are global: one download at a time. */
let lastDownload: Promise<unknown> = Promise.resolve();

function download(job: Download): Promise<void> {
  const run = lastDownload.then(() => downloadNow(job));
  lastDownload = run.catch(() => undefined);
  return run;
}

async function downloadNow({
  id,
  revision,
  cacheDir,
  remoteHost: host,
  onProgress,
}: Download): Promise<void> {
  const { AutoTokenizer, env } = await transformersLibrary();
  const before = { cacheDir: env.cacheDir, remoteHost: env.remoteHost };
  Object.assign(env, { cacheDir, remoteHost: host });
  try {
    await AutoTokenizer.from_pretrained(id, {
      cache_dir: cacheDir,
      revision,
      progress_callback: (event: unknown) => reportProgress(event, onProgress),
    });
  } catch (error) {
    throw new TunebookError(
      `AutoTokenizer: ${id} (revision ${revision}) could not be fetched from ${host}: ${causes(error)}. ` +
        'Check the name and the network; a gated repository needs HF_TOKEN. Without a network give a folder, ' +
        'or a built-in tokenizer (gpt2, mistral).',
    );
  } finally {
    Object.assign(env, before);
  }
}

function reportProgress(event: unknown, onProgress: TokenizerOptions['onProgress']): void {
  if (onProgress === undefined || !isJsonObject(event) || event.status !== 'progress') return;
  onProgress({
    file: String(event.file),
    loadedBytes: typeof event.loaded === 'number' ? event.loaded : 0,
    totalBytes: typeof event.total === 'number' ? event.total : 0,
  });
}

/** "fetch failed" alone says nothing: the reason is in the cause. */
function causes(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? ` (${error.cause.message})` : '';
  return messageOf(error).replace(/\.$/, '') + cause;
}

/** The snapshot that Python's huggingface_hub or a model download left, if it has the tokenizer. */
async function sharedCacheFolder(id: string, revision: string): Promise<string | null> {
  const hub = process.env.HF_HUB_CACHE ?? join(huggingFaceHome(), 'hub');
  const repository = join(hub, `models--${id.replace('/', '--')}`);
  let commit = revision;
  try {
    commit = (await readFile(join(repository, 'refs', revision), 'utf8')).trim();
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  const snapshot = join(repository, 'snapshots', commit);
  return (await hasTokenizer(snapshot)) ? snapshot : null;
}

function huggingFaceHome(): string {
  return process.env.HF_HOME ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'huggingface');
}

function remoteHost(options: TokenizerOptions): string {
  const host = options.remoteHost ?? process.env.HF_ENDPOINT ?? 'https://huggingface.co';
  if (!/^https?:\/\//.test(host)) {
    throw new TunebookError(
      `AutoTokenizer: expected remoteHost to begin with http:// or https://, got ${host}.`,
    );
  }
  return host.endsWith('/') ? host : `${host}/`;
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && !['', '0', 'false', 'no', 'off'].includes(value.toLowerCase());
}
