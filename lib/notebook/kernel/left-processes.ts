/**
 * The end of a kernel process: how it ended, in words, and what its cells have started is killed: no process outlives a run, even one that has left its process group.
 * Used by `kernel-client` when a kernel ends, and by the kernel itself when its parent is gone.
 */
import fs from 'node:fs';

/** Environment variable that a kernel and everything started from it carry; its value is the kernel's own. */
export const KERNEL_MARK = 'TUNEBOOK_KERNEL';

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // already gone
  }
}

/** Other processes with that mark; none are found where there is no /proc. */
function marked(mark: string): number[] {
  let names: string[];
  try {
    names = fs.readdirSync('/proc');
  } catch {
    return [];
  }
  const wanted = `${KERNEL_MARK}=${mark}`;
  const carries = (name: string): boolean => {
    try {
      return fs.readFileSync(`/proc/${name}/environ`, 'utf8').split('\0').includes(wanted);
    } catch {
      return false; // gone meanwhile, or another user's
    }
  };
  return names
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid && carries(name))
    .map(Number);
}

/** Ends every other process that carries the mark, also those that they start meanwhile. */
export function endMarked(mark: string): void {
  for (let round = 0; round < 5; round++) {
    const left = marked(mark);
    if (left.length === 0) return;
    left.forEach(end);
  }
}

/** Ends a process and, where it leads a process group, all of that. */
export function endGroup(pid: number): void {
  if (process.platform !== 'win32') end(-pid);
  end(pid);
}

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
