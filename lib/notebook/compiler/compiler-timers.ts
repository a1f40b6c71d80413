/**
 * The timers of the kernel's compiler. TypeScript sets two: to recompile after a change, and to retry imports that were
 * not found. Stock tslab supports one and throws at the second, in every cell from then on; one new file in a watched
 * folder is enough. Here any number share tslab's one.
 */
import type * as TypeScript from '@tslab/typescript-for-tslab';

type Task = () => void;

/** Makes any number of timers share tslab's one: all of them run when it fires. */
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
