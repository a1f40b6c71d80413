/**
 * What cells leave behind: promises that nobody awaits, timers, and rejections that nobody handles. Rejections are
 * reported at once. A headless run waits for promises and one-shot timers at its end, and fails for the rejections; what it
 * does not wait for (an interval, a server, a child process) it names.
 */
import { inspect, types } from 'node:util';
import v8 from 'node:v8';
import vm from 'node:vm';
import type { CellTimer } from './cell-context';

/** How often the end of a run looks whether what the cells left running has ended. */
const LOOK_EVERY_MS = 20;
/** When it says what it waits for. */
const TELL_AFTER_MS = 1000;
/** How often it looks whether that can still end. */
const COLLECT_EVERY_MS = 5000;
/** A rejection is judged once its promise can be collected; where there are many, once a second. */
const JUDGE_AFTER_MS = 10;
const JUDGE_EVERY_MS = 1000;
/** Looking for promises that have settled costs time: not before there are this many. */
const SWEEP_AT = 1000;

/** What a process still does that has no promise: node's names for it, and ours. */
const NAMED_RESOURCES: readonly [resource: string, name: string][] = [
  ['ProcessWrap', 'A child process'],
  ['TCPServerWrap', 'A server'],
  ['TCPSocketWrap', 'A connection'],
];
/** Files that are read and written with callbacks: waited for, as they end. */
const AWAITED_RESOURCE = 'FSReqCallback';

/** A promise or a timer that a cell left to itself. Held weakly: what nothing else holds can never settle. */
interface Left {
  readonly ref: WeakRef<Promise<unknown> | NodeJS.Timeout>;
  readonly request: number;
  /** What it is called where the run does not wait for it: a variable that a later cell may await, an interval. */
  readonly name: string | undefined;
}

/** A rejection that nobody has handled yet. */
interface Rejection {
  readonly ref: WeakRef<Promise<unknown>>;
  readonly request: number;
  readonly reason: unknown;
  /** Whether it has been reported. */
  isReported: boolean;
}

/** What becomes of what was left; a cell is known by the id of its request. */
export interface LeftWorkSink {
  readonly isHeadless: boolean;
  /** Shows a text with the cell. */
  notify(request: number, text: string): void;
  /** Fails the cell, which may have ended. */
  fail(request: number, error: unknown): void;
  /** A thrown value as text. */
  describe(error: unknown): string;
  /** What a person calls the cell. */
  nameOf(request: number): string;
}

/** Whether a promise has not settled, or a timer keeps its process alive: not one that was cleared, fired or unref'd. */
function isPending(work: Promise<unknown> | NodeJS.Timeout | undefined): boolean {
  if (work === undefined) return false;
  // hasRef() stays true after the end; node keeps `_destroyed` for its own checks, and prints it.
  if (!types.isPromise(work)) return work.hasRef() && Reflect.get(work, '_destroyed') !== true;
  return /\{\s*<pending>/.test(inspect(work, { depth: 0, customInspect: false }));
}

/** Whether a function is the engine's own: `resolve` of `new Promise((resolve) => setTimeout(resolve, ms))`. */
function isNative(task: CellTimer<unknown>['task']): boolean {
  return Function.prototype.toString.call(task).endsWith('{ [native code] }');
}

let collect: (() => void) | undefined;

/** A full garbage collection. Node offers it only behind a flag. */
function collectGarbage(): void {
  if (!collect) {
    v8.setFlagsFromString('--expose-gc');
    collect = vm.runInNewContext('gc') as () => void;
  }
  collect();
}

const named = (name: string, message: string): Error =>
  Object.assign(new Error(message), { name, stack: '' });

/** The promises and rejections of one kernel's cells. */
export class LeftWork {
  private left: Left[] = [];
  private rejections: Rejection[] = [];
  private readonly requests = new WeakMap<Promise<unknown>, number>();
  private sweepAt = SWEEP_AT;
  private judging: NodeJS.Timeout | undefined;
  private lastJudgedMs = 0;
  /** The cell that set `process.exitCode`. */
  private exitSetter: number | undefined;
  private finishing: { readonly request: number; stopped: boolean } | undefined;

  constructor(private readonly sink: LeftWorkSink) {}

  /** The request that waits for what was left; undefined before the end of a run. */
  get finishRequest(): number | undefined {
    return this.finishing?.request;
  }

  /** Notes a value that a cell does nothing with; one that is no promise is passed over. */
  add(value: unknown, request: number, name?: string): void {
    if (!types.isPromise(value) || this.requests.has(value)) return;
    this.requests.set(value, request);
    this.push({ ref: new WeakRef(value), request, name: name && `The promise "${name}"` });
  }

  /** Notes a timer that a cell has set; not one that settles a promise, which is noted itself. */
  addTimer({ timer, task, repeats }: Omit<CellTimer<unknown>, 'cell'>, request: number): void {
    if (!this.sink.isHeadless || isNative(task)) return;
    this.push({ ref: new WeakRef(timer), request, name: repeats ? 'An interval (setInterval)' : undefined });
  }

  private push(work: Left): void {
    this.left.push(work);
    if (this.left.length < this.sweepAt) return;
    this.left = this.pending();
    this.sweepAt = Math.max(SWEEP_AT, 2 * this.left.length);
  }

  /** Looks at what a cell leaves in variables, and at the exit status that it sets. */
  endCell(request: number, variables: Iterable<[name: string, value: unknown]>): void {
    for (const [name, value] of variables) this.add(value, request, name);
    this.exitSetter = process.exitCode ? (this.exitSetter ?? request) : undefined;
  }

  /**
   * A rejection that nobody handles yet. A headless run fails at once where nobody can handle it any more, as nothing
   * holds the promise; otherwise its end decides.
   * @param otherwise the request it belongs to where no cell is known to have left the promise
   */
  reject(promise: Promise<unknown>, reason: unknown, otherwise: number): void {
    const request = this.requests.get(promise) ?? otherwise;
    const rejection: Rejection = { ref: new WeakRef(promise), reason, request, isReported: false };
    if (!this.sink.isHeadless) return this.notify(rejection);
    this.rejections.push(rejection);
    const waitMs = Math.max(JUDGE_AFTER_MS, this.lastJudgedMs + JUDGE_EVERY_MS - Date.now());
    this.judging ??= setTimeout(() => this.judge(), waitMs);
  }

  /** A rejection was handled late: `const p = train(); await other(); await p;`. */
  handle(promise: Promise<unknown>): void {
    this.rejections = this.rejections.filter(({ ref }) => ref.deref() !== promise);
  }

  /** Ends the wait of `finish`. @returns false where there is none */
  stop(): boolean {
    if (!this.finishing) return false;
    this.finishing.stopped = true;
    return true;
  }

  /**
   * The end of a headless run: waits for what the cells left running until that has ended or `stop` is called, and
   * fails the cells of which something came to nothing. A promise in a variable is named, not waited for: a server's end,
   * for instance. So are intervals, which need not end.
   */
  async finish(request: number, lastCell: number): Promise<void> {
    const finishing = (this.finishing = { request, stopped: false });
    const running = (): Set<number> => {
      const cells = this.pending().flatMap(({ name, request: cell }) => (name === undefined ? [cell] : []));
      if (process.getActiveResourcesInfo().includes(AWAITED_RESOURCE)) cells.push(lastCell);
      return new Set(cells);
    };
    for (let ms = 0; running().size > 0 && !finishing.stopped; ms += LOOK_EVERY_MS) {
      if (ms === TELL_AFTER_MS)
        for (const cell of running())
          this.sink.notify(cell, 'The run waits for what this cell left running.\n');
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
      if (ms % COLLECT_EVERY_MS === 0) collectGarbage(); // in a turn that has not looked at the promises
    }
    await new Promise(setImmediate); // the last rejections are known
    this.finishing = undefined;
    clearTimeout(this.judging);
    for (const { request: cell, reason } of this.rejections.splice(0)) this.sink.fail(cell, reason);
    for (const cell of running())
      this.sink.fail(cell, named('PendingWork', 'what this cell left running had not ended with the run'));
    if (this.exitSetter !== undefined && process.exitCode)
      this.sink.fail(
        this.exitSetter,
        named('ProcessExit', `process.exitCode was set to ${process.exitCode}`),
      );
    const reported = new Set<string>();
    const notify = (cell: number, text: string): void => {
      if (!reported.has(`${cell} ${text}`)) this.sink.notify(cell, `${text}\n`);
      reported.add(`${cell} ${text}`);
    };
    for (const { ref, name, request: cell } of this.pending())
      if (name !== undefined && types.isPromise(ref.deref()))
        notify(cell, `${name} is still pending at the end of the run, which does not wait for it: await it.`);
      else if (name !== undefined)
        notify(cell, `${name} still runs at the end of the run, which does not wait for it: clear it.`);
    const resources = process.getActiveResourcesInfo();
    for (const [resource, name] of NAMED_RESOURCES)
      if (resources.includes(resource))
        notify(lastCell, `${name} still runs at the end of the run, which does not wait for it.`);
  }

  private pending(): Left[] {
    return this.left.filter(({ ref }) => isPending(ref.deref()));
  }

  private judge(): void {
    this.judging = undefined;
    this.lastJudgedMs = Date.now();
    collectGarbage();
    const { rejections } = this;
    this.rejections = rejections.filter(({ ref }) => ref.deref() !== undefined);
    for (const rejection of rejections)
      if (!this.rejections.includes(rejection)) this.sink.fail(rejection.request, rejection.reason);
      else if (!rejection.isReported) this.notify(rejection);
  }

  private notify(rejection: Rejection): void {
    rejection.isReported = true;
    const { request, reason } = rejection;
    const cell = this.sink.nameOf(request);
    this.sink.notify(request, `Unhandled promise rejection of ${cell}: ${this.sink.describe(reason)}\n`);
  }
}
