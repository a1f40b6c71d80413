/** Watches a running cell: heartbeat, limits of time and output, interrupts. Interrupts it first, then kills the kernel. */
import type { KernelClient } from '../client/kernel-client';
import { DEFAULT_MAX_OUTPUT_BYTES } from './run-types';
import type { RunNotebookOptions, RunStatus } from './run-types';

const CHECK_EVERY_MS = 500;
const HEARTBEAT_PATIENCE_MS = 5000;
/** Default of `stopPatienceMs`. */
const DEFAULT_STOP_PATIENCE_MS = 10_000;
/** How long a cell that was interrupted twice may take, at most. */
const LAST_PATIENCE_MS = 2000;

/** The promise's value, or undefined after a timeout. */
async function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, ms, undefined);
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Stops the running cell: interrupts it twice, then kills the kernel. With `patient`, it waits for the first interrupt
 * as long as it takes (a training run saves its state).
 */
async function stopCell(
  kernel: KernelClient,
  done: Promise<unknown>,
  patienceMs: number,
  patient = false,
): Promise<void> {
  const settled = done.then(
    () => true,
    () => true,
  );
  await kernel.interrupt().catch(() => undefined);
  if (patient) return;
  if (await within(settled, patienceMs)) return;
  await kernel.interrupt().catch(() => undefined);
  if (await within(settled, Math.min(patienceMs, LAST_PATIENCE_MS))) return;
  await kernel.kill();
}

/** Why a cell is stopped. */
export interface StopReason {
  readonly status: RunStatus;
  readonly message: string;
}

/** A running cell and what it is allowed. */
export interface WatchedCell {
  readonly kernel: KernelClient;
  /** What is watched, in words. */
  readonly what: string;
  /** Settles when the cell is done. */
  readonly done: Promise<unknown>;
  readonly options: RunNotebookOptions;
  readonly runStartMs: number;
  /** What exceeded `maxOutputBytes`: this cell, or a timer of an earlier one; undefined: nothing. */
  flooding(): string | undefined;
  /** Why the run must stop because of another cell, which had ended; undefined: it goes on. */
  otherFailed(): StopReason | undefined;
  /** Records why the cell is stopped; the first reason counts. */
  stop(why: StopReason): void;
  stopped(): boolean;
}

/** Starts watching. @returns a function that ends it, to be called when the cell is done */
export function watchCell(cell: WatchedCell): () => void {
  const { kernel, done, options } = cell;
  const { timeoutMs, cellTimeoutMs, maxOutputBytes = DEFAULT_MAX_OUTPUT_BYTES, interrupt, kill } = options;
  const ends: (() => void)[] = [];
  const stop = (why: StopReason, patient = false): void => {
    if (cell.stopped()) return;
    cell.stop(why);
    void stopCell(kernel, done, options.stopPatienceMs ?? DEFAULT_STOP_PATIENCE_MS, patient);
  };
  const limit = (ms: number, message: string): void => {
    const timer = setTimeout(() => stop({ status: 'timeout', message }), Math.max(0, ms));
    ends.push(() => clearTimeout(timer));
  };
  if (cellTimeoutMs !== undefined)
    limit(cellTimeoutMs, `${cell.what} took longer than ${cellTimeoutMs / 1000} s`);
  if (timeoutMs !== undefined)
    limit(timeoutMs - (Date.now() - cell.runStartMs), `the run took longer than ${timeoutMs / 1000} s`);

  let asking = false;
  let missed = 0;
  const check = setInterval(() => {
    const flooding = cell.flooding();
    if (flooding !== undefined) {
      const size = Math.round(maxOutputBytes / 2 ** 20);
      stop({ status: 'too-much-output', message: `${flooding} put out more than ${size} MiB` });
    }
    const other = cell.otherFailed();
    if (other !== undefined) stop(other);
    if (asking) return;
    asking = true;
    void kernel.isAlive(HEARTBEAT_PATIENCE_MS).then((alive) => {
      asking = false;
      missed = alive ? 0 : missed + 1;
      if (missed < 2 || cell.stopped()) return;
      cell.stop({ status: 'kernel-hangs', message: 'kernel: it no longer answers its heartbeat' });
      void kernel.kill();
    });
  }, CHECK_EVERY_MS);
  ends.push(() => clearInterval(check));

  const onInterrupt = (): void => stop({ status: 'interrupted', message: 'interrupted' }, true);
  const onKill = (): void => {
    cell.stop({ status: 'interrupted', message: 'interrupted; the kernel was killed' });
    void kernel.kill();
  };
  interrupt?.addEventListener('abort', onInterrupt);
  kill?.addEventListener('abort', onKill);
  ends.push(() => {
    interrupt?.removeEventListener('abort', onInterrupt);
    kill?.removeEventListener('abort', onKill);
  });
  return () => ends.forEach((end) => end());
}
