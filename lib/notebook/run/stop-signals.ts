/** Ctrl-C and the system's request to end, as a run takes them. */

/** Who sent SIGTERM will not wait for ever. */
const DEFAULT_TERM_PATIENCE_MS = 30_000;

/** Signals for a run; `off()` gives the process its own handling back. */
export interface StopSignals {
  /** The running cell may stop cleanly. */
  readonly interrupt: AbortSignal;
  /** The kernel is killed. */
  readonly kill: AbortSignal;
  off(): void;
}

/**
 * The first Ctrl-C lets the running cell stop cleanly, the second kills the kernel. SIGTERM does the first at once and
 * the second half a minute later.
 * @param say tells the user
 * @param termPatienceMs how long a cell may take to stop after SIGTERM
 */
export function onStopSignals(
  say: (text: string) => void,
  termPatienceMs = DEFAULT_TERM_PATIENCE_MS,
): StopSignals {
  const interrupt = new AbortController();
  const kill = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const stop = (signal: NodeJS.Signals): void => {
    if (interrupt.signal.aborted) return kill.abort();
    const patience = signal === 'SIGTERM' ? `, in ${termPatienceMs / 1000} s at most` : '';
    say(`Interrupted: the running cell may stop cleanly${patience}; Ctrl-C again kills it.`);
    interrupt.abort();
    if (signal === 'SIGTERM') timer = setTimeout(() => kill.abort(), termPatienceMs);
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  return {
    interrupt: interrupt.signal,
    kill: kill.signal,
    off() {
      clearTimeout(timer);
      process.off('SIGINT', stop);
      process.off('SIGTERM', stop);
    },
  };
}
