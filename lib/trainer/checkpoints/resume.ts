/**
 * Where a run begins: anew, or at a checkpoint, with the output folder tidied up for it.
 */
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { requireLocalPath } from '../../files';
import { requireOptions } from '../../options';
import { TunebookError } from '../../types';
import {
  checkpointFault,
  listCheckpoints,
  newestWhole,
  setAsideCheckpoints,
  finishDrafts,
} from './checkpoint-folders';
import { readTrainerCheckpoint } from './checkpoints';
import type { CheckpointContent } from './checkpoints';

/** How a call of `train` begins: anew, or from a checkpoint. */
export interface TrainCall {
  /** A checkpoint folder, or true for the newest whole one of outputDir (starts anew where there is none). */
  resumeFromCheckpoint?: string | boolean;
  /** Resume although arguments, data or model have changed, with a warning that says what; default false. */
  ignoreChanges?: boolean;
}

/** @throws {TunebookError} For a folder in place of options, or a name that is none. */
export function requireTrainCall(options: TrainCall): void {
  requireOptions<TrainCall>(options, {
    ...{ where: 'train', names: { resumeFromCheckpoint: true, ignoreChanges: true } },
  });
}

/**
 * Puts weights, optimizer and state where the run begins.
 * @returns the checkpoint that it goes on from, where there is one
 */
export async function resumeRun(
  outputDir: string,
  content: CheckpointContent,
  { resumeFromCheckpoint: from = false, ignoreChanges }: TrainCall,
): Promise<string | undefined> {
  const { state } = content;
  await finishDrafts(outputDir);
  if (from === false) {
    await setAsideCheckpoints(outputDir);
    return undefined;
  }
  const folder = from === true ? await newestWhole(outputDir, console.warn) : from;
  if (folder === undefined) {
    if ((await listCheckpoints(outputDir)).length === 0) return undefined;
    throw new TunebookError(
      `train: expected a whole checkpoint in ${outputDir}, got damaged ones only. Start anew without ` +
        'resumeFromCheckpoint (they move to replaced/), or bring back an older copy.',
    );
  }
  const options = { ignoreChanges, warn: console.warn };
  await readTrainerCheckpoint(folder, content, options);
  // What comes after belongs to a future that is now another one, or is damaged.
  if (path.resolve(path.dirname(folder)) === path.resolve(outputDir))
    await setAsideCheckpoints(outputDir, state.globalStep);
  if (state.bestModelCheckpoint !== null) {
    const moved = path.join(outputDir, path.basename(state.bestModelCheckpoint));
    if ((await checkpointFault(moved)) === undefined) state.bestModelCheckpoint = moved;
  }
  return folder;
}

/** Makes a run's folder. @throws TunebookError where that is not allowed */
export async function makeOutputFolder(folder: string): Promise<void> {
  requireLocalPath(folder, 'outputDir');
  await fs.mkdir(folder, { recursive: true }).catch((cause: unknown) => {
    throw new TunebookError(
      `trainer: expected an outputDir that can be made, got ${folder}. Choose another folder or mend its permissions.`,
      { cause },
    );
  });
}
