/**
 * Bench of several processes on this machine: all-reduce against memcpy, with and without work beside it, and steps on
 * one and two ranks of one thread each, eight batches a step, with the reduction after the backward pass and during it.
 */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import type { MpiFamily } from '../../lib/distributed';
import { FAMILIES, MAIN, skipWithout } from '../distributed/mpi';
import type { ReduceTimes, StepKinds } from './distributed-rank';

const PROGRAM = path.join(__dirname, 'distributed-rank.js');
const BATCHES = 8;

/** gpt2-mini, 88 % of which are embeddings, and one of the same size, 97 % of which are layers. */
const MODELS = ['gpt2-mini', 'layers'] as const;

export interface DistributedBench {
  readonly one: Readonly<Record<(typeof MODELS)[number], StepKinds>>;
  readonly families: readonly {
    readonly family: MpiFamily;
    readonly reductions: readonly ReduceTimes[];
    readonly two: Readonly<Record<(typeof MODELS)[number], StepKinds>>;
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
  const steps = (words: readonly string[], batches: number): DistributedBench['one'] => {
    const [mini, layers] = MODELS.map((name) => run<StepKinds>([...words, 'steps', name, String(batches)]));
    return { 'gpt2-mini': mini, layers };
  };
  const one = steps([PROGRAM], BATCHES);
  const families = FAMILIES.filter((family) => skipWithout(family) === false).map((family) => {
    const launch = ['launch', '--nproc-per-node', '2', '--mpi', family, '--', process.execPath, PROGRAM];
    const reductions = run<ReduceTimes[]>([MAIN, ...launch, 'collectives']);
    return { family, reductions, two: steps([MAIN, ...launch], BATCHES / 2) };
  });
  return { one, families };
}

/** The bench as lines of a table. */
export function distributedRows({ one, families }: DistributedBench): [string, string][] {
  const bandwidth = (floats: number, ms: number): string => `${((4 * floats) / ms / 1e6).toFixed(2)} GB/s`;
  const whole = (ms: number): string => `${ms.toFixed(0)} ms`;
  return [
    ...MODELS.map((model): [string, string] => [
      `${model}, 8 batches a step, one rank of one thread`,
      `${whole(one[model].after.stepMs)} a step, ${whole(one[model].after.cpuMs)} of a processor`,
    ]),
    ...families.flatMap(({ family, reductions, two }): [string, string][] => [
      ...MODELS.flatMap((model) =>
        (['after', 'during'] as const).map((kind): [string, string] => {
          const [{ stepMs, cpuMs, waitMs }, alone] = [two[model][kind], one[model].after];
          return [
            `${family}: ${model}, two ranks, reduction ${kind} the backward pass`,
            `${whole(stepMs)} a step, ${whole(cpuMs)} of a processor, ${whole(waitMs)} of waiting; ` +
              `${(alone.stepMs / stepMs).toFixed(2)} times as fast, by processor time ${(alone.cpuMs / cpuMs).toFixed(2)}`,
          ];
        }),
      ),
      ...reductions.flatMap(({ floats, memcpyMs, reduceMs, computeMs, overlappedMs }): [string, string][] => [
        [
          `  all-reduce of ${(floats / 2 ** 20).toFixed(0)} Mi floats`,
          `${reduceMs.toFixed(1)} ms, ${bandwidth(floats, reduceMs)}; memcpy ${bandwidth(floats, memcpyMs)}`,
        ],
        [
          '    beside work',
          `${overlappedMs.toFixed(1)} ms for both, of which work alone ${computeMs.toFixed(1)} ms`,
        ],
      ]),
    ]),
  ];
}
