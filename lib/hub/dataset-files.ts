/** Data sets of the hub on this disk: downloaded into the cache of models, found there without a network. */
import path from 'node:path';
import { readJson, isFile, writeFileAtomic } from '../files';
import { zod } from '../schema';
import { promises as fs } from 'node:fs';
import { requireText } from '../types';
import { chooseDataFiles, parseDatasetAddress } from './dataset-choice';
import { requireHubOptions } from './options';
import type { HubOptions } from './options';
import { hubSnapshot } from './snapshot';

/** A data set's files on this disk. */
export interface DatasetFiles {
  /** Paths; several are the shards of one table, in order. Do not write to them. */
  readonly files: readonly string[];
  /** What was chosen of several splits, a sentence. */
  readonly note: string | undefined;
}

/**
 * Finds the files of `hf://datasets/OWNER/NAME[@REVISION][/PATH]`; downloads those that the cache lacks. PATH is a file, a
 * folder, a split (`test`), a configuration, or `configuration/split`; without it, a single table or the training split.
 *
 * @throws TunebookError where the address is none, names nothing or several tables, access is restricted, the download
 *   fails, or the network is not to be used and the cache lacks files
 */
export async function resolveDataset(address: string, options: HubOptions = {}): Promise<DatasetFiles> {
  requireText(address, { where: 'resolveDataset', what: 'an address hf://datasets/OWNER/NAME' });
  requireHubOptions(options, 'resolveDataset');
  const { id, revision } = parseDatasetAddress(address);
  const request = {
    ...{ id, what: 'dataset' as const, folders: 'all' as const },
    options: revision === undefined ? options : { ...options, revision },
    isComplete: async (folder: string) => {
      const names = await listingOf(folder);
      if (names === undefined) return false;
      const { files } = chooseDataFiles(names, address);
      return (await Promise.all(files.map((name) => isFile(path.join(folder, name))))).every(Boolean);
    },
  };
  const folder = await hubSnapshot(request, async (repository) => {
    const { files } = chooseDataFiles(repository.names, address);
    await repository.download(files);
    await writeFileAtomic(listingFile(repository.folder), `${JSON.stringify(repository.names)}\n`);
  });
  const { files, note } = chooseDataFiles((await listingOf(folder)) ?? [], address);
  return { files: files.map((name) => path.join(folder, name)), note };
}

/** Names of a commit's files, which show whether shards of a split are missing. */
function listingFile(snapshot: string): string {
  return path.join(snapshot, '..', '..', 'listings', `${path.basename(snapshot)}.json`);
}

async function listingOf(snapshot: string): Promise<readonly string[] | undefined> {
  const file = listingFile(snapshot);
  if (await isFile(file)) return readJson(file, { schema: zod().array(zod().string()) });
  // What Python's libraries left: the files that they needed.
  const entries = await fs.readdir(snapshot, { recursive: true, withFileTypes: true }).catch(() => []);
  const names = entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) =>
      path.relative(snapshot, path.join(entry.parentPath, entry.name)).split(path.sep).join('/'),
    );
  return names.length === 0 ? undefined : names;
}
