/**
 * Turns Ctrl-C and SIGTERM (and SIGUSR2, which Open MPI's mpirun forwards where it kills for the others) into a clean stop: the first signal lets the step finish and a checkpoint be written, the
 * second ends the process at once (the last checkpoint is whole at any moment).
 */

export interface InterruptWatch {
  readonly received: () => NodeJS.Signals | undefined;
  stop(): void;
}

export function watchInterrupts(
  onFirst: (signal: NodeJS.Signals) => void,
  { isRank }: { isRank: boolean },
): InterruptWatch {
  let received: NodeJS.Signals | undefined;
  const handler = (signal: NodeJS.Signals): void => {
    if (received !== undefined && !isInKernel()) process.exit(signal === 'SIGTERM' ? 143 : 130);
    if (received !== undefined) return;
    received = signal;
    onFirst(signal);
  };
  process.on('SIGINT', handler);
  process.on('SIGTERM', handler);
  if (isRank) process.on('SIGUSR2', handler);
  return {
    received: () => received,
    stop: () => {
      process.off('SIGINT', handler);
      process.off('SIGTERM', handler);
      process.off('SIGUSR2', handler);
    },
  };
}

/** A notebook's kernel ends only the cell on the second interrupt, and keeps the state of other cells. */
function isInKernel(): boolean {
  return Symbol.for('tunebook.kernel') in globalThis;
}
