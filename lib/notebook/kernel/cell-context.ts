/**
 * Which cell the running code belongs to, across timers and the awaits of cell code.
 * Not AsyncLocalStorage: on Node 20 that rests on async_hooks, and terminating a loop would end the process ("async
 * hook stack has become corrupted").
 */

import { EventEmitter } from 'node:events';

/** A timer that a cell has set. */
export interface CellTimer<T> {
  readonly timer: NodeJS.Timeout;
  readonly task: (...args: unknown[]) => unknown;
  readonly cell: T;
  /** Whether it is an interval. */
  readonly repeats: boolean;
}

/** Carries one value of T through asynchronous cell code. */
export class CellContext<T> {
  private ownCurrent: T | undefined;
  private thrown: { readonly error: unknown; readonly cell: T | undefined } | undefined;

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
    } catch (error) {
      this.thrown = { error, cell };
      throw error;
    } finally {
      this.ownCurrent = previous;
    }
  }

  /** The cell whose callback threw an error that nothing caught; undefined where it is not known. */
  throwerOf(error: unknown): T | undefined {
    return this.thrown?.error === error ? this.thrown?.cell : undefined;
  }

  /**
   * Settles a promise that cell code awaits. The code after that await runs next in the microtask queue; the reset
   * queued here runs once it awaits again. Microtasks start outside of any cell.
   */
  resume(cell: T | undefined, settle: () => void): void {
    this.ownCurrent = cell;
    settle();
    queueMicrotask(() => {
      this.ownCurrent = undefined;
    });
  }

  /**
   * Makes timers remember their cell.
   * @param onTimer is called with each timer that a cell sets, except immediates
   */
  patchTimers(onTimer: (timer: CellTimer<T>) => void): void {
    for (const name of ['setTimeout', 'setInterval', 'setImmediate'] as const) {
      const original = globalThis[name] as (
        task: (...args: unknown[]) => unknown,
        ...rest: unknown[]
      ) => unknown;
      const patched = (task: unknown, ...rest: unknown[]): unknown => {
        if (typeof task !== 'function') return original(task as () => void, ...rest); // node's own error
        const own = task as CellTimer<T>['task'];
        const cell = this.ownCurrent;
        const timer = original((...args) => this.run(cell, () => own(...args)), ...rest);
        if (cell !== undefined && name !== 'setImmediate')
          onTimer({ timer: timer as NodeJS.Timeout, task: own, cell, repeats: name === 'setInterval' });
        return timer;
      };
      Object.defineProperties(patched, Object.getOwnPropertyDescriptors(original));
      Object.assign(globalThis, { [name]: patched });
    }
  }

  /**
   * Makes event emitters (streams, workers, sockets, child processes) remember the cell that made them, for what they
   * throw once it has ended: an error that nobody listens for, or what a listener throws.
   * @param running the cell that is running
   */
  patchEmitters(running: () => T | undefined): void {
    const makers = new WeakMap<EventEmitter, T>();
    const makerOf = (): T | undefined => this.ownCurrent ?? running();
    const isOutside = (): boolean => this.ownCurrent === undefined;
    const note = (error: unknown, cell: T): void => void (this.thrown = { error, cell });
    const emitters = EventEmitter as unknown as { init(this: EventEmitter, ...rest: unknown[]): void };
    const { init } = emitters;
    const emit = Reflect.get(EventEmitter.prototype, 'emit') as (...args: unknown[]) => boolean;
    Object.assign(emitters, {
      init(this: EventEmitter, ...rest: unknown[]): void {
        const cell = makerOf();
        if (cell !== undefined) makers.set(this, cell);
        Reflect.apply(init, this, rest);
      },
    });
    Object.assign(EventEmitter.prototype, {
      emit(this: EventEmitter, ...args: unknown[]): boolean {
        try {
          return Reflect.apply(emit, this, args);
        } catch (error) {
          const cell = isOutside() ? makers.get(this) : undefined;
          if (cell !== undefined) note(error, cell);
          throw error;
        }
      },
    });
  }
}
