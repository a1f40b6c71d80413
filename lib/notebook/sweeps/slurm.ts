/**
 * Sweeps on Slurm: an array job of one task a point, by a script that stays beside the results. Slurm's programs are
 * called, its database is not needed: how points ended is in their folders.
 */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { makeFolderSync } from '../../files';
import { TunebookError } from '../../types';
import type { Submission } from './sweep-file';

/** Slurm's own option names; what the script sets itself is not among them. */
const NAME = /^[a-z][a-z0-9-]*$/;
const OURS = new Set([
  'array',
  'output',
  'error',
  'open-mode',
  'requeue',
  'no-requeue',
  'signal',
  'ntasks',
  'wrap',
]);

/** Of a limit that Slurm sets to a job's time: a point has so long to save, in seconds. */
const SAVE_SECONDS = 120;

/** Settings of an array job. */
export interface SlurmScript {
  /** Folder of the sweep; absolute. */
  readonly folder: string;
  readonly submission: Submission;
  /** Options of sbatch, by their long names: `{ time: '2:00:00', 'mem-per-cpu': '4G' }`. */
  readonly options: Readonly<Record<string, string>>;
  /** Most tasks at a time. */
  readonly jobs?: number;
  /** The command that a task is: the program, without the arguments of `sweep-point`. */
  readonly command: readonly string[];
}

/** A word of the shell. */
const quoted = (word: string): string => `'${word.replace(/'/g, `'\\''`)}'`;

/** The script for sbatch. @throws {TunebookError} For options that are none, or that a sweep sets itself. */
export function slurmScript({ folder, submission, options, jobs, command }: SlurmScript): string {
  const { name, points } = submission;
  for (const [key, value] of Object.entries(options)) {
    if (OURS.has(key))
      throw new TunebookError(
        `sweep: expected other options of Slurm, got ${key}, which a sweep sets itself.`,
      );
    if (!NAME.test(key) || /[\r\n]/.test(value))
      throw new TunebookError(
        `sweep: expected sbatch's long option names, as in --slurm mem-per-cpu=4G, got ${JSON.stringify(`${key}=${value}`)}.`,
      );
  }
  const given = { 'job-name': path.basename(folder), ...options };
  const lines = Object.entries({
    ...given,
    array: `0-${points.length - 1}${jobs === undefined ? '' : `%${jobs}`}`,
    // Slurm ends a pattern at a blank unless it is quoted.
    output: `"${path.join(folder, 'slurm', '%A_%a.txt').replace(/"/g, '\\"')}"`,
    'open-mode': 'append',
    signal: `B:TERM@${SAVE_SECONDS}`,
  }).map(([key, value]) => `#SBATCH --${key}=${value}`);
  const words = [...command, 'sweep-point', folder, name].map(quoted).join(' ');
  return [
    '#!/bin/bash',
    ...lines,
    '#SBATCH --requeue',
    'export TUNEBOOK_THREADS="${TUNEBOOK_THREADS:-${SLURM_CPUS_ON_NODE:-1}}"',
    `exec ${words} "$SLURM_ARRAY_TASK_ID"`,
    '',
  ].join('\n');
}

/** What a cluster says of itself. */
export interface SlurmLimits {
  /** Largest number of an array's tasks. */
  readonly maxArraySize: number;
  /** Whether a task without memory named gets all of a node's. */
  readonly takesAllMemory: boolean;
}

/** Reads `scontrol show config`. */
export function slurmLimits(config: string): SlurmLimits {
  const value = (name: string): string | undefined =>
    new RegExp(`^${name}\\s*=\\s*(\\S+)`, 'm').exec(config)?.[1];
  const memory = [value('DefMemPerCPU'), value('DefMemPerNode')];
  return {
    maxArraySize: Number(value('MaxArraySize') ?? 1001),
    takesAllMemory: memory.every((text) => text === undefined || text === 'UNLIMITED'),
  };
}

/** Calls one of Slurm's programs. @throws {TunebookError} With what it says. */
export async function slurm(program: string, ...words: string[]): Promise<string> {
  try {
    return (await promisify(execFile)(program, words, { maxBuffer: 1 << 26 })).stdout;
  } catch (error) {
    const { code, stderr = '', message } = error as NodeJS.ErrnoException & { stderr?: string };
    if (code === 'ENOENT')
      throw new TunebookError(
        `sweep: expected Slurm's ${program}, got none. Run it where jobs are submitted (apt-get install slurm-client).`,
      );
    throw new TunebookError(`${program}: ${stderr.trim() || message}`, { cause: error });
  }
}

/** Points in arrays that the cluster takes. */
export function inArrays(points: readonly number[], { maxArraySize }: SlurmLimits): number[][] {
  if (maxArraySize < 2)
    throw new TunebookError(
      `sweep: expected a cluster that takes array jobs, got MaxArraySize ${maxArraySize}. Use --executor local.`,
    );
  // Numbers of tasks stay below it, so that 0 counts.
  return Array.from({ length: Math.ceil(points.length / maxArraySize) }, (_, i) =>
    points.slice(i * maxArraySize, (i + 1) * maxArraySize),
  );
}

/** Writes a script and submits it. @returns the job's number */
export async function submitArray(script: SlurmScript): Promise<string> {
  const file = path.join(script.folder, 'submissions', `${script.submission.name}.sbatch`);
  makeFolderSync(path.join(script.folder, 'slurm'));
  fs.writeFileSync(file, slurmScript(script));
  const said = await slurm('sbatch', '--parsable', file);
  return said.trim().split(';')[0];
}

/** A task that is in the queue. */
export interface QueuedTask {
  readonly job: string;
  readonly task: number;
  /** PENDING, RUNNING, COMPLETING... */
  readonly state: string;
}

/** Reads `squeue --array --noheader --format '%F %K %T'`. */
export function queuedTasks(text: string): QueuedTask[] {
  return text
    .split('\n')
    .map((line) => /^(\d+) (\d+) (\w+)/.exec(line.trim()))
    .flatMap((match) => (match === null ? [] : [{ job: match[1], task: Number(match[2]), state: match[3] }]));
}

/** The tasks of these jobs that Slurm still has; ended jobs are dropped after a while. */
export async function queue(jobs: readonly string[]): Promise<QueuedTask[]> {
  const text = await slurm('squeue', '--array', '--noheader', '--format', '%F %K %T');
  return queuedTasks(text).filter(({ job }) => jobs.includes(job));
}
