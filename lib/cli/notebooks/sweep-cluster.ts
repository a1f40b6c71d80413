/** `tunebook sweep --executor slurm | k8s`: submits the points of a sweep, follows them, and collects what they leave. */
import fs from 'node:fs';
import path from 'node:path';
import { formatDuration } from '../../display';
import { writeFileAtomicSync, makeFolderSync } from '../../files';
import {
  addSubmission,
  collectSweep,
  DOCKERFILE,
  clearStatus,
  inArrays,
  jobName,
  jobSettings,
  pointStates,
  queue,
  readSweepFile,
  readSubmissions,
  removeSubmission,
  slurm,
  slurmLimits,
  submitArray,
  updateSubmission,
  writeJob,
  writeSweepFile,
} from '../../notebook/sweeps';
import type { QueuedTask, Submission, SweepFile } from '../../notebook/sweeps';
import { TunebookError } from '../../types';
import type { GivenParameters } from '../../notebook/parameters';
import { readAssignments, WrongCallError } from '../terminal/call';

/** Options of a sweep that concern clusters. */
export interface ClusterOptions {
  readonly executor: 'local' | 'slurm' | 'k8s';
  readonly slurm: readonly string[];
  readonly k8s: readonly string[];
  readonly submitOnly?: boolean;
  readonly status?: boolean;
  readonly collect?: boolean;
  readonly cancel?: boolean;
  readonly writeDockerfile?: boolean;
  readonly resume?: boolean;
  readonly jobs?: number;
}

/** What a sweep is submitted with. */
export interface ClusterSweep {
  readonly notebook: string;
  readonly folder: string;
  readonly grid: Readonly<Record<string, readonly string[]>>;
  /** Read from the notebook's own declarations, and only where points are submitted. */
  readonly parameters: () => GivenParameters;
  readonly metric?: string;
  readonly cwd?: string;
  readonly limits: Parameters<typeof writeSweepFile>[0]['limits'];
}

const MAIN = path.join(__dirname, '..', 'main.js');
const LOOK_EVERY_MS = 5000;

/** Whether a call is about a cluster's sweep rather than about running one here. */
export function isAboutCluster(options: ClusterOptions): boolean {
  const { executor, submitOnly, status, collect, cancel, writeDockerfile } = options;
  return executor !== 'local' || Boolean(submitOnly || status || collect || cancel || writeDockerfile);
}

/** Tasks of the sweep's jobs that Slurm still has. */
async function queued(submissions: readonly Submission[]): Promise<QueuedTask[]> {
  const jobs = submissions.flatMap(({ job, executor }) => (job && executor === 'slurm' ? [job] : []));
  return jobs.length === 0 ? [] : queue(jobs);
}

/** The state of each point in the queue, by its place in the sweep. */
function queuedStates(submissions: readonly Submission[], tasks: readonly QueuedTask[]): Map<number, string> {
  return new Map(
    tasks.flatMap(({ job, task, state }): [number, string][] => {
      const place = submissions.find((submission) => submission.job === job)?.points[task];
      return place === undefined ? [] : [[place, state]];
    }),
  );
}

async function showStatus(folder: string): Promise<number> {
  const sweepFile = readSweepFile(folder);
  const submissions = readSubmissions(folder);
  const states = queuedStates(submissions, await queued(submissions));
  const runs = pointStates(folder, sweepFile);
  const width = Math.max(...runs.map(({ name }) => name.length));
  for (const [place, { name, status, durationMs, message }] of runs.entries()) {
    const now = status === 'ok' ? status : (states.get(place)?.toLowerCase() ?? status);
    const took = now === status && status !== 'missing' ? ` in ${formatDuration(durationMs)}` : '';
    console.log(`${name.padEnd(width)}  ${now}${took}${now === status && message ? `  ${message}` : ''}`);
  }
  for (const { executor, name } of submissions)
    if (executor === 'k8s') console.log(`kubectl get job ${jobName(folder, name)}`);
  return 0;
}

async function cancel(folder: string): Promise<number> {
  readSweepFile(folder);
  const submissions = readSubmissions(folder);
  const jobs = [...new Set((await queued(submissions)).map(({ job }) => job))];
  if (jobs.length > 0) await slurm('scancel', ...jobs);
  console.log(jobs.length === 0 ? 'Slurm has no jobs of this sweep.' : `Cancelled: ${jobs.join(', ')}`);
  for (const { executor, name } of submissions)
    if (executor === 'k8s') console.log(`kubectl delete job ${jobName(folder, name)}`);
  return 0;
}

async function collect(folder: string): Promise<number> {
  const runs = await collectSweep(folder);
  console.log(`${fs.readFileSync(path.join(folder, 'sweep.md'), 'utf8')}\nWritten: ${folder}`);
  return runs.every(({ status }) => status === 'ok') ? 0 : 1;
}

/** The points to submit: with `resume` those that neither went well nor are in the queue. */
async function openPoints(sweep: ClusterSweep, sweepFile: SweepFile, resume: boolean): Promise<number[]> {
  const { folder } = sweep;
  const submissions = readSubmissions(folder);
  const states = queuedStates(submissions, await queued(submissions));
  if (!resume && states.size > 0)
    throw new TunebookError(
      `sweep: expected no jobs of an earlier sweep in ${folder}, got ${states.size} tasks in the queue. ` +
        'Wait for them, --cancel them, or --resume.',
    );
  const all = sweepFile.points.map((_, place) => place);
  if (!resume) return all;
  const runs = pointStates(folder, sweepFile);
  return all.filter((place) => runs[place].status !== 'ok' && !states.has(place));
}

function requireSameGrid(sweep: ClusterSweep): void {
  const before = readSweepFile(sweep.folder);
  const names = (grid: ClusterSweep['grid']): string => JSON.stringify(grid);
  if (names(before.grid) !== names(sweep.grid))
    throw new TunebookError(
      `sweep: expected the grid of the earlier sweep for --resume, ${names(before.grid)}, got ${names(sweep.grid)}. ` +
        'Choose another folder with -o for another grid.',
    );
}

async function submit(sweep: ClusterSweep, options: ClusterOptions): Promise<number> {
  const { folder } = sweep;
  const { executor, resume = false, jobs } = options;
  const settings = readAssignments(executor === 'slurm' ? options.slurm : options.k8s);
  const job = executor === 'k8s' ? jobSettings(settings) : undefined;
  const limits = executor === 'slurm' ? slurmLimits(await slurm('scontrol', 'show', 'config')) : undefined;
  if (resume) requireSameGrid(sweep);
  // Looked up before the file is written: tasks in the queue read it.
  if (!resume && fs.existsSync(path.join(folder, 'sweep-points.json')))
    await openPoints(sweep, readSweepFile(folder), false);
  const sweepFile = writeSweepFile({ ...sweep, parameters: sweep.parameters() });
  const points = await openPoints(sweep, sweepFile, resume);
  if (points.length === 0) {
    console.log('All points went well, or are in the queue.');
    return options.submitOnly ? 0 : finish(folder);
  }
  clearStatus(folder, sweepFile, points, { fresh: !resume });
  if (job !== undefined) {
    const submission = addSubmission(folder, { executor: 'k8s', points });
    const file = writeJob({ folder, sweepFile, submission, settings: job, jobs });
    console.log(`${points.length} points: kubectl apply -f ${file}`);
    return 0;
  }
  if (limits?.takesAllMemory && !Object.keys(settings).some((name) => name.startsWith('mem')))
    console.log("Each task takes all of a node's memory: pass --slurm mem-per-cpu=4G or the like.");
  for (const part of inArrays(points, limits ?? { maxArraySize: points.length, takesAllMemory: false })) {
    const submission = addSubmission(folder, { executor: 'slurm', points: part });
    try {
      const command = [process.execPath, MAIN];
      const number = await submitArray({ folder, submission, options: settings, command, jobs });
      updateSubmission(folder, { ...submission, job: number });
      console.log(`Job ${number}: ${part.length} points`);
    } catch (error) {
      removeSubmission(folder, submission);
      throw error;
    }
  }
  return options.submitOnly ? 0 : finish(folder);
}

/** Waits until the queue has no task of the sweep, and compares. Ctrl-C ends the wait alone. */
async function finish(folder: string): Promise<number> {
  let stopped = false;
  const stop = (): void => void (stopped = true);
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  try {
    for (let tasks = 1; tasks > 0 && !stopped;) {
      tasks = (await queued(readSubmissions(folder))).length;
      for (let ms = 0; ms < LOOK_EVERY_MS && tasks > 0 && !stopped; ms += 100)
        await new Promise((resolve) => setTimeout(resolve, 100));
    }
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
  if (!stopped) return collect(folder);
  console.log('The jobs go on: --status shows them, --collect compares, --cancel ends them.');
  return 130;
}

/** What a call about a cluster's sweep asks for. @returns the exit status */
export async function clusterCommand(sweep: ClusterSweep, options: ClusterOptions): Promise<number> {
  const asked = [options.status, options.collect, options.cancel, options.writeDockerfile].filter(Boolean);
  if (asked.length > 1)
    throw new WrongCallError('sweep: expected one of --status, --collect, --cancel, --write-dockerfile');
  if (options.writeDockerfile) {
    makeFolderSync(sweep.folder);
    const file = path.join(sweep.folder, 'Dockerfile');
    writeFileAtomicSync(file, DOCKERFILE);
    console.log(`Written: ${file}`);
    return 0;
  }
  if (options.status) return showStatus(sweep.folder);
  if (options.collect) return collect(sweep.folder);
  if (options.cancel) return cancel(sweep.folder);
  if (options.executor === 'local')
    throw new WrongCallError('sweep: expected --executor slurm or k8s with --submit-only');
  if (Object.keys(sweep.grid).length === 0)
    throw new WrongCallError('sweep: expected a grid, such as -g learningRate=1e-4,1e-3 or --grid-file');
  return submit(sweep, options);
}
