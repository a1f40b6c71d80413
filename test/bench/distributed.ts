/**
 * Bench of several processes on this machine: all-reduce against memcpy, with and without work beside it, and the step
 * of gpt2-mini on one and two ranks of one thread each, eight batches a step.
 */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import type { MpiFamily } from '../../lib/distributed';
import { FAMILIES, MAIN, skipWithout } from '../distributed/mpi';
import type { ReduceTimes, StepTimes } from './distributed-rank';

const PROGRAM = path.join(__dirname, 'distributed-rank.js');
const BATCHES = 8;

export interface DistributedBench {
  readonly one: StepTimes;
  readonly families: readonly {
    readonly family: MpiFamily;
    readonly reductions: readonly ReduceTimes[];
    readonly two: StepTimes;
    /** One rank's step over that of two. */
    readonly speedup: number;
  }[];
}

function run<T>(words: readonly string[]): T {
  const env = { ...process.env, TUNEBOOK_THREADS: '1' };
  const { stdout, stderr, status } = spawnSync(process.execPath, words, { env, encoding: 'utf8' });
  const line = /^result (.*)$/m.exec(stdout)?.[1];
  if (status !== 0 || line === undefined) throw new Error(`bench: status ${status}\n${stdout}${stderr}`);
  return JSON.parse(line) as T;
}

export function benchDistributed(): DistributedBench {
  const one = run<StepTimes>([PROGRAM, 'step', String(BATCHES)]);
  const families = FAMILIES.filter((family) => skipWithout(family) === false).map((family) => {
    const launch = [
      MAIN,
      'launch',
      '--nproc-per-node',
      '2',
      '--mpi',
      family,
      '--',
      process.execPath,
      PROGRAM,
    ];
    const reductions = run<ReduceTimes[]>([...launch, 'collectives']);
    const two = run<StepTimes>([...launch, 'step', String(BATCHES / 2)]);
    return { family, reductions, two, speedup: one.stepMs / two.stepMs };
  });
  return { one, families };
}
