/**
 * A sweep as files, for tasks of a cluster: the notebook as it is now, its points, and which of them a submission
 * covers. Everything that a cluster's task needs is read from here, and what it did is read from the points' folders.
 */
import fs from 'node:fs';
import path from 'node:path';
import { isJsonObject, writeFileAtomicSync, makeFoldersSync } from '../../files';
import { messageOf, TunebookError } from '../../types';
import { readNotebook, writeNotebook } from '../format/nbformat';
import { executedCopy } from '../run/executed-copy';
import type { RunNotebookOptions } from '../run/run-types';
import { sweepPoints, writeComparison } from './sweep';
import type { SweepOptions, SweepPoint, SweepRun } from './sweep';

const SWEEP_FILE = 'sweep-points.json';
const STATUS_FILE = 'status.json';
const SUBMISSIONS = 'submissions';

/** Limits of each run, as the command line gave them. */
export type PointLimits = Pick<RunNotebookOptions, 'timeoutMs' | 'cellTimeoutMs' | 'startTimeoutMs'>;

/** What the tasks of a sweep read. */
export interface SweepFile {
  /** The notebook's copy, below the folder of the sweep. */
  readonly notebook: string;
  /** Folder that the cells run in. */
  readonly cwd: string;
  readonly grid: SweepOptions['grid'];
  readonly metric?: string;
  readonly limits: PointLimits;
  readonly points: readonly SweepPoint[];
}

/** Jobs of a cluster that cover some points. */
export interface Submission {
  readonly name: string;
  readonly executor: 'slurm' | 'k8s';
  /** The cluster's own number or name of the job; undefined where it was not submitted from here. */
  readonly job?: string;
  /** Places of its tasks' points in the sweep, by task number. */
  readonly points: readonly number[];
}

/** Writes what the tasks of a cluster read. @throws {TunebookError} For an empty grid, an unknown parameter, an ill-typed value. */
export function writeSweepFile(
  options: Pick<SweepOptions, 'notebook' | 'grid' | 'parameters' | 'folder' | 'metric'> & {
    readonly cwd?: string;
    readonly limits: PointLimits;
  },
): SweepFile {
  const { notebook, folder, grid, metric, limits } = options;
  const points = sweepPoints(options);
  const copy = path.join('source', path.basename(notebook));
  const sweepFile: SweepFile = {
    ...{ notebook: copy, grid, limits, points },
    ...(metric === undefined ? {} : { metric }),
    cwd: path.resolve(options.cwd ?? path.dirname(notebook)),
  };
  try {
    makeFoldersSync(path.join(folder, 'source'));
    // Without its outputs: it may go into a cluster's own store.
    writeNotebook(path.join(folder, copy), executedCopy(readNotebook(notebook)));
    writeJson(path.join(folder, SWEEP_FILE), sweepFile);
  } catch (error) {
    if (error instanceof TunebookError) throw error;
    throw new TunebookError(`sweep: ${folder} cannot be written (${messageOf(error)}).`, { cause: error });
  }
  return sweepFile;
}

/** @throws {TunebookError} Where there is none. */
export function readSweepFile(folder: string): SweepFile {
  const sweepFile = readJson(path.join(folder, SWEEP_FILE));
  if (!isJsonObject(sweepFile) || !Array.isArray(sweepFile.points))
    throw new TunebookError(
      `sweep: expected the file of a sweep in ${folder}, got none. Submit it before, with --executor.`,
    );
  return sweepFile as unknown as SweepFile;
}

/** Adds a submission under the next free name. */
export function addSubmission(folder: string, submission: Omit<Submission, 'name'>): Submission {
  const name = `${submission.executor}-${readSubmissions(folder).length + 1}`;
  const whole = { name, ...submission };
  updateSubmission(folder, whole);
  return whole;
}

/** Writes a submission that is known by now to have a job. */
export function updateSubmission(folder: string, submission: Submission): void {
  makeFoldersSync(path.join(folder, SUBMISSIONS));
  writeJson(submissionFile(folder, submission.name), submission);
}

/** Removes a submission that the cluster refused. */
export function removeSubmission(folder: string, { name }: Submission): void {
  fs.rmSync(submissionFile(folder, name), { force: true });
}

/** All submissions, in the order of their numbers. */
export function readSubmissions(folder: string): Submission[] {
  const files = fs.existsSync(path.join(folder, SUBMISSIONS))
    ? fs.readdirSync(path.join(folder, SUBMISSIONS))
    : [];
  return files
    .filter((name) => name.endsWith('.json'))
    .sort((a, b) => Number(/\d+/.exec(a)?.[0]) - Number(/\d+/.exec(b)?.[0]))
    .map((name) => readSubmission(folder, name.slice(0, -'.json'.length)));
}

/** @throws {TunebookError} Where there is none of that name. */
export function readSubmission(folder: string, name: string): Submission {
  const read = readJson(submissionFile(folder, name));
  if (!isJsonObject(read) || !Array.isArray(read.points))
    throw new TunebookError(`sweep-point: expected a submission ${name} in ${folder}, got none.`);
  return read as unknown as Submission;
}

const submissionFile = (folder: string, name: string): string =>
  path.join(folder, SUBMISSIONS, `${path.basename(name)}.json`);

/** Keeps how a point ended. */
export function writeStatus(folder: string, run: SweepRun): void {
  writeJson(path.join(folder, run.name, STATUS_FILE), run);
}

/** How the points ended, by their folders; `missing`: it has not ended, or not begun. */
export function pointStates(folder: string, sweepFile: SweepFile): SweepRun[] {
  return sweepFile.points.map(({ name, parameters }) => {
    const read = readJson(path.join(folder, name, STATUS_FILE));
    if (isJsonObject(read)) return { ...(read as unknown as SweepRun), name, parameters };
    return { name, parameters, status: 'missing', durationMs: 0, metrics: {} };
  });
}

/** Removes what an earlier attempt said of points that are about to run again; `fresh`: they do not go on, but begin. */
export function clearStatus(
  folder: string,
  sweepFile: SweepFile,
  points: readonly number[],
  { fresh }: { readonly fresh: boolean },
): void {
  for (const place of points) {
    const at = (name: string): string => path.join(folder, sweepFile.points[place].name, name);
    fs.rmSync(at(STATUS_FILE), { force: true });
    if (fresh) fs.rmSync(at(path.basename(sweepFile.notebook)), { force: true });
  }
}

/** The comparison of what the folders hold, written beside them. */
export async function collectSweep(folder: string): Promise<SweepRun[]> {
  const sweepFile = readSweepFile(folder);
  const runs = pointStates(folder, sweepFile);
  const { grid, metric } = sweepFile;
  const notebook = path.basename(sweepFile.notebook);
  await writeComparison({ notebook, grid, folder, ...(metric === undefined ? {} : { metric }) }, runs);
  return runs;
}

function writeJson(file: string, value: unknown): void {
  writeFileAtomicSync(file, `${JSON.stringify(value, undefined, 2)}\n`);
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8')) as unknown;
  } catch {
    return undefined;
  }
}
