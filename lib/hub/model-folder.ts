/**
 * Finds a model's files: in a local folder, among the small models that come with tunebook, or on the Hugging Face hub.
 */
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { findCheckpointFiles, noCheckpoint, readCheckpointIndex } from '../checkpoint';
import { dataFolder } from '../environment';
import { isFolder, requireLocalPath } from '../files';
import { kindOf, TunebookError } from '../types';
import { requireHubOptions } from './options';
import type { HubOptions } from './options';
import { hubSnapshot, isHubId } from './snapshot';
import type { HubRepository } from './snapshot';

/** The files of a tokenizer; a model's download includes them. */
export const TOKENIZER_FILES: readonly string[] = [
  'tokenizer.json',
  'tokenizer_config.json',
  'tokenizer.model',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'merges.txt',
  'chat_template.jinja',
  'tunebook_prompt.json',
];
/** Largest size of a file other than weights, in bytes. */
export const MAX_SMALL_FILE_BYTES = 100_000_000;

const INDEX = 'model.safetensors.index.json';
const SMALL_FILES = new Set([
  'config.json',
  'generation_config.json',
  'adapter_config.json',
  'tunebook_base.json',
  INDEX,
  ...TOKENIZER_FILES,
]);
/** Weights in one file: of a model, or of an adapter. */
const SINGLE_WEIGHTS = ['model.safetensors', 'adapter_model.safetensors'];

/**
 * Finds the folder with a model's files; downloads them from the hub where needed.
 *
 * @param idOrFolder A local folder, a built-in name (`gpt2-mini`) or a hub id (`gpt2`, `OWNER/NAME`).
 * @param beforeWeights Looks at the downloaded small files, config.json among them; what it refuses is not downloaded.
 * @returns The path of the folder; a hub id's is in the shared cache: do not write to it.
 * @throws {TunebookError} If there is no such model, access is restricted, or the download fails.
 * @example
 * ```ts
 * import { resolveModelFolder } from 'tunebook';
 *
 * const folder = await resolveModelFolder('gpt2-mini'); // comes with tunebook: no download
 * console.log(folder.endsWith('gpt2-mini')); // true
 * ```
 */
export async function resolveModelFolder(
  idOrFolder: string,
  options: HubOptions = {},
  beforeWeights?: (folder: string) => Promise<void>,
): Promise<string> {
  if (typeof idOrFolder !== 'string') {
    throw new TunebookError(
      `resolveModelFolder: expected a folder or the name of a model, got ${kindOf(idOrFolder)}.`,
    );
  }
  requireHubOptions(options, 'resolveModelFolder');
  if (await isFolder(idOrFolder)) return idOrFolder;
  const builtIn = path.join(dataFolder('models'), path.basename(idOrFolder));
  if (idOrFolder !== '' && path.basename(idOrFolder) === idOrFolder && (await isFolder(builtIn)))
    return builtIn;
  const onHub = /^https:\/\/[^/]+\/([\w.-]+\/[\w.-]+)/.exec(idOrFolder)?.[1];
  if (onHub !== undefined) {
    throw new TunebookError(
      `model "${idOrFolder}": expected a folder or a hub id, got a URL. Give the id: '${onHub}'.`,
    );
  }
  requireLocalPath(idOrFolder, 'model');
  if (!isHubId(idOrFolder)) {
    const names = await fs.readdir(dataFolder('models')).catch(() => []);
    throw new TunebookError(
      `model "${idOrFolder}": expected a folder that exists, a hub id (OWNER/NAME)` +
        `${names.length > 0 ? `, or a built-in model (${names.join(', ')})` : ''}.`,
    );
  }
  const isComplete = async (folder: string): Promise<boolean> =>
    (await hasCheckpoint(folder, 'model')) || hasCheckpoint(folder, 'adapter_model');
  return hubSnapshot({ id: idOrFolder, what: 'model', options, isComplete }, (repository) =>
    fetchModel(idOrFolder, repository, beforeWeights),
  );
}

async function fetchModel(
  id: string,
  repository: HubRepository,
  beforeWeights?: (folder: string) => Promise<void>,
): Promise<void> {
  const listed = new Set(repository.names);
  const single = SINGLE_WEIGHTS.filter((name) => listed.has(name));
  if (single.length === 0 && !listed.has(INDEX)) {
    throw noCheckpoint({ folder: id, single: SINGLE_WEIGHTS[0], index: INDEX, present: repository.names });
  }
  const small = repository.names.filter((name) => SMALL_FILES.has(name));
  await repository.download(small, { maxFileBytes: MAX_SMALL_FILE_BYTES });
  await beforeWeights?.(repository.folder);
  const weights = single.length > 0 ? single : await shardNames(repository);
  for (const name of weights) {
    if (!listed.has(name)) {
      throw new TunebookError(`model "${id}": its index names ${name}, but the hub has no such file.`);
    }
  }
  await repository.download(weights);
}

/** The shards in a downloaded index, their names checked. */
async function shardNames({ folder }: HubRepository): Promise<readonly string[]> {
  const { files } = await readCheckpointIndex(path.join(folder, INDEX));
  return files;
}

async function hasCheckpoint(folder: string, baseName: string): Promise<boolean> {
  const found = await findCheckpointFiles(folder, baseName).catch(() => undefined);
  return found !== undefined;
}
