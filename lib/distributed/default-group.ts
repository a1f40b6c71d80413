/**
 * The process group of this process, under torch.distributed's names.
 */
import { requireOptions } from '../options';
import { kindOf, TunebookError } from '../types';
import { checkedTimeout } from './collectives';
import { readLaunch } from './launcher';
import { joinMpi } from './mpi-group';
import type { LaunchedGroup } from './mpi-group';
import type {
  AllReduceOptions,
  BarrierOptions,
  BroadcastOptions,
  CollectiveArray,
  ProcessGroup,
} from './process-group';

/** Options of `initProcessGroup`. */
export interface ProcessGroupOptions {
  /** What carries the messages; default 'mpi'. */
  readonly backend?: 'mpi';
  /** A collective that waits longer ends all ranks, in milliseconds; default 1,800,000. */
  readonly timeoutMs?: number;
}

/** Survives a second copy of the package in one process: MPI can be initialized once. */
const KEY = Symbol.for('tunebook.processGroup');
const home = globalThis as { [KEY]?: ProcessGroup & Partial<LaunchedGroup> };

/**
 * Joins the processes that mpirun, srun or `tunebook launch` started. A trainer does it by itself; programs of one
 * process need it not at all.
 *
 * @throws {TunebookError} If koffi or MPI is not installed, or MPI's library is not the launcher's.
 * @example
 * ```ts
 * import * as distributed from 'tunebook/distributed';
 *
 * if (distributed.getWorldSize() > 1) {
 *   distributed.initProcessGroup({ backend: 'mpi', timeoutMs: 60_000 });
 *   const values = Float32Array.of(distributed.getRank());
 *   await distributed.allReduce(values); // the sum over all ranks, on all ranks
 *   await distributed.destroyProcessGroup();
 * }
 * console.log(distributed.getRank(), distributed.getWorldSize()); // 0 1, without a launcher
 * ```
 */
export function initProcessGroup(options: ProcessGroupOptions = {}): ProcessGroup {
  requireOptions<ProcessGroupOptions>(options, {
    ...{ where: 'initProcessGroup', names: { backend: true, timeoutMs: true } },
  });
  const { backend = 'mpi' } = options;
  if (backend !== 'mpi')
    throw new TunebookError(`initProcessGroup: expected backend 'mpi', got ${kindOf(backend)}.`);
  const timeoutMs = checkedTimeout(options.timeoutMs);
  // A notebook's kernel has joined before its cells: the first call takes that group over.
  if (home[KEY]?.adopt?.(timeoutMs)) return home[KEY];
  if (home[KEY] !== undefined)
    throw new TunebookError(
      'initProcessGroup: expected no process group yet, got one. Call it once, or destroyProcessGroup() before.',
    );
  const group = joinMpi({ timeoutMs });
  home[KEY] = group;
  return group;
}

/**
 * The process group of a trainer: the one that was made, or that of the launcher; undefined for a process by itself.
 *
 * @throws {TunebookError} As `initProcessGroup`.
 */
export function launchedProcessGroup(options: { timeoutMs: number }): ProcessGroup | undefined {
  home[KEY]?.limit?.(checkedTimeout(options.timeoutMs));
  if (home[KEY] !== undefined) return home[KEY];
  if ((readLaunch()?.worldSize ?? 1) === 1) return undefined;
  const group = joinMpi({ timeoutMs: checkedTimeout(options.timeoutMs) });
  // Nobody asked for it, so nobody destroys it: it is left at the end of the program.
  group.leaveAtExit();
  home[KEY] = group;
  return group;
}

/** Whether this process has joined a process group. */
export function isInitialized(): boolean {
  return home[KEY] !== undefined;
}

/** This process's number, from 0; before the group is made, the launcher's. */
export function getRank(): number {
  return (home[KEY] ?? readLaunch())?.rank ?? 0;
}

/** Number of processes; 1 without a launcher. */
export function getWorldSize(): number {
  return (home[KEY] ?? readLaunch())?.worldSize ?? 1;
}

/** This process's number among those of its machine, from 0. */
export function getLocalRank(): number {
  return (home[KEY] ?? readLaunch())?.localRank ?? 0;
}

function current(where: string): ProcessGroup {
  const group = home[KEY];
  if (group === undefined)
    throw new TunebookError(`${where}: expected a process group, got none. Call initProcessGroup() before.`);
  return group;
}

/** Combines the arrays of all ranks, in place. @throws {TunebookError} Without a process group. */
export async function allReduce(values: CollectiveArray, options?: AllReduceOptions): Promise<void> {
  await current('allReduce').allReduce(values, options);
}

/** Overwrites the arrays of all ranks with those of one. @throws {TunebookError} Without a process group. */
export async function broadcast(values: CollectiveArray, options?: BroadcastOptions): Promise<void> {
  await current('broadcast').broadcast(values, options);
}

/** Waits until all ranks are here. @throws {TunebookError} Without a process group. */
export async function barrier(options?: BarrierOptions): Promise<void> {
  await current('barrier').barrier(options);
}

/** Leaves the process group, once all ranks call it. @throws {TunebookError} Without a process group. */
export async function destroyProcessGroup(): Promise<void> {
  const group = current('destroyProcessGroup');
  await group.destroy();
  home[KEY] = undefined;
}
