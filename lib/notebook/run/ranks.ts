/**
 * One notebook on several ranks, in the runner: rank 0's decides and writes, the others follow. They run the same
 * cells, with an output folder of their own that is gone afterwards, and leave nothing but a log.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { launchedProcessGroup, readLaunch } from '../../distributed';
import type { Launch } from '../../distributed';
import { TunebookError } from '../../types';
import type { KernelClient } from '../client/kernel-client';
import { makeOwnedFolder } from '../client/process-owner';
import { cellSource } from '../format/nbformat';
import type { Notebook } from '../format/nbformat';
import type { RunStatus } from './run-types';

/** A rank that failed alone gives the others so long to fail with it, and to write down how; in ms. */
const FAILURE_GRACE_MS = 1500;
/** An interrupted rank waits so long for the others; in ms. */
const INTERRUPT_PATIENCE_MS = 15_000;

/** Longest wait for the other ranks, where this one ends all; in ms. */
const ABORT_TIMEOUT_MS = 60_000;

/** Whether the kernel has been asked to be the rank: then this process cannot be it. */
let isKernelRank = false;

/** The launch that this process is a rank of; undefined for a process by itself. */
export function rankOfRun(): Launch | undefined {
  const launch = readLaunch();
  return launch !== undefined && launch.worldSize > 1 ? launch : undefined;
}

/** The log of a rank other than 0, beside the executed notebook. */
export function rankLog(output: string, rank: number): string {
  return `${output.replace(/(?:\.ipynb)?$/, '')}.rank${rank}.log`;
}

/** The folder that a rank's cells write to, and its removal. */
export function rankFolder(
  launch: Launch | undefined,
  folder: string,
): { folder: string; remove: () => void } {
  if (launch === undefined || launch.rank === 0) return { folder, remove: () => undefined };
  const own = makeOwnedFolder('tunebook-rank-');
  return { folder: own, remove: () => fs.rmSync(own, { recursive: true, force: true }) };
}

/** Cells and parameters, as a hash: what all ranks must have the same of. */
function hashOf(notebook: Notebook): string {
  const cells = notebook.cells.map((cell) => [cell.cell_type, cellSource(cell)]);
  return createHash('sha256').update(JSON.stringify(cells)).digest('hex');
}

/**
 * Meets the other ranks before the first cell.
 * @param leftOut places of the cells that are left out; rank 0's counts
 * @returns rank 0's
 * @throws TunebookError where MPI is missing, or a rank has another notebook
 */
export async function meetRanks(
  kernel: KernelClient,
  notebook: Notebook,
  leftOut: readonly number[],
): Promise<readonly number[]> {
  const request = { action: 'begin', notebook: hashOf(notebook), leftOut };
  isKernelRank = true;
  const { content } = await kernel.request('shell', 'ranks_request', request).done;
  if (content.status !== 'ok') throw new TunebookError(String(content.evalue));
  return content.leftOut as number[];
}

/**
 * Ends all ranks where this one cannot begin: the others would wait for it, under MPICH's mpirun for ever. This process
 * is the rank then, in its kernel's place.
 */
export function endRanksBefore(reason: string): void {
  if (isKernelRank || rankOfRun() === undefined) return;
  launchedProcessGroup({ timeoutMs: ABORT_TIMEOUT_MS })?.abort(reason);
}

/**
 * Leaves the other ranks after the last cell: waits for them, or ends them where this one failed.
 * @param say prints why all ranks end
 */
export async function leaveRanks(
  kernel: KernelClient,
  launch: Launch,
  end: { status: RunStatus; message?: string },
  say: (text: string) => void,
): Promise<void> {
  const pause = (ms: number): Promise<undefined> =>
    new Promise((resolve) => void setTimeout(resolve, ms, undefined).unref());
  const { rank, worldSize } = launch;
  if (end.status === 'ok' || end.status === 'interrupted') {
    const { done } = kernel.request('shell', 'ranks_request', { action: 'end' });
    const patience = end.status === 'ok' ? [] : [pause(INTERRUPT_PATIENCE_MS)];
    if ((await Promise.race([done, ...patience]))?.content.status === 'ok') return;
  } else if (rank > 0) await pause(FAILURE_GRACE_MS);
  const reason = `${end.status}${end.message === undefined ? '' : `: ${end.message}`}; all ranks end.`;
  say(`rank ${rank} of ${worldSize}: ${reason}`);
  const { done } = kernel.request('shell', 'ranks_request', { action: 'abort', reason });
  await Promise.race([done, kernel.exited, pause(FAILURE_GRACE_MS)]);
}
