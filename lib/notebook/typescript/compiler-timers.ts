/**
 * The timers of the kernel's compiler. TypeScript keeps two: to compile anew after a change, and to look again for
 * imports that were not found. Stock tslab has room for one and throws at the second, in every cell from then on:
 * one file that appeared in a watched folder was enough. Here the room holds as many as there are.
 */
import type * as TypeScript from '@tslab/typescript-for-tslab';

type Task = () => void;

/** Gives tslab's compiler system timers that do not exclude each other; all of them run when tslab runs its one. */
export function shareTimer(system: TypeScript.System): void {
  const { setTimeout: arm } = system;
  if (!arm) return;
  const waiting = new Set<Task>();
  let armed = false;
  const runAll = (): void => {
    for (const task of waiting) {
      waiting.delete(task);
      task(); // may add another: the loop comes to it
    }
    armed = false;
  };
  system.setTimeout = (task: (...given: unknown[]) => void, timeMs: number, ...given: unknown[]): Task => {
    const entry = (): void => task(...given);
    waiting.add(entry);
    if (!armed) arm(runAll, timeMs);
    armed = true;
    return entry;
  };
  system.clearTimeout = (entry: Task) => {
    waiting.delete(entry);
  };
}
