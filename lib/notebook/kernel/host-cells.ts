/**
 * Runs cells on the kernel's main thread and publishes their results and errors, each as a message of the cell that
 * caused it, even from a timer after the cell has ended.
 */
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { MessageChannel } from 'node:worker_threads';
import { richResult } from '../../display';
import { tunebookEnvironment } from '../../environment';
import { CellContext } from './cell-context';
import { outermostCell, reportFindings, reportThrown, writeStack, KeyboardInterrupt } from './error-report';
import type { ErrorReport } from './error-report';
import { LeftWork } from './left-work';
import { createCellCompiler } from '../compiler/cell-compiler';
import type { CellCompiler, CompiledCell, Finding } from '../compiler/cell-compiler';
import { CELL_FILE } from '../compiler/cell-runtime';
import { AWAIT_HELPER, ITERATE_HELPER, LEFT_HELPER, META_HELPER } from '../compiler/wrap-awaits';
import type { MessageContent } from '../client/wire';

/** Where the cells publish. */
export interface CellChannel {
  publish(request: number, type: string, content: MessageContent): void;
  /** Called before the first statement of a cell, when it is compiled. */
  beginRunning(): void;
  /** What a cell shows through `display` of package tslab. */
  display(data: unknown, update: boolean): void;
}

interface Cell {
  readonly request: number;
  /** The execution count that is shown. */
  readonly number: number;
  /** Its own number in tracebacks: a cell that is not counted has a negative one. */
  readonly key: number;
  readonly silent: boolean;
  /** Whether its client answers what it asks. */
  readonly asks: boolean;
  /** Rejects the awaits that the cell is in. */
  readonly awaiting: Set<(reason: unknown) => void>;
  interrupts: number;
  /** Abandoned: what still runs of it stops at its next await. */
  abandoned: boolean;
  thrown: { value: unknown } | undefined;
  compiled: CompiledCell | undefined;
}

/** The answer to each of a request's `user_expressions`. */
const noExpressions = {
  status: 'error',
  ename: 'NotSupported',
  evalue: 'this kernel evaluates no user_expressions; run them as code',
  traceback: [],
};

/** The cells of one kernel. */
export class CellRunner {
  readonly compiler: CellCompiler;
  private number = 0;
  private uncounted = 0;
  private key = 0;
  private running: Cell | undefined;
  private last = 0;
  private readonly sources = new Map<number, { readonly code: string; readonly request: number }>();
  private readonly isHeadless = tunebookEnvironment().isHeadless;
  /** What the cells leave behind. */
  readonly left = new LeftWork({
    isHeadless: this.isHeadless,
    notify: (request, text) => this.notify(request, text),
    fail: (request, error) => this.failCell(request, error),
    describe: (error) => this.describe(error),
    nameOf: (request) => this.nameOf(request),
  });
  private readonly context = new CellContext<Cell>();
  private readonly channel: CellChannel;

  constructor(channel: CellChannel) {
    this.channel = channel;
    this.compiler = createCellCompiler({
      display: (data, update) => channel.display(data, update),
      hasDocs: !this.isHeadless,
    });
    this.installHelpers();
    Error.prepareStackTrace = (error, sites) => writeStack(error, sites, this.compiler.locate);
    this.context.patchTimers(({ cell, ...timer }) => this.left.addTimer(timer, cell.request));
    this.context.patchEmitters(() => this.running);
  }

  private giveUpTask: () => void = () => undefined;

  /** The request that output written now belongs to. */
  get currentRequest(): number {
    return this.context.current?.request ?? this.running?.request ?? this.last;
  }

  /** The request of the running cell, or of the end of the run that waits for what cells left; -1 for none. */
  get runningRequest(): number {
    return this.running?.request ?? this.left.finishRequest ?? -1;
  }

  /** The running cell. */
  get runningCell(): Pick<Cell, 'request' | 'asks'> | undefined {
    return this.running;
  }

  /** Runs one cell and answers the content of `execute_reply`. */
  async execute(request: number, content: MessageContent): Promise<MessageContent> {
    const code = String(content.code ?? '');
    const silent = content.silent === true;
    const counted = !silent && content.store_history !== false;
    this.key = counted ? ++this.number : --this.uncounted;
    const cell: Cell = {
      request,
      number: this.number,
      key: this.key,
      silent,
      asks: content.allow_stdin === true,
      awaiting: new Set(),
      interrupts: 0,
      abandoned: false,
      thrown: undefined,
      compiled: undefined,
    };
    this.sources.set(cell.key, { code, request });
    if (!silent) this.channel.publish(request, 'execute_input', { code, execution_count: cell.number });
    this.running = cell;
    this.last = request;
    let ok = false;
    try {
      ok = await this.apart(() => this.context.run(cell, () => this.runCode(cell, code)), false);
    } catch (error) {
      cell.thrown ??= { value: error };
    }
    if (ok && !cell.thrown) {
      this.endOf(cell);
      const expressions = Object.keys((content.user_expressions ?? {}) as MessageContent);
      return {
        status: 'ok',
        execution_count: cell.number,
        payload: [],
        user_expressions: Object.fromEntries(expressions.map((name) => [name, noExpressions])),
      };
    }
    if (!ok) cell.compiled?.keepDefined();
    // Describing what was thrown runs its code (getters, toString), which may hang.
    const report = await this.apart(() => this.report(cell, code), this.reportOf(new KeyboardInterrupt()));
    return this.fail(cell, report);
  }

  /** Compiles and runs a cell. @returns whether it went through */
  private async runCode(cell: Cell, code: string): Promise<boolean> {
    cell.compiled = this.compiler.compile(code, cell.key);
    if (cell.compiled.findings.length > 0) return false;
    this.channel.beginRunning();
    try {
      const last = await cell.compiled.run();
      if (last?.value !== undefined) await this.result(cell, last.value);
      return true;
    } catch (error) {
      cell.thrown ??= { value: error };
      return false;
    } finally {
      this.left.endCell(cell.request, this.compiler.values());
    }
  }

  private endOf(cell: Cell): void {
    this.running = undefined;
    cell.awaiting.clear(); // what it still awaits may be collected
  }

  /** Publishes the error that ended a cell. @returns the content of `execute_reply` */
  private fail(cell: Cell, report: ErrorReport): MessageContent {
    // Once only: the cell may have been abandoned meanwhile.
    if (this.running === cell) this.channel.publish(cell.request, 'error', { ...report });
    this.endOf(cell);
    return { status: 'error', execution_count: cell.number, ...report };
  }

  /** The reply to a request whose own was lost: the code that would send it was terminated. */
  replyForLost(request: number): MessageContent {
    const report = this.reportOf(new KeyboardInterrupt());
    if (this.running?.request === request) return this.fail(this.running, report);
    this.channel.publish(request, 'error', { ...report });
    return { status: 'error', execution_count: this.number, ...report };
  }

  /**
   * Runs a task from a callback of its own, so that terminating it leaves what awaits it here alive. Not from an
   * immediate: node 20 never gets past one that was terminated among several.
   * @param otherwise the result where the task is abandoned
   */
  private apart<T>(task: () => T | Promise<T>, otherwise: T): Promise<T> {
    const { port1, port2 } = new MessageChannel();
    return new Promise((resolve, reject) => {
      this.giveUpTask = () => resolve(otherwise);
      port1.once('message', () => {
        port1.close();
        // Not `resolve(task())`: a promise that follows another one can no longer be resolved with `otherwise`.
        new Promise<T>((done) => done(task())).then(resolve, reject);
      });
      port2.postMessage(null);
    });
  }

  /**
   * Interrupts the running cell: its pending await rejects with KeyboardInterrupt, so that its `finally` blocks run.
   * A second interrupt abandons the cell.
   * @returns false when nothing runs
   */
  interrupt(): boolean {
    const cell = this.running;
    if (!cell) return this.left.stop();
    cell.interrupts++;
    if (cell.interrupts > 1 || cell.awaiting.size === 0) this.abandon();
    else this.rejectAwaits(cell, new KeyboardInterrupt());
    return true;
  }

  /** Replies for the running cell as interrupted, without waiting for its code, which may be gone. */
  abandon(): void {
    this.left.stop();
    if (!this.running) return;
    this.running.abandoned = true;
    this.rejectAwaits(this.running, new KeyboardInterrupt());
    this.running.thrown ??= { value: new KeyboardInterrupt() };
    this.giveUpTask();
  }

  /**
   * An exception in a callback: it fails the running cell if that caused it, and a headless run in any case. The cell
   * that caused it set the timer, is at the callback's root, or made the emitter.
   */
  takeUncaught(error: unknown): void {
    const thrower = this.context.throwerOf(error)?.request ?? this.requestInStackOf(error);
    const request = thrower ?? (this.context.current ?? this.running)?.request ?? this.last;
    if (this.isHeadless || this.running?.request === request) this.failCell(request, error);
    else this.notify(request, `${this.nameOf(request)} left an error behind:\n${this.describe(error)}\n`);
  }

  private requestInStackOf(error: unknown): number | undefined {
    return this.sources.get(outermostCell(error) ?? NaN)?.request;
  }

  private nameOf(request: number): string {
    const [key] = [...this.sources].find(([, source]) => source.request === request) ?? [];
    return key === undefined ? 'A cell' : `In[${key}]`;
  }

  /** A promise was rejected and has no handler yet. */
  takeRejection(reason: unknown, promise: Promise<unknown>): void {
    if ((reason as { name?: unknown } | null)?.name === 'KeyboardInterrupt') return;
    const request = this.context.current?.request ?? this.requestInStackOf(reason) ?? this.currentRequest;
    this.left.reject(promise, reason, request);
  }

  /** Fails the running cell, or one that had ended. */
  private failCell(request: number, error: unknown): void {
    const cell = this.running;
    if (cell?.request !== request) {
      this.channel.publish(request, 'error', { ...this.reportOf(error) });
      return;
    }
    cell.thrown ??= { value: error };
    this.rejectAwaits(cell, error);
  }

  private notify(request: number, text: string): void {
    this.channel.publish(request, 'stream', { name: 'stderr', text });
  }

  /** A thrown value as text, with the cells' own lines. */
  describe(error: unknown): string {
    return this.reportOf(error).traceback.join('\n');
  }

  /** The report of `error`, thrown by whichever cell. */
  reportOf(error: unknown): ErrorReport {
    return reportThrown(error, (cell) => this.sources.get(cell)?.code);
  }

  private report(cell: Cell, code: string): ErrorReport {
    if (cell.thrown) return this.reportOf(cell.thrown.value);
    const findings: readonly Finding[] = cell.compiled?.findings ?? [];
    if (findings.length > 0) return reportFindings(findings, code);
    return this.reportOf(new Error('internal: the cell failed without an error'));
  }

  private rejectAwaits(cell: Cell, reason: unknown): void {
    for (const reject of [...cell.awaiting]) this.context.resume(cell, () => reject(reason));
    cell.awaiting.clear();
  }

  private async result(cell: Cell, value: unknown): Promise<void> {
    if (cell.silent) return;
    const outputs = await richResult(value);
    if (this.running !== cell) return; // abandoned meanwhile
    outputs.forEach(({ data, metadata = {} }, i) => {
      const isLast = i === outputs.length - 1;
      const type = isLast ? 'execute_result' : 'display_data';
      const count = isLast ? { execution_count: cell.number } : {};
      this.channel.publish(cell.request, type, { ...count, data, metadata });
    });
  }

  /** Awaits in cell code go through these, so that an interrupt can end them. */
  private installHelpers(): void {
    const guard = <T>(value: T): T | Promise<Awaited<T>> => {
      const cell = this.context.current ?? this.running;
      if (!cell) return value;
      // Pending forever rather than an error: a loop that catches everything would never end.
      if (cell.abandoned) return new Promise<never>(() => undefined);
      return new Promise<Awaited<T>>((resolve, reject) => {
        if (cell === this.running) cell.awaiting.add(reject); // only a running cell is interrupted
        const settle =
          <V>(next: (v: V) => void): ((v: V) => void) =>
          (v) => {
            cell.awaiting.delete(reject);
            this.context.resume(cell, () => next(v));
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
    const here = path.join(process.cwd(), CELL_FILE);
    const meta = {
      url: pathToFileURL(here).href,
      dirname: process.cwd(),
      filename: here,
      resolve: (id: string) => {
        const found = createRequire(here).resolve(id);
        return path.isAbsolute(found) ? pathToFileURL(found).href : `node:${found.replace(/^node:/, '')}`;
      },
    };
    const leave = <T>(value: T): T => {
      if (value instanceof Promise) this.left.add(value, this.currentRequest); // quick, as it may be in a hot loop
      return value;
    };
    Object.assign(globalThis, {
      [AWAIT_HELPER]: guard,
      [ITERATE_HELPER]: iterate,
      [LEFT_HELPER]: leave,
      [META_HELPER]: meta,
    });
  }
}
