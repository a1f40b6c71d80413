/**
 * Starts a run from scratch or from a checkpoint, and cleans up the output folder for it.
 */
import path from 'node:path';
import { requireLocalPath, makeFolders } from '../../files';
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

/** Options of `train`: a fresh start, or a resume from a checkpoint. */
export interface TrainCall {
  /** A checkpoint folder, or true for the newest whole one of outputDir (a fresh start where there is none). */
  resumeFromCheckpoint?: string | boolean;
  /** Resume despite changed arguments, data or model, with a warning that names them; default false. */
  ignoreChanges?: boolean;
}

/** @throws {TunebookError} For a folder in place of options, or an unknown option. */
export function requireTrainCall(options: TrainCall): void {
  requireOptions<TrainCall>(options, {
    ...{ where: 'train', names: { resumeFromCheckpoint: true, ignoreChanges: true } },
  });
}

/**
 * Sets weights, optimizer and state to the start of the run.
 * @returns the checkpoint that it resumes from, if any
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
  // Later checkpoints belong to an abandoned continuation, or are damaged.
  if (path.resolve(path.dirname(folder)) === path.resolve(outputDir))
    await setAsideCheckpoints(outputDir, state.globalStep);
  if (state.bestModelCheckpoint !== undefined) {
    const moved = path.join(outputDir, path.basename(state.bestModelCheckpoint));
    if ((await checkpointFault(moved)) === undefined) state.bestModelCheckpoint = moved;
  }
  return folder;
}

/** Makes a run's folder. @throws TunebookError where that fails */
export async function makeOutputFolder(folder: string): Promise<void> {
  requireLocalPath(folder, 'outputDir');
  await makeFolders(folder).catch((cause: unknown) => {
    throw new TunebookError(
      `trainer: expected an outputDir that can be made, got ${folder}. Choose another folder or fix its permissions.`,
      { cause },
    );
  });
}
