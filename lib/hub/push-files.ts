/** Which files of a folder are pushed: never secrets, no training state unasked. */
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { isFolder } from '../files';
import { TunebookError } from '../types';

/** A file of the folder. */
export interface LocalFile {
  /** In the repository, with slashes. */
  readonly name: string;
  /** On this disk. */
  readonly place: string;
  readonly sizeBytes: number;
}

/** A file that stays here. */
export interface LeftOut {
  readonly name: string;
  readonly reason: string;
}

const SECRETS =
  /^(\.env(\..*)?|.*\.env|\.netrc|\.npmrc|\.pypirc|\.git-credentials|id_(rsa|dsa|ecdsa|ed25519)|.*\.(pem|key|p12|pfx))$/i;
const PASSED_OVER = /^(\.git|\.cache|\.ipynb_checkpoints|node_modules|__pycache__|\.DS_Store|Thumbs\.db)$/;
const HALF = /\.(incomplete|draft|tmp|part)$/;
/** What a run needs to go on, and nobody to use the model. */
const TRAINING_STATE =
  /^(optimizer\.(safetensors|pt|bin)|scheduler\.(json|pt)|rng_state.*|training_args\.(json|bin)|trainer_state\.json|.*\.lock)$/;

const LISTED = 6;

/**
 * The files to push.
 * @throws TunebookError where there is none, or training state that was not asked for
 */
export async function filesToPush(
  folder: string,
  { withTrainingState = false }: { withTrainingState?: boolean },
): Promise<{ files: LocalFile[]; leftOut: LeftOut[] }> {
  if (!(await isFolder(folder)))
    throw new TunebookError(
      `push: expected a folder that exists, got ${folder}. Save the model there first.`,
    );
  const files: LocalFile[] = [];
  const leftOut: LeftOut[] = [];
  const walk = async (within: string): Promise<void> => {
    const entries = await fs.readdir(path.join(folder, within), { withFileTypes: true });
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const name = within === '' ? entry.name : `${within}/${entry.name}`;
      const place = path.join(folder, name);
      if (SECRETS.test(entry.name)) leftOut.push({ name, reason: 'may hold secrets' });
      else if (PASSED_OVER.test(entry.name)) leftOut.push({ name, reason: 'no part of a model' });
      else if (HALF.test(entry.name)) leftOut.push({ name, reason: 'half written' });
      else if (entry.isDirectory()) await walk(name);
      else if (entry.isFile()) files.push({ name, place, sizeBytes: (await fs.stat(place)).size });
      else leftOut.push({ name, reason: 'a link or no plain file' });
    }
  };
  await walk('');
  const state = files.filter(({ name }) => TRAINING_STATE.test(path.posix.basename(name)));
  if (state.length > 0 && !withTrainingState) {
    const named = state.slice(0, LISTED).map(({ name }) => name);
    throw new TunebookError(
      `${folder}: expected a model or an adapter, got the state of a training run with it (${named.join(', ')}` +
        `${state.length > LISTED ? ', …' : ''}). Push the folder that the model was saved to, or ask for it: ` +
        '--with-training-state (withTrainingState: true).',
    );
  }
  if (files.length === 0)
    throw new TunebookError(`${folder}: expected files to push, got none. Save the model there first.`);
  return { files, leftOut };
}

/** Larger files are weights and tokenizers. */
const MAX_SEARCHED_BYTES = 1_000_000;

/** @throws {TunebookError} Where a small file has the token in it. */
export async function requireNoToken(files: readonly LocalFile[], token: string | undefined): Promise<void> {
  if (token === undefined || token.length < 8) return;
  for (const { name, place, sizeBytes } of files) {
    if (sizeBytes > MAX_SEARCHED_BYTES || !(await fs.readFile(place)).includes(token)) continue;
    throw new TunebookError(
      `${name}: expected a file without secrets, got one with the hub's token in it. Take it out.`,
    );
  }
}
