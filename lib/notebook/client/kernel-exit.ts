/** How a kernel process ended, and that in words. */

/** How a kernel process ended. */
export interface KernelExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The end of the process's own stderr: the report of a full heap, for instance. */
  readonly lastWords: string;
}

/** How a kernel ended, in words: its exit status, its signal, or that the memory was not enough. */
export function describeExit({ code, signal, lastWords }: KernelExit): string {
  if (/heap out of memory|Allocation failed|ENOMEM|bad_alloc/i.test(lastWords))
    return 'kernel: it ran out of memory (give it more with NODE_OPTIONS=--max-old-space-size=MB, or use less)';
  if (signal === 'SIGKILL')
    return 'kernel: it was killed (SIGKILL), by the system for lack of memory or by another program';
  const how = signal ? `it died of ${signal}` : `it ended with exit status ${code ?? 'unknown'}`;
  const words = lastWords.trim().split('\n').slice(-3).join('\n');
  return `kernel: ${how}${words === '' ? '' : `; it last wrote:\n${words}`}`;
}
