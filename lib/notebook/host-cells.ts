/**
 * Runs cells on the kernel's main thread: what stock tslab prints as text becomes `error`, `execute_result` and
 * `stream` messages of the cell that it belongs to, also when it comes from a timer after the cell's end.
 */
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { inspect } from 'node:util';
import { CellContext } from './cell-context';
import {
  reportFindings,
  reportThrown,
  KeyboardInterrupt,
  type ErrorReport,
  type Finding,
} from './error-report';
import { awaitHelper, iterateHelper, metaHelper, prepareTslab, type PreparedTslab } from './host-compiler';
import type { MessageContent } from './wire';

/** Where the cells' messages go. */
export interface CellChannel {
  publish(request: number, type: string, content: MessageContent): void;
  /** Called around the part of a cell that runs before its first await. */
  setSynchronous(on: boolean): void;
}

interface Cell {
  readonly request: number;
  readonly number: number;
  readonly silent: boolean;
  /** Rejects of the awaits that the cell's code is in. */
  readonly awaiting: Set<(reason: unknown) => void>;
  interrupts: number;
  /** Given up: whatever of its code still runs is ended at its next await. */
  abandoned: boolean;
  thrown: { value: unknown } | null;
  readonly findings: Finding[];
}

const tslabFindingFormat = '%s%d:%d - %s';

/** The cells of one kernel. */
export class CellRunner {
  readonly tslab: PreparedTslab;
  #number = 0;
  #running: Cell | null = null;
  #last = 0;
  #giveUp: () => void = () => undefined;
  readonly #sources = new Map<number, string>();
  readonly #context = new CellContext<Cell>();
  readonly #channel: CellChannel;

  constructor(channel: CellChannel) {
    this.#channel = channel;
    this.tslab = prepareTslab(
      { log: (value: unknown) => this.#result(value), error: (...values: unknown[]) => this.#failed(values) },
      {
        cellNumber: () => this.#number,
        enterSynchronous: () => channel.setSynchronous(true),
        leaveSynchronous: () => channel.setSynchronous(false),
      },
    );
    this.#installHelpers();
    this.#context.patchTimers();
  }

  /** The request that output written now belongs to. */
  get currentRequest(): number {
    return this.#context.current?.request ?? this.#running?.request ?? this.#last;
  }

  /** The request of the running cell, -1 when none runs. */
  get runningRequest(): number {
    return this.#running?.request ?? -1;
  }

  /** Runs one cell and answers the content of `execute_reply`. */
  async execute(request: number, content: MessageContent): Promise<MessageContent> {
    const code = String(content.code ?? '');
    const silent = content.silent === true;
    if (!silent) this.#number++;
    const cell: Cell = {
      request,
      number: this.#number,
      silent,
      awaiting: new Set(),
      interrupts: 0,
      abandoned: false,
      thrown: null,
      findings: [],
    };
    this.#sources.set(cell.number, code);
    if (!silent) this.#channel.publish(request, 'execute_input', { code, execution_count: cell.number });
    this.#running = cell;
    this.#last = request;
    let ok = false;
    try {
      ok = await this.#start(cell, code);
    } catch (error) {
      cell.thrown ??= { value: error };
    } finally {
      this.#running = null;
    }
    if (ok && !cell.thrown) {
      return { status: 'ok', execution_count: cell.number, payload: [], user_expressions: {} };
    }
    if (!ok) this.tslab.keepDefined();
    const report = this.#report(cell, code);
    this.#channel.publish(request, 'error', { ...report });
    return { status: 'error', execution_count: cell.number, ...report };
  }

  /** Runs the code from a callback of its own: should it be ended by force, what waits for it here lives on. */
  #start(cell: Cell, code: string): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.#giveUp = () => resolve(false);
      setImmediate(() =>
        this.#context.run(cell, () => this.tslab.executor.execute(code)).then(resolve, reject),
      );
    });
  }

  /**
   * Interrupts the running cell: its current await is rejected with KeyboardInterrupt, so that its own `finally`
   * runs. A second interrupt gives the cell up at once.
   * @returns false when no cell runs
   */
  interrupt(): boolean {
    const cell = this.#running;
    if (!cell) return false;
    cell.interrupts++;
    if (cell.interrupts > 1 || cell.awaiting.size === 0) this.abandon();
    else this.#rejectAwaits(cell, new KeyboardInterrupt());
    return true;
  }

  /** Answers the running cell as interrupted without waiting for its code, which may no longer exist. */
  abandon(): void {
    if (!this.#running) return;
    this.#running.abandoned = true;
    this.#rejectAwaits(this.#running, new KeyboardInterrupt());
    this.#running.thrown ??= { value: new KeyboardInterrupt() };
    this.tslab.executor.interrupt();
    this.#giveUp();
  }

  /** An exception in a callback: it fails the cell that runs and caused it, otherwise it is shown as text. */
  takeUncaught(error: unknown): string | null {
    if (error instanceof KeyboardInterrupt) return null;
    const cell = this.#context.current ?? this.#running;
    if (cell && cell === this.#running) {
      cell.thrown ??= { value: error };
      this.#rejectAwaits(cell, error);
      return null;
    }
    return this.describe(error);
  }

  /** A thrown value as text, with the cells' own lines. */
  describe(error: unknown): string {
    return reportThrown(error, this.#cells()).traceback.join('\n');
  }

  /** The report of `error` if it were thrown by the running cell. */
  reportOf(error: unknown): ErrorReport {
    return reportThrown(error, this.#cells());
  }

  #cells(): Parameters<typeof reportThrown>[1] {
    return {
      source: (cell) => this.#sources.get(cell),
      locate: (cell, place) => this.tslab.locate(cell, place),
    };
  }

  #report(cell: Cell, code: string): ErrorReport {
    if (cell.thrown) return reportThrown(cell.thrown.value, this.#cells());
    if (cell.findings.length > 0) return reportFindings(cell.findings, code);
    return reportThrown(new Error('internal: the cell failed without an error'), this.#cells());
  }

  #rejectAwaits(cell: Cell, reason: unknown): void {
    for (const reject of [...cell.awaiting]) this.#context.resume(cell, () => reject(reason));
    cell.awaiting.clear();
  }

  #result(value: unknown): void {
    const cell = this.#running;
    if (!cell || cell.silent) return;
    const html = (value as { toNotebookHtml?: () => string } | null)?.toNotebookHtml;
    this.#channel.publish(cell.request, 'execute_result', {
      execution_count: cell.number,
      data: {
        'text/plain': inspect(value, { depth: 3, maxArrayLength: 100 }),
        ...(typeof html === 'function' ? { 'text/html': html.call(value) } : {}),
      },
      metadata: {},
    });
  }

  /** tslab prints what went wrong; the values tell a compiler's finding from a thrown value. */
  #failed(values: unknown[]): void {
    const cell = this.#running;
    if (!cell) return;
    if (values[0] === tslabFindingFormat && values.length === 5) {
      const [, file, line, column, message] = values;
      cell.findings.push({
        line: Number(line) - 1,
        column: Number(column) - 1,
        message: String(message),
        ...(file ? { file: String(file).trim() } : {}),
      });
    } else {
      cell.thrown ??= { value: values[0] };
    }
  }

  /** Awaits in cell code go through these, so that an interrupt can end them. */
  #installHelpers(): void {
    const guard = <T>(value: T): T | Promise<Awaited<T>> => {
      const cell = this.#context.current ?? this.#running;
      if (!cell) return value;
      if (cell.abandoned) throw new KeyboardInterrupt();
      return new Promise<Awaited<T>>((resolve, reject) => {
        cell.awaiting.add(reject);
        const settle =
          <V>(next: (v: V) => void): ((v: V) => void) =>
          (v) => {
            cell.awaiting.delete(reject);
            this.#context.resume(cell, () => next(v));
          };
        Promise.resolve(value).then(settle(resolve), settle(reject));
      });
    };
    const iterate = (source: AsyncIterable<unknown> | Iterable<unknown>): AsyncIterable<unknown> => {
      const inner =
        Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
      return {
        [Symbol.asyncIterator]: () => ({
          next: async () => {
            const step = await guard(inner.next());
            return { done: step.done, value: await guard(step.value) } as IteratorResult<unknown>;
          },
          return: async (value?: unknown) => {
            await inner.return?.(value);
            return { done: true, value };
          },
        }),
      };
    };
    // A cell is no file: it counts as one in the folder that it runs in.
    const here = path.join(process.cwd(), 'notebook.ts');
    const meta = {
      url: pathToFileURL(here).href,
      dirname: process.cwd(),
      filename: here,
      resolve: (id: string) => {
        const found = createRequire(here).resolve(id);
        return path.isAbsolute(found) ? pathToFileURL(found).href : `node:${found.replace(/^node:/, '')}`;
      },
    };
    Object.assign(globalThis, { [awaitHelper]: guard, [iterateHelper]: iterate, [metaHelper]: meta });
  }
}
