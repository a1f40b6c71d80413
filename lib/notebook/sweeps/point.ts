/** One task of a cluster: a point of a sweep, from the files of the sweep to its folder. */
import path from 'node:path';
import { TunebookError } from '../../types';
import type { RunNotebookOptions } from '../run/run-types';
import { runPoint } from './sweep';
import type { SweepRun } from './sweep';
import { readSweepFile, readSubmission, writeStatus } from './sweep-file';

/** Which task this is. */
export interface PointTask {
  /** Folder of the sweep. */
  readonly folder: string;
  readonly submission: string;
  /** Number of the task in its submission, from 0. */
  readonly task: number;
  /** Folder of the points; default: the sweep's. */
  readonly output?: string;
  /** Folder that the cells run in; default: the sweep's. */
  readonly cwd?: string;
  readonly run?: Pick<RunNotebookOptions, 'interrupt' | 'kill' | 'onEvent'>;
}

/**
 * Runs a point. One that was interrupted before goes on, from its checkpoint where its notebook can.
 * @throws {TunebookError} For a task that the submission does not have.
 */
export async function runSweepPoint(options: PointTask): Promise<SweepRun> {
  const { folder, task, output = folder } = options;
  const sweepFile = readSweepFile(folder);
  const submission = readSubmission(folder, options.submission);
  const place = submission.points[task];
  const point = place === undefined ? undefined : sweepFile.points[place];
  if (point === undefined)
    throw new TunebookError(
      `sweep-point: expected a task from 0 to ${submission.points.length - 1} of ${submission.name}, got ${task}.`,
    );
  const { grid, limits } = sweepFile;
  const run = await runPoint(
    {
      ...{ grid, folder: output, resume: true, notebook: path.join(folder, sweepFile.notebook) },
      run: { ...limits, cwd: options.cwd ?? sweepFile.cwd, ...options.run },
    },
    point,
  );
  writeStatus(output, run);
  return run;
}
