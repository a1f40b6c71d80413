/** How a run handles SIGINT, SIGTERM and SIGHUP. */
import { rankOfRun } from './ranks';

/** The sender of SIGTERM will not wait forever; after SIGHUP nobody watches any more. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const DEFAULT_TERM_PATIENCE_MS = 30_000;

/** Abort signals for a run; `off()` restores the process's own handling. */
export interface StopSignals {
  /** The running cell may stop cleanly. */
  readonly interrupt: AbortSignal;
  /** The kernel is killed. */
  readonly kill: AbortSignal;
  off(): void;
}

/**
 * The first Ctrl-C lets the running cell stop cleanly, the second kills the kernel. SIGTERM, and SIGHUP of a terminal
 * that is closed, do the first at once and the second half a minute later. So does a rank's SIGUSR2, the one of them that
 * Open MPI's mpirun passes on.
 * @param say shows a message to the user
 * @param termPatienceMs how long a cell may take to stop after SIGTERM or SIGHUP
 */
export function onStopSignals(
  say: (text: string) => void,
  termPatienceMs = DEFAULT_TERM_PATIENCE_MS,
): StopSignals {
  const signals: readonly NodeJS.Signals[] = rankOfRun() === undefined ? SIGNALS : [...SIGNALS, 'SIGUSR2'];
  const interrupt = new AbortController();
  const kill = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const stop = (signal: NodeJS.Signals): void => {
    if (interrupt.signal.aborted) return kill.abort();
    const isUrgent = signal !== 'SIGINT';
    const patience = isUrgent ? `, in ${termPatienceMs / 1000} s at most` : '';
    say(`Interrupted: the running cell may stop cleanly${patience}; Ctrl-C again kills it.`);
    interrupt.abort();
    if (isUrgent) timer = setTimeout(() => kill.abort(), termPatienceMs);
  };
  for (const signal of signals) process.on(signal, stop);
  return {
    interrupt: interrupt.signal,
    kill: kill.signal,
    off() {
      clearTimeout(timer);
      for (const signal of signals) process.off(signal, stop);
    },
  };
}
