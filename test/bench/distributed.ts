/**
 * Bench of several processes on this machine: all-reduce against memcpy, with and without work beside it, and steps on
 * one and two ranks of one thread each, eight batches a step, with the reduction after the backward pass and during it.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { MpiFamily } from '../../lib/distributed';
import { messageOf } from '../../lib/types';
import { FAMILIES, MAIN, skipWithout } from '../distributed/mpi';
import { networkVariables, twoNetworks } from '../distributed/two-networks';
import type { ReduceTimes, StepKinds, StepTimes } from './distributed-rank';

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
    /** The layers on two machines, which are network namespaces here; undefined where none can be made. */
    readonly networks: StepKinds | undefined;
  }[];
}

function run<T>(
  words: readonly string[],
  { program = process.execPath, env }: { program?: string; env?: NodeJS.ProcessEnv } = {},
): T {
  const all = { ...process.env, TUNEBOOK_THREADS: '1', ...env };
  const { stdout, stderr, status } = spawnSync(program, words, { env: all, encoding: 'utf8' });
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
    const two = steps([MAIN, ...launch], BATCHES / 2);
    return { family, reductions, two, networks: overNetworks(family) };
  });
  return { one, families };
}

/** Two ranks over a wire of 1 Gb/s; undefined where that fails, which is said. */
function overNetworks(family: MpiFamily): StepKinds | undefined {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-bench-'));
  const networks = twoNetworks(folder);
  try {
    if (networks === undefined) return undefined;
    networks.shape('1gbit');
    const hosts = path.join(folder, 'hosts');
    fs.writeFileSync(hosts, networks.hosts.join('\n'));
    const launch = [MAIN, 'launch', '--hostfile', hosts, '--mpi', family, '--', process.execPath, PROGRAM];
    const [program, ...words] = networks.onFirst([
      ...[process.execPath, ...launch, 'steps', 'layers'],
      String(BATCHES / 2),
    ]);
    return run<StepKinds>(words, { program, env: networkVariables(family, networks) });
  } catch (error) {
    console.error(`${family} over 1 Gb/s: ${messageOf(error)}`);
    return undefined;
  } finally {
    networks?.remove();
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** The bench as lines of a table. */
export function distributedRows({ one, families }: DistributedBench): [string, string][] {
  const bandwidth = (floats: number, ms: number): string => `${((4 * floats) / ms / 1e6).toFixed(2)} GB/s`;
  return [
    ...MODELS.map((model): [string, string] => [
      `${model}, 8 batches a step, one rank of one thread`,
      `${whole(one[model].after.stepMs)} a step, ${whole(one[model].after.cpuMs)} of a processor`,
    ]),
    ...families.flatMap(({ family, reductions, two, networks }): [string, string][] => [
      ...MODELS.flatMap((model) => stepRows(`${family}: ${model}, two ranks`, two[model], one[model].after)),
      ...(networks === undefined
        ? []
        : stepRows(`${family}: layers, two ranks over 1 Gb/s`, networks, one.layers.after)),
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

/** Two ranks, compared with one. */
function stepRows(name: string, kinds: StepKinds, alone: StepTimes): [string, string][] {
  return (['after', 'during'] as const).map((kind): [string, string] => {
    const { stepMs, cpuMs, waitMs } = kinds[kind];
    return [
      `${name}, reduction ${kind} the backward pass`,
      `${whole(stepMs)} a step, ${whole(cpuMs)} of a processor, ${whole(waitMs)} of waiting; ` +
        `${(alone.stepMs / stepMs).toFixed(2)} times as fast, by processor time ${(alone.cpuMs / cpuMs).toFixed(2)}`,
    ];
  });
}

const whole = (ms: number): string => `${ms.toFixed(0)} ms`;
