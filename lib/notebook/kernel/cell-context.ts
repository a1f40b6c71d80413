/**
 * Which cell the code that runs now belongs to: kept over timers and over the awaits of cell code.
 * Not AsyncLocalStorage: on Node 20 that rests on async_hooks, and a loop that an interrupt ends by force
 * would then end the process ("async hook stack has become corrupted").
 */

/** Keeps one value of T through asynchronous cell code. */
export class CellContext<T> {
  private ownCurrent: T | undefined;

  /** The cell that the running code belongs to, undefined where it is not known. */
  get current(): T | undefined {
    return this.ownCurrent;
  }

  /** Runs `task` as part of `cell`. */
  run<R>(cell: T | undefined, task: () => R): R {
    const previous = this.ownCurrent;
    this.ownCurrent = cell;
    try {
      return task();
    } finally {
      this.ownCurrent = previous;
    }
  }

  /**
   * Settles a promise that cell code awaits: the code after the await runs next in the microtask queue,
   * and what is put behind it here runs once that code awaits again. Microtasks start outside of any cell.
   */
  resume(cell: T | undefined, settle: () => void): void {
    this.ownCurrent = cell;
    settle();
    queueMicrotask(() => {
      this.ownCurrent = undefined;
    });
  }

  /** Makes timers remember their cell. */
  patchTimers(): void {
    for (const name of ['setTimeout', 'setInterval', 'setImmediate'] as const) {
      const original = globalThis[name] as (
        task: (...args: unknown[]) => unknown,
        ...rest: unknown[]
      ) => unknown;
      const patched = (task: unknown, ...rest: unknown[]): unknown => {
        if (typeof task !== 'function') return original(task as () => void, ...rest); // node's own error
        const cell = this.ownCurrent;
        return original((...args) => this.run(cell, () => task(...args) as unknown), ...rest);
      };
      Object.defineProperties(patched, Object.getOwnPropertyDescriptors(original));
      Object.assign(globalThis, { [name]: patched });
    }
  }
}
