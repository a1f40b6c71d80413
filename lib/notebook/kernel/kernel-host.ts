/**
 * The kernel process, which speaks Jupyter's protocol. Started as
 * `node kernel-host.js CONNECTION_FILE` by `kernel-client`, or by Jupyter through the kernelspec that
 * `tunebook kernel install` writes. The main thread (here) runs cells; `host-wire` owns the sockets.
 */
import fs from 'node:fs';
import path from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import { MessageChannel, Worker } from 'node:worker_threads';
import { messageOf } from '../../types';
import { CellRunner } from './host-cells';
import { MAX_BYTES_IN_FLIGHT, PHASE, SLOT, SLOT_COUNT } from './host-protocol';
import type { HostRequest, ToMain, ToWire } from './host-protocol';
import { tunebookEnvironment } from '../../environment';
import { answerRanks } from './host-ranks';
import { HostStdin } from './host-stdin';
import { unsafeConnection } from '../client/wire';
import type { ConnectionInfo, MessageContent } from '../client/wire';

const connectionFile = process.argv[2];
if (!connectionFile) {
  process.stderr.write('usage: kernel-host CONNECTION_FILE (Jupyter and `tunebook run` start it)\n');
  process.exit(2);
}
const refuse = (why: string): never => {
  process.stderr.write(`kernel: ${connectionFile}: ${why}\n`);
  return process.exit(2);
};
function readConnection(file: string): ConnectionInfo {
  try {
    const connection = JSON.parse(fs.readFileSync(file, 'utf8')) as ConnectionInfo;
    const unsafe = unsafeConnection(connection);
    return unsafe === undefined ? connection : refuse(unsafe);
  } catch (error) {
    return refuse(`expected a connection file: ${messageOf(error)}`);
  }
}
const connection = readConnection(connectionFile);
const shared = new SharedArrayBuffer(4 * SLOT_COUNT);
const state = new Int32Array(shared);

const tslabFolder = path.dirname(require.resolve('tslab/package.json'));
const tslabVersion = (
  JSON.parse(fs.readFileSync(path.join(tslabFolder, 'package.json'), 'utf8')) as { version: string }
).version;
const kernelInfo: MessageContent = {
  status: 'ok',
  protocol_version: '5.3',
  implementation: 'tunebook-tslab',
  implementation_version: tslabVersion,
  language_info: {
    name: 'typescript',
    version: '5.0.4',
    mimetype: 'text/typescript',
    file_extension: '.ts',
    codemirror_mode: { mode: 'typescript', name: 'javascript', typescript: true },
    pygments_lexer: 'typescript',
    nbconvert_exporter: 'script',
  },
  banner: `TypeScript (tslab ${tslabVersion}, Node ${process.version}, started by tunebook)`,
  help_links: [],
};

const answers = new MessageChannel();
answers.port1.unref();
const wire = new Worker(path.join(__dirname, 'host-wire.js'), {
  workerData: { connection, shared, kernelInfo, answers: answers.port2 },
  transferList: [answers.port2],
  execArgv: [],
});
const post = (message: ToWire): void => wire.postMessage(message);

/** Whether this process is emitting SIGINT itself. */
let raising = false;
const ownListener = (): void => {
  // A real signal reaches other listeners directly; one that comes before a cell does not concern it.
  const runs = Atomics.load(state, SLOT.phase) === PHASE.running;
  if (!raising && runs) post({ kind: 'signalled' });
  if (!raising && runs && process.listenerCount('SIGINT') === 1) cells.interrupt();
};
process.on('SIGINT', ownListener); // before the compiler loads: a signal meanwhile would end the process

const cells = new CellRunner({
  publish: (request, type, content) => post({ kind: 'publish', request, type, content }),
  beginRunning: () => Atomics.store(state, SLOT.phase, PHASE.running),
  display: (data, update) => display(data, update),
});

// --- before the first cell: the compiler warms up, the library's types included ---

/** Runs the compiler; interrupts are deferred until it is done. */
function compile<T>(task: () => T): T {
  Atomics.store(state, SLOT.phase, PHASE.preparing);
  try {
    return task();
  } finally {
    Atomics.store(state, SLOT.phase, PHASE.idle);
  }
}

let requested = false;
setImmediate(() => {
  if (requested) return;
  compile(() => cells.compiler.warmUp(false));
  if (tunebookEnvironment().isHeadless) return; // its first cell is on the way, and may import nothing
  setTimeout(() => {
    if (!requested) compile(() => cells.compiler.warmUp(true));
  }, 100);
});

// --- output: everything is attributed to the cell that wrote it ---

/** Counts what is about to be posted; blocks while too much is in flight. */
function hold(sizeBytes: number): void {
  const waiting = Atomics.add(state, SLOT.bytesInFlight, sizeBytes) + sizeBytes;
  if (waiting > MAX_BYTES_IN_FLIGHT) Atomics.wait(state, SLOT.bytesInFlight, waiting, 1000);
}

/** Pieces of at most 64 KiB; no character is cut in two. */
function* inParts(text: string): Generator<string> {
  for (let from = 0, to = 0; from < text.length; from = to) {
    to = from + 65536;
    if (to < text.length && /[\ud800-\udbff]/.test(text[to - 1])) to--;
    yield text.slice(from, to);
  }
}

function writeTo(name: 'stdout' | 'stderr'): typeof process.stdout.write {
  const decoder = new StringDecoder('utf8');
  return (chunk: string | Uint8Array, second?: unknown, third?: unknown): boolean => {
    const text = typeof chunk === 'string' ? chunk : decoder.write(Buffer.from(chunk));
    if (text !== '') {
      for (const part of inParts(text)) {
        hold(part.length);
        post({ kind: 'stream', request: cells.currentRequest, name, text: part });
      }
    }
    const done = typeof second === 'function' ? second : third;
    if (typeof done === 'function') process.nextTick(done as () => void);
    return true;
  };
}
process.stdout.write = writeTo('stdout');
process.stderr.write = writeTo('stderr');

const stdin = new HostStdin({
  state,
  answers: answers.port1,
  running: () => cells.runningCell,
  post,
  file: tunebookEnvironment().stdinFile,
});
Object.defineProperty(process, 'stdin', {
  get: () => stdin.stream(),
  configurable: true,
  enumerable: true,
});
Object.assign(globalThis, { prompt: (message?: string) => stdin.prompt(message) });

/** The approximate size of a display in bytes: most are one long text. */
function weigh(content: MessageContent): number {
  const values = Object.values((content.data ?? {}) as Record<string, unknown>);
  const sizes = values.map(
    (value) => (typeof value === 'string' ? value : (JSON.stringify(value) ?? '')).length,
  );
  return sizes.reduce((sum, size) => sum + size, 500);
}

function display(data: unknown, update: boolean): void {
  const content = data as MessageContent;
  const sizeBytes = weigh(content);
  hold(sizeBytes);
  const type = update ? 'update_display_data' : 'display_data';
  post({ kind: 'publish', request: cells.currentRequest, type, content, sizeBytes });
}

/** What `lib/notebook/display` finds when it runs inside this kernel. */
Object.assign(globalThis, {
  [Symbol.for('tunebook.kernel')]: {
    display,
    clearOutput: (wait: boolean) =>
      post({ kind: 'publish', request: cells.currentRequest, type: 'clear_output', content: { wait } }),
  },
});

// --- requests, one at a time: the wire thread sends the next one after the reply ---

/** Jupyter counts code points, JavaScript UTF-16 units. */
function toUnits(code: string, codePoints: number): number {
  return [...code].slice(0, codePoints).join('').length;
}
const toCodePoints = (code: string, units: number): number => [...code.slice(0, units)].length;

/** Where the cursor is, in UTF-16 units; at the end where the front end does not say. */
function cursorOf(code: string, position: unknown): number {
  return typeof position === 'number' ? toUnits(code, Math.max(0, position)) : code.length;
}

function complete(content: MessageContent): MessageContent {
  const code = String(content.code ?? '');
  const info = cells.compiler.complete(code, cursorOf(code, content.cursor_pos));
  const [start, end] = [toCodePoints(code, info.start), toCodePoints(code, info.end)];
  const types = info.candidates.map((text, i) => ({ text, type: info.kinds[i], start, end }));
  return {
    status: 'ok',
    matches: info.candidates,
    cursor_start: start,
    cursor_end: end,
    metadata: { _jupyter_types_experimental: types },
  };
}

function inspectCode(content: MessageContent): MessageContent {
  const code = String(content.code ?? '');
  const text = cells.compiler.inspect(code, cursorOf(code, content.cursor_pos));
  return {
    status: 'ok',
    found: text !== undefined,
    data: text === undefined ? {} : { 'text/plain': text },
    metadata: {},
  };
}

async function answer(request: HostRequest): Promise<MessageContent> {
  switch (request.type) {
    case 'execute_request': {
      Atomics.store(state, SLOT.phase, PHASE.preparing);
      const content = await cells.execute(request.id, request.content);
      Atomics.store(state, SLOT.phase, PHASE.idle);
      return content;
    }
    case 'complete_request':
      return compile(() => complete(request.content));
    case 'inspect_request':
      return compile(() => inspectCode(request.content));
    case 'finish_request':
      await cells.left.finish(request.id, cells.currentRequest);
      return { status: 'ok' };
    case 'ranks_request':
      return answerRanks(request.content);
    default: {
      const { isComplete, indent } = cells.compiler.isComplete(String(request.content.code ?? ''));
      return isComplete ? { status: 'complete' } : { status: 'incomplete', indent };
    }
  }
}

// --- interrupts ---

/** Listeners of SIGINT besides our own. */
const others = (): number =>
  process.listeners('SIGINT').filter((listener) => listener !== ownListener).length;
const countListeners = (event: string | symbol, added: number): void => {
  if (event === 'SIGINT') Atomics.store(state, SLOT.interruptListeners, others() + added);
};
process.on('newListener', (event, listener) => countListeners(event, listener === ownListener ? 0 : 1));
process.on('removeListener', (event) => countListeners(event, 0));

let informedCell = -1;
/** First calls the listeners (a trainer stops cleanly); without any, or the second time, the cell is interrupted. */
function takeInterrupt(sequence: number): void {
  if (Atomics.load(state, SLOT.interruptSeen) >= sequence) return;
  Atomics.store(state, SLOT.interruptSeen, sequence);
  const cell = cells.runningRequest;
  if (others() > 0 && (cell === -1 || informedCell !== cell)) {
    informedCell = cell;
    raising = true;
    try {
      process.emit('SIGINT', 'SIGINT');
    } finally {
      raising = false;
    }
    return;
  }
  cells.interrupt();
}
Object.assign(globalThis, { [Symbol.for('tunebook.interrupt')]: takeInterrupt });

// --- errors and exit ---

process.on('uncaughtException', (error) => {
  // An immediate that was not the first of several was terminated: node 20 then fails at it over and over.
  if (error instanceof TypeError && error.message.endsWith("(reading '_idleNext')"))
    endWith(
      'KernelEnded',
      'an endless loop in setImmediate was ended by force: node cannot go on after that',
      1,
    );
  cells.takeUncaught(error);
});
process.on('unhandledRejection', (reason, promise) => cells.takeRejection(reason, promise));
process.on('rejectionHandled', (promise) => cells.left.handle(promise));

const exit = process.exit.bind(process);
/** Ends the process once the wire thread has sent what is to be sent and has closed its sockets. */
function leave(code?: number | string | null): never {
  post({ kind: 'farewell' });
  Atomics.wait(state, SLOT.farewellSent, 0, 1000);
  process.on('SIGTERM', () => undefined); // for the programs that cells have started
  try {
    process.kill(-process.pid, 'SIGTERM');
  } catch {
    // this process was started in a group that is not its own
  }
  return exit(code);
}
/** Says why this process ends, before the sockets are gone. No reply: who requested learns that the kernel has died. */
function endWith(name: string, message: string, code?: number | string | null): never {
  const report = cells.reportOf(Object.assign(new Error(`${message}: the kernel has ended`), { name }));
  post({ kind: 'publish', request: cells.currentRequest, type: 'error', content: { ...report } });
  return leave(code);
}
/** A cell that calls process.exit ends the kernel. */
process.exit = (code?: number | string | null): never =>
  endWith('ProcessExit', `process.exit(${code ?? ''}) was called`, code);

/** Drops modules whose loading was terminated: the next import loads them anew. */
function dropHalfLoaded(): void {
  for (const [file, module] of Object.entries(require.cache))
    if (module?.loaded === false) Reflect.deleteProperty(require.cache, file);
}

wire.on('message', (message: ToMain) => {
  switch (message.kind) {
    case 'request':
      requested = true;
      answer(message)
        .catch((error: unknown): MessageContent => ({ status: 'error', ...cells.reportOf(error) }))
        .then((content) => post({ kind: 'reply', request: message.id, content }))
        .catch((error: unknown) => fs.writeSync(2, `kernel: ${String(error)}\n`));
      return;
    case 'nudge':
      return;
    case 'interrupt':
      return takeInterrupt(message.sequence);
    case 'abandon':
      if (message.request === cells.runningRequest) cells.abandon();
      dropHalfLoaded();
      Atomics.store(state, SLOT.terminationsSeen, message.termination);
      return;
    case 'lost':
      Atomics.store(state, SLOT.phase, PHASE.idle);
      return post({ kind: 'reply', request: message.request, content: cells.replyForLost(message.request) });
    case 'answer':
      return stdin.take(message.text);
    case 'exit':
      return leave(0);
  }
});
wire.on('error', (error) => {
  fs.writeSync(2, `kernel: network thread failed: ${error.stack ?? error.message}\n`);
  exit(1);
});
