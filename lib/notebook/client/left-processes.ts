/**
 * Ends what cells have started: no process outlives a run, even one that has left its process group. Used by
 * `kernel-client` when a kernel ends, and by the kernel itself when its parent is gone.
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
