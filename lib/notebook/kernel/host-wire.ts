/**
 * The network side of the kernel, run in its own thread (started by `kernel-host`): every ZeroMQ socket, the
 * order of requests, the status messages, stream batching, heartbeat, interrupts and the end of the process.
 */
import { writeSync } from 'node:fs';
import { Session } from 'node:inspector';
import { parentPort, workerData } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { messageOf } from '../../types';
import * as zmq from 'zeromq';
import { endGroup, endMarked, KERNEL_MARK } from '../client/left-processes';
import { PHASE, SLOT } from './host-protocol';
import type { ToMain, ToWire } from './host-protocol';
import { Outbox } from './host-outbox';
import { decodeMessage, makeHeader } from '../client/wire';
import type { ConnectionInfo, MessageContent, WireMessage } from '../client/wire';

const { connection, shared, kernelInfo, answers } = workerData as {
  answers: MessagePort;
  connection: ConnectionInfo;
  shared: SharedArrayBuffer;
  kernelInfo: MessageContent;
};
const state = new Int32Array(shared);
const key = connection.key;

/** How long the main thread may take to see an interrupt before its JavaScript is terminated. */
const INTERRUPT_GRACE_MS = 300;
/** How long a reply may take after its code was terminated. */
const LOST_ANSWER_MS = 1000;

const shell = new zmq.Router({ linger: 500 });
const control = new zmq.Router({ linger: 500 });
const stdin = new zmq.Router({ linger: 0 });
const heartbeat = new zmq.Reply({ linger: 0 });
const iopub = new zmq.Publisher({ linger: 500, sendHighWaterMark: 100, noDrop: true });

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const toMain = (message: ToMain): void => parentPort?.postMessage(message);

const out = new Outbox({ key, iopub, requestOf: (id) => requests.get(id), sent: giveBack });
const publish = out.publish.bind(out);
const reply = out.reply.bind(out);

/** Lets the main thread write on: what it waits for is sent. */
function giveBack(sizeBytes: number): void {
  Atomics.sub(state, SLOT.bytesInFlight, sizeBytes);
  Atomics.notify(state, SLOT.bytesInFlight);
}

// --- shell requests: one after the other ---

/** Requests that output may still belong to: the newest thousand, so that late timers find their cell. */
const requests = new Map<number, WireMessage>();
let lastRequest = 0;
const waiting: WireMessage[] = [];
let answering: { id: number; resolve: (content: MessageContent) => void } | undefined;
let busy = false;

async function askMain(message: WireMessage): Promise<MessageContent> {
  await terminationsSeen(); // a pending one would hit this request
  const id = ++lastRequest;
  requests.set(id, message);
  if (requests.size > 1000) requests.delete(id - 1000);
  return new Promise((resolve) => {
    answering = { id, resolve };
    toMain({ kind: 'request', id, type: message.header.msg_type, content: message.content });
  });
}

async function answer(message: WireMessage): Promise<void> {
  switch (message.header.msg_type) {
    case 'kernel_info_request':
      return reply(shell, message, kernelInfo);
    case 'comm_info_request':
      return reply(shell, message, { status: 'ok', comms: {} });
    case 'history_request':
      return reply(shell, message, { status: 'ok', history: [] });
    case 'shutdown_request':
      return shutdown(shell, message);
    case 'execute_request': {
      const content = await askMain(message);
      out.flushStream();
      // After an interrupt it is known which cells are to go: one that was sent later runs.
      const wasInterrupted = interrupted === message && content.ename === 'KeyboardInterrupt';
      const stops = content.status === 'error' && message.content.stop_on_error !== false && !wasInterrupted;
      const behind = stops ? await takeWaitingCells() : [];
      await reply(shell, message, content);
      for (const cell of behind) await abort(cell);
      return;
    }
    case 'complete_request':
    case 'inspect_request':
    case 'is_complete_request':
    case 'finish_request':
    case 'ranks_request': {
      const content = await askMain(message);
      return reply(shell, message, content);
    }
    case 'comm_open': // there is nobody to talk to here: the protocol's way to say so
      return publish(message, 'comm_close', { comm_id: message.content.comm_id, data: {} });
    default: // nothing to do, status messages are sent all the same
  }
}

/**
 * The cells queued behind one that failed: they are aborted, as IPython does. Taken before the error is published, so
 * that a cell sent in answer to it is not among them.
 */
async function takeWaitingCells(): Promise<WireMessage[]> {
  await sleep(0); // reads what has arrived
  const cells = waiting.filter(({ header }) => header.msg_type === 'execute_request');
  waiting.splice(0, waiting.length, ...waiting.filter((message) => !cells.includes(message)));
  return cells;
}

async function abort(message: WireMessage): Promise<void> {
  publish(message, 'status', { execution_state: 'busy' });
  await reply(shell, message, { status: 'aborted' });
  publish(message, 'status', { execution_state: 'idle' });
}

/** The cells that were queued when an interrupt came. */
const doomed = new WeakSet<WireMessage>();
/** The request that was being answered at the last interrupt. */
let interrupted: WireMessage | undefined;

function doom(): void {
  for (const message of waiting) if (message.header.msg_type === 'execute_request') doomed.add(message);
}

/**
 * After an interrupt no queued cell runs, however the running one ends: one that handles the interrupt ends well, and
 * what follows would use what it has half done.
 */
async function abortQueued(): Promise<void> {
  interrupted = answering && requests.get(answering.id);
  doom();
  if (!busy) return;
  await sleep(0); // reads what has arrived
  doom();
}

async function work(): Promise<void> {
  if (busy) return;
  busy = true;
  for (let message = waiting.shift(); message; message = waiting.shift()) {
    if (doomed.has(message)) {
      await abort(message);
      continue;
    }
    publish(message, 'status', { execution_state: 'busy' });
    try {
      await answer(message);
    } finally {
      out.flushStream();
      publish(message, 'status', { execution_state: 'idle' });
    }
  }
  busy = false;
}

// --- stdin: what a cell asks a person ---

/** The `input_request` that waits for its reply. */
let asking: { readonly id: string; readonly waits: boolean } | undefined;

function ask({ request, prompt, waits }: ToWire & { readonly kind: 'ask' }): void {
  const parent = requests.get(request);
  const header = makeHeader('input_request', parent?.header.session ?? '');
  asking = { id: header.msg_id, waits };
  if (!parent) return answerAsked(undefined);
  out.flushStream(); // what was printed before comes before
  void out.send(stdin, parent, { header, content: { prompt, password: false } });
}

/** @param text undefined: it was interrupted */
function answerAsked(text: string | undefined): void {
  const waits = asking?.waits ?? false;
  asking = undefined;
  if (!waits) return text === undefined ? undefined : toMain({ kind: 'answer', text });
  answers.postMessage({ text });
  Atomics.add(state, SLOT.answered, 1);
  Atomics.notify(state, SLOT.answered);
}

function takeInput({ header, parent, content }: WireMessage): void {
  if (header.msg_type === 'input_reply' && asking && (parent.msg_id ?? asking.id) === asking.id)
    answerAsked(String(content.value ?? ''));
}

// --- control: interrupt and shutdown, at any time ---

const inspector = new Session();
inspector.connectToMainThread();
let interrupts = 0;
/** The cell of the last interrupt. -1: code that an earlier cell left running; undefined: none yet. */
let lastStopped: number | undefined;
/** How often the running JavaScript was terminated, and when last. */
let terminations = 0;
let lastTerminationMs = 0;

/**
 * Interrupts the running cell whatever it does. A free event loop takes the message; a busy one has its JavaScript
 * terminated, even where that is a timer of an earlier cell. Where someone listens to SIGINT, the first interrupt only
 * calls the listeners; a second one for the same cell terminates.
 */
async function interrupt(): Promise<void> {
  const sequence = ++interrupts;
  const cell = answering?.id ?? -1;
  const insisting = cell === lastStopped;
  if (cell !== -1) lastStopped = cell;
  answerAsked(undefined);
  toMain({ kind: 'interrupt', sequence });
  const start = Date.now();
  // The grace starts anew after a termination: a second one would hit the kernel's own code, still answering the first.
  while (Date.now() < Math.max(start, lastTerminationMs) + INTERRUPT_GRACE_MS) {
    if (Atomics.load(state, SLOT.interruptSeen) >= sequence) return;
    await sleep(10);
  }
  // Neither the start nor the compiler is terminated: they would be left in a broken state. They take a second or two.
  while (Atomics.load(state, SLOT.phase) === PHASE.preparing && answering?.id === cell) {
    if (Atomics.load(state, SLOT.interruptSeen) >= sequence) return;
    await sleep(10);
  }
  const now = Atomics.load(state, SLOT.phase);
  if (cell === -1 ? now !== PHASE.idle : answering?.id !== cell) return;
  lastStopped = cell;
  const heard = Atomics.load(state, SLOT.interruptListeners) > 0;
  if (!heard || insisting) return terminate(cell);
  inspector.post('Runtime.evaluate', {
    expression: `globalThis[Symbol.for('tunebook.interrupt')](${sequence})`,
  });
}

/** Waits until the main thread has seen every termination. */
async function terminationsSeen(): Promise<void> {
  while (Atomics.load(state, SLOT.terminationsSeen) < terminations) await sleep(5);
}

/** Terminates the JavaScript that runs on the main thread, and makes sure that the cell gets a reply. */
async function terminate(cell: number): Promise<void> {
  const number = ++terminations;
  lastTerminationMs = Date.now();
  const nudging = setInterval(() => toMain({ kind: 'nudge' }), 10);
  await new Promise<void>((resolve) => inspector.post('Runtime.terminateExecution', () => resolve()));
  clearInterval(nudging);
  toMain({ kind: 'abandon', request: cell, termination: number });
  await terminationsSeen();
  await sleep(LOST_ANSWER_MS);
  if (answering?.id === cell && terminations === number) toMain({ kind: 'lost', request: cell });
}

/** Kills this process and what cells have started: its group, and under `tunebook run` whatever carries its mark. */
function kill(): void {
  const mark = process.env[KERNEL_MARK];
  if (mark !== undefined) endMarked(mark);
  endGroup(process.pid);
}

async function shutdown(socket: zmq.Router, message: WireMessage): Promise<void> {
  const content = { status: 'ok', restart: message.content.restart === true };
  out.flushStream();
  publish(message, 'shutdown_reply', content);
  publish(message, 'status', { execution_state: 'idle' });
  await reply(socket, message, content);
  await out.drained();
  toMain({ kind: 'exit' });
  setTimeout(kill, 1500);
}

async function answerControl(message: WireMessage): Promise<void> {
  publish(message, 'status', { execution_state: 'busy' });
  switch (message.header.msg_type) {
    case 'interrupt_request':
      await abortQueued();
      void interrupt();
      await reply(control, message, { status: 'ok' });
      break;
    case 'shutdown_request':
      return shutdown(control, message);
    case 'kernel_info_request':
      await reply(control, message, kernelInfo);
      break;
    default:
  }
  publish(message, 'status', { execution_state: 'idle' });
}

// --- messages from the main thread ---

parentPort?.on('message', (message: ToWire) => {
  switch (message.kind) {
    case 'stream':
      return out.addToStream(message);
    case 'publish':
      out.flushStream();
      return publish(requests.get(message.request), message.type, message.content, message.sizeBytes ?? 0);
    case 'reply':
      if (answering?.id === message.request) {
        const { resolve } = answering;
        answering = undefined;
        resolve(message.content);
      }
      return;
    case 'ask':
      return ask(message);
    case 'signalled':
      answerAsked(undefined);
      return void abortQueued();
    case 'farewell':
      out.flushStream();
      void (async () => {
        await out.drained();
        inspector.disconnect();
        for (const socket of [shell, control, stdin, heartbeat, iopub]) socket.close();
        await sleep(50); // the sockets' own thread writes to the network, and the loops over them end
        Atomics.store(state, SLOT.farewellSent, 1);
        Atomics.notify(state, SLOT.farewellSent);
      })();
  }
});

// --- sockets ---

async function listen(socket: zmq.Router, take: (message: WireMessage) => void): Promise<void> {
  for await (const frames of socket) {
    try {
      take(decodeMessage(key, frames));
    } catch (error) {
      // Unsigned and malformed messages are dropped.
      writeSync(2, `kernel: message refused: ${messageOf(error)}\n`);
    }
  }
}

async function echoHeartbeat(): Promise<void> {
  for await (const frames of heartbeat) await heartbeat.send(frames);
}

async function bindAll(): Promise<void> {
  const address = (port: number): string => `${connection.transport}://${connection.ip}:${port}`;
  await Promise.all([
    shell.bind(address(connection.shell_port)),
    control.bind(address(connection.control_port)),
    stdin.bind(address(connection.stdin_port)),
    heartbeat.bind(address(connection.hb_port)),
    iopub.bind(address(connection.iopub_port)),
  ]);
  publish(undefined, 'status', { execution_state: 'starting' });
  void listen(shell, (message) => {
    waiting.push(message);
    void work();
  });
  void listen(control, (message) => void answerControl(message));
  void listen(stdin, takeInput);
  void echoHeartbeat();
}

// Without its parent the kernel serves nobody.
const parentPid = process.ppid;
setInterval(() => {
  if (process.ppid !== parentPid) kill();
}, 1000);

bindAll().catch((error: unknown) => {
  writeSync(2, `kernel: cannot listen: ${messageOf(error)}\n`);
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), 50);
});
