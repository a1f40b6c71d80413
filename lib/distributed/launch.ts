/**
 * Starts a program on several ranks under mpirun, which by itself kills them within a second or two of SIGTERM and
 * Ctrl-C: here a signal becomes one that ranks get and answer with a checkpoint, and the exit status says how it ended.
 */
import { spawn } from 'node:child_process';
import os from 'node:os';
import { TunebookError } from '../types';
import type { MpiFamily } from './launcher';
import { findLauncher, launchCommand } from './launch-command';
import { readHosts, requireReachable } from './host-file';
import { endWithLauncher } from './launch-watch';

/** How ranks are launched. */
export interface LaunchOptions {
  /** Ranks of each machine; default 1. */
  readonly nprocPerNode?: number;
  /** Names the machines, one a line; default: this one. */
  readonly hostfile?: string;
  /** Default: what is installed, Open MPI first. */
  readonly mpi?: MpiFamily;
  /** The program and its arguments; each rank runs it. */
  readonly command: readonly string[];
  /** Added to the ranks' environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Shows a line to the user. */
  readonly say?: (text: string) => void;
}

const STOPS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** What a rank gets: Open MPI passes SIGUSR2 on and kills for the others, MPICH the other way round. */
const PASSED_ON: Record<MpiFamily, NodeJS.Signals> = { openmpi: 'SIGUSR2', mpich: 'SIGTERM' };
/** What is left after a second signal is killed so much later, in ms. */
const KILL_AFTER_MS = 5000;

const statusOf = (signal: NodeJS.Signals): number => 128 + (os.constants.signals[signal] ?? 0);

/** Statuses of an mpirun that ended because of the signal that it, or its ranks, got from here. */
const INTERRUPTED = new Set([0, 130, 140, 143]);

/**
 * The launch's exit status.
 * @param stop The signal that stopped it, if one did.
 */
export function launchStatus(
  end: { readonly code?: number; readonly signal?: NodeJS.Signals },
  family: MpiFamily,
  stop: NodeJS.Signals | undefined,
): number {
  const { code, signal } = end;
  const own = code === undefined ? statusOf(signal ?? 'SIGKILL') : fromMpich(code, family);
  return stop !== undefined && INTERRUPTED.has(own) ? statusOf(stop) : own;
}

/** MPICH gives the number of the signal that killed a rank as if it were an exit status. */
function fromMpich(code: number, family: MpiFamily): number {
  const { SIGKILL, SIGSEGV, SIGTERM } = os.constants.signals;
  return family === 'mpich' && [SIGKILL, SIGSEGV, SIGTERM].includes(code) ? 128 + code : code;
}

/**
 * Launches a program on several ranks and waits for their end.
 * @returns 0 where all went well; 130, 143 or 129 after Ctrl-C, SIGTERM or SIGHUP; else a failed rank's status
 * @throws {TunebookError} For no MPI, a wrong host file, a wrong number of ranks.
 * @example
 * ```ts
 * import { launch } from 'tunebook/distributed';
 *
 * process.exitCode = await launch({ nprocPerNode: 2, command: ['node', 'train.js'] });
 * ```
 */
export async function launch(options: LaunchOptions): Promise<number> {
  const { nprocPerNode: perHost = 1, hostfile, command } = options;
  if (!Number.isInteger(perHost) || perHost < 1)
    throw new TunebookError(`launch: expected nprocPerNode from 1 up, got ${perHost}.`);
  if (command.length === 0)
    throw new TunebookError('launch: expected a program to launch, got none. Put it after --.');
  const found = findLauncher(options.mpi);
  const hosts = hostfile === undefined ? undefined : readHosts(hostfile, perHost);
  if (hosts !== undefined) await requireReachable(hosts);
  const env = { ...process.env, ...options.env };
  const cores = os.availableParallelism();
  const { program, args, env: added } = launchCommand({ ...found, perHost, hosts, cores, command, env });
  // Of a session of its own: the terminal's Ctrl-C would reach mpirun, too, and its ranks could not save.
  const child = spawn(program, args, {
    env: { ...env, ...added },
    stdio: [process.stdin.isTTY ? 'ignore' : 'inherit', 'inherit', 'inherit'],
    detached: true,
  });
  let stop: NodeJS.Signals | undefined;
  let killer: NodeJS.Timeout | undefined;
  const onStop = (signal: NodeJS.Signals): void => {
    if (stop === undefined) {
      stop = signal;
      options.say?.('Interrupted: the ranks may save and stop; once more kills them.');
      child.kill(PASSED_ON[found.family]);
      return;
    }
    child.kill('SIGTERM');
    killer ??= setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS);
  };
  for (const signal of STOPS) process.on(signal, onStop);
  const ended = child.pid === undefined ? undefined : endWithLauncher(child.pid, PASSED_ON[found.family]);
  try {
    const end = await new Promise<Parameters<typeof launchStatus>[0]>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) =>
        resolve({ code: code ?? undefined, signal: signal ?? undefined }),
      );
    });
    return launchStatus(end, found.family, stop);
  } finally {
    clearTimeout(killer);
    ended?.();
    for (const signal of STOPS) process.off(signal, onStop);
  }
}
