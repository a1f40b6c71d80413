/**
 * Talks to a Jupyter kernel over ZeroMQ, as a Jupyter front-end does: starts it, runs code, reads what it
 * publishes, interrupts it, and leaves nothing running. `runner` stands on this.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import net from 'node:net';
import path from 'node:path';
import type * as Zmq from 'zeromq';
import { withLauncher } from '../../distributed';
import { messageOf, TunebookError } from '../../types';
import { describeExit } from './kernel-exit';
import type { KernelExit } from './kernel-exit';
import { kernelArgv, kernelImage, makeKernelImageSoon } from './kernel-image';
import { endGroup, endMarked, KERNEL_MARK } from './left-processes';
import { makeOwnedFolder } from './process-owner';
import { decodeMessage, encodeMessage, makeHeader } from './wire';
import type { ConnectionInfo, MessageContent, WireMessage } from './wire';

/** Settings of a kernel. */
export interface KernelOptions {
  /** Folder that the notebook's code runs in and imports from. */
  readonly cwd: string;
  /** Added to this process's environment. */
  readonly env?: Record<string, string>;
  /** Command and arguments; `{connection_file}` is replaced. Default: this package's kernel. */
  readonly argv?: readonly string[];
  /** A start that takes longer is given up and tried again, three times in all. Default 10,000 ms. */
  readonly startTimeoutMs?: number;
  /** Abort: a start that is still waited for is given up. */
  readonly cancel?: AbortSignal;
}

/** A message that the kernel published, with the request it belongs to. */
export interface PublishedMessage {
  readonly type: string;
  readonly content: MessageContent;
  readonly metadata: MessageContent;
  /** `msg_id` of the request; '' for none. */
  readonly parentId: string;
}

/** The kernel died, could not be started or does not answer. */
export class KernelDeadError extends TunebookError {
  override name = 'KernelDeadError';
}

/** Answer to a request. */
export interface KernelReply {
  readonly id: string;
  readonly content: MessageContent;
}

interface Pending {
  reply: MessageContent | undefined;
  idle: boolean;
  needsIdle: boolean;
  resolve(reply: KernelReply): void;
  reject(error: Error): void;
}

type Channel = 'shell' | 'control';

/** How long messages may be handled without a pause: nothing else of this process runs meanwhile. */
const LONGEST_TURN_MS = 20;
/** How long the last output of a dead kernel may take to arrive. */
const PIPE_PATIENCE_MS = 2000;
const DEFAULT_START_TIMEOUT_MS = 10_000;

const loadZmq = (): typeof Zmq => createRequire(__filename)('zeromq') as typeof Zmq;

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<net.Server>((resolve, reject) => {
          const server = net.createServer();
          server.once('error', reject);
          server.listen(0, '127.0.0.1', () => resolve(server));
        }),
    ),
  );
  const ports = servers.map((server) => (server.address() as net.AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** A running kernel; `shutdown()` or `kill()` must be called. */
export class KernelClient {
  /** Process id of the kernel. */
  readonly pid: number;
  /** Settles when the process has ended, however it did. */
  readonly exited: Promise<KernelExit>;
  /** Content of `kernel_info_reply`. */
  info: MessageContent = {};
  private readonly child: ChildProcess;
  private readonly folder: string;
  private readonly connection: ConnectionInfo;
  private readonly session = randomUUID();
  private readonly sockets: { shell: Zmq.Dealer; control: Zmq.Dealer; iopub: Zmq.Subscriber };
  private readonly sending: Record<Channel, Promise<void>> = {
    shell: Promise.resolve(),
    control: Promise.resolve(),
  };
  private readonly pending = new Map<string, Pending>();
  private readonly listeners = new Set<(message: PublishedMessage) => void>();
  private readonly rawListeners = new Set<(name: 'stdout' | 'stderr', text: string) => void>();
  private exit: KernelExit | undefined;
  private closed = false;

  private constructor(child: ChildProcess, folder: string, connection: ConnectionInfo) {
    const zmq = loadZmq();
    this.child = child;
    this.pid = child.pid ?? -1;
    this.folder = folder;
    this.connection = connection;
    this.sockets = {
      shell: new zmq.Dealer({ linger: 0 }),
      control: new zmq.Dealer({ linger: 0 }),
      iopub: new zmq.Subscriber({ linger: 0, receiveHighWaterMark: 100 }),
    };
    let lastWords = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => this.raw('stdout', text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      lastWords = (lastWords + text).slice(-4000);
      this.raw('stderr', text);
    });
    this.exited = new Promise((resolve) => {
      child.once('error', (error) => {
        this.exit ??= { code: null, signal: null, lastWords: error.message };
        resolve(this.exit);
      });
      child.once('exit', (code, signal) => {
        this.endProcesses(); // a child that inherited the pipes would keep them open
        const settle = (): void => {
          clearTimeout(patience);
          this.exit ??= { code, signal, lastWords };
          resolve(this.exit);
        };
        const patience = setTimeout(settle, PIPE_PATIENCE_MS);
        child.once('close', settle); // the last words have been read
      });
    });
    void this.exited.then((exit) => {
      const error = new KernelDeadError(describeExit(exit));
      for (const pending of this.pending.values()) pending.reject(error);
      this.pending.clear();
      this.close();
    });
    const address = (port: number): string => `${connection.transport}://${connection.ip}:${port}`;
    this.sockets.iopub.subscribe('');
    this.sockets.iopub.connect(address(connection.iopub_port));
    this.sockets.shell.connect(address(connection.shell_port));
    this.sockets.control.connect(address(connection.control_port));
    for (const name of ['shell', 'control', 'iopub'] as const) void this.read(name);
  }

  /**
   * Starts a kernel and waits until it answers on every channel.
   * @throws KernelDeadError when it cannot be started in three tries
   */
  static async start(options: KernelOptions): Promise<KernelClient> {
    const { startTimeoutMs = DEFAULT_START_TIMEOUT_MS, cancel } = options;
    let problem = '';
    // A person's kernel has documentation, which an image has not, and the time to read it.
    const isRun = !options.argv && options.env?.TUNEBOOK_RUN === '1';
    let image = isRun ? kernelImage(options.cwd) : undefined;
    if (isRun && image === undefined) makeKernelImageSoon(options.cwd);
    for (let attempt = 0; attempt < 3; attempt++) {
      if (cancel?.aborted) throw new KernelDeadError('kernel: its start was given up');
      const kernel = await KernelClient.spawn({ ...options, argv: options.argv ?? kernelArgv(image) });
      try {
        await kernel.waitUntilReady(startTimeoutMs, cancel);
        return kernel;
      } catch (error) {
        const { signal, ...exit } = await kernel.kill();
        image = undefined; // it may be for other flags of V8
        // One that had ended by itself says more than that no answer came, where this process was busy meanwhile.
        problem = signal === 'SIGKILL' ? messageOf(error) : describeExit({ signal, ...exit });
      }
    }
    throw new KernelDeadError(`kernel: could not be started in 3 tries: ${problem}`);
  }

  private static async spawn({
    cwd,
    env,
    argv,
  }: KernelOptions & { readonly argv: readonly string[] }): Promise<KernelClient> {
    if (!fs.existsSync(cwd)) throw new TunebookError(`kernel: the folder ${cwd} does not exist`);
    const [shell_port, iopub_port, stdin_port, control_port, hb_port] = await freePorts(5);
    const folder = makeOwnedFolder('tunebook-kernel-');
    const file = path.join(folder, 'connection.json');
    const connection: ConnectionInfo = {
      ip: '127.0.0.1',
      transport: 'tcp',
      shell_port,
      iopub_port,
      stdin_port,
      control_port,
      hb_port,
      key: randomBytes(32).toString('hex'),
      signature_scheme: 'hmac-sha256',
      kernel_name: 'tunebook',
    };
    fs.writeFileSync(file, JSON.stringify(connection), { mode: 0o600 });
    const [command, ...rest] = argv.map((part) => part.replace('{connection_file}', file));
    const child = spawn(command, rest, {
      cwd,
      env: { ...process.env, ...env, [KERNEL_MARK]: folder },
      stdio: withLauncher(['ignore', 'pipe', 'pipe']),
      detached: process.platform !== 'win32', // its own process group: Ctrl-C is ours to forward, and kill reaches all
      windowsHide: true,
    });
    return new KernelClient(child, folder, connection);
  }

  private async waitUntilReady(timeoutMs: number, cancel?: AbortSignal): Promise<void> {
    const start = Date.now();
    // iopub subscriptions take a moment: ask until an idle of one's own request came back.
    while (Date.now() - start < timeoutMs && !cancel?.aborted) {
      const { id, done } = this.request('shell', 'kernel_info_request', {});
      const waitMs = Math.min(250, start + timeoutMs - Date.now());
      const pause = new Promise<undefined>((resolve) => setTimeout(resolve, waitMs, undefined));
      const reply = await Promise.race([done, pause]);
      this.pending.delete(id);
      if (reply) {
        this.info = reply.content;
        return;
      }
    }
    throw new KernelDeadError(`kernel: no answer within ${timeoutMs / 1000} s of its start`);
  }

  /** Calls a listener with everything the kernel publishes. @returns a function that stops it */
  onMessage(listener: (message: PublishedMessage) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Calls a listener with what the kernel process or its children write to the process's own stdout and stderr. */
  onRawOutput(listener: (name: 'stdout' | 'stderr', text: string) => void): () => void {
    this.rawListeners.add(listener);
    return () => this.rawListeners.delete(listener);
  }

  /** Sends a request; `done` settles with its reply, once the kernel has also published its idle state. */
  request(
    channel: Channel,
    type: string,
    content: MessageContent,
    needsIdle = true,
  ): { id: string; done: Promise<KernelReply> } {
    const header = makeHeader(type, this.session);
    const id = header.msg_id;
    const done = new Promise<KernelReply>((resolve, reject) => {
      if (this.exit || this.closed) {
        reject(new KernelDeadError(this.exit ? describeExit(this.exit) : 'kernel: it was shut down'));
        return;
      }
      this.pending.set(id, { reply: undefined, idle: false, needsIdle, resolve, reject });
      const frames = encodeMessage(this.connection.key, { header, parent: {}, metadata: {}, content });
      // A socket takes one message at a time; if the kernel dies meanwhile, `exited` rejects the request.
      this.sending[channel] = this.sending[channel]
        .then(() => (this.closed ? undefined : this.sockets[channel].send(frames)))
        .catch(async (error: unknown) => {
          await Promise.race([this.exited, new Promise((wait) => setTimeout(wait, 1000))]);
          reject(new KernelDeadError(`kernel: it cannot be reached: ${String(error)}`));
        });
    });
    done.catch(() => undefined); // the caller may have stopped waiting
    return { id, done };
  }

  /** Runs code; the reply's `status` is `ok`, `error` or `aborted`. */
  execute(code: string, options: { silent?: boolean } = {}): { id: string; done: Promise<KernelReply> } {
    const silent = options.silent === true;
    return this.request('shell', 'execute_request', {
      code,
      silent,
      store_history: !silent,
      user_expressions: {},
      allow_stdin: false,
      stop_on_error: true,
    });
  }

  /** Interrupts the running cell: listeners of SIGINT first, KeyboardInterrupt otherwise or the second time. */
  async interrupt(): Promise<void> {
    await this.request('control', 'interrupt_request', {}, false).done;
  }

  /**
   * Whether the kernel's heartbeat answers; it does while a cell computes.
   * @param timeoutMs how long to wait
   */
  async isAlive(timeoutMs: number): Promise<boolean> {
    const { hb_port: port, ip, transport } = this.connection;
    const zmq = loadZmq();
    const socket = new zmq.Request({ linger: 0, receiveTimeout: timeoutMs, sendTimeout: timeoutMs });
    try {
      socket.connect(`${transport}://${ip}:${port}`);
      await socket.send('ping');
      await socket.receive();
      return true;
    } catch {
      return false;
    } finally {
      socket.close();
    }
  }

  /** Asks the kernel to end, ends it otherwise; children that cells started go with it. */
  async shutdown(): Promise<KernelExit> {
    const reply = this.request('control', 'shutdown_request', { restart: false }, false).done.catch(
      () => undefined,
    );
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<undefined>((resolve) => {
      timer = setTimeout(resolve, 3000, undefined);
    });
    await Promise.race([reply, patience]);
    await Promise.race([this.exited, patience]);
    clearTimeout(timer); // it would keep the program alive
    return this.kill();
  }

  /** Ends the kernel and all that it has started at once. */
  async kill(): Promise<KernelExit> {
    this.endProcesses();
    const exit = await this.exited;
    this.close();
    return exit;
  }

  private endProcesses(): void {
    if (this.pid > 0) endGroup(this.pid);
    endMarked(this.folder);
  }

  private raw(name: 'stdout' | 'stderr', text: string): void {
    for (const listener of this.rawListeners) listener(name, text);
  }

  private async read(name: 'shell' | 'control' | 'iopub'): Promise<void> {
    let lastPause = Date.now();
    try {
      for await (const frames of this.sockets[name]) {
        // While messages wait, zeromq gives one after the other without a pause in which timers would run.
        if (Date.now() - lastPause > LONGEST_TURN_MS) {
          await new Promise((resolve) => setImmediate(resolve));
          lastPause = Date.now();
        }
        try {
          this.take(name, decodeMessage(this.connection.key, frames));
        } catch (error) {
          this.raw('stderr', `tunebook: ${messageOf(error)}\n`);
        }
      }
    } catch (error) {
      if (!this.closed) this.raw('stderr', `tunebook: connection to the kernel: ${String(error)}\n`);
    }
  }

  private take(channel: 'shell' | 'control' | 'iopub', message: WireMessage): void {
    const parentId = message.parent.msg_id ?? '';
    const pending = this.pending.get(parentId);
    if (channel === 'iopub') {
      const { content, metadata } = message;
      const type = message.header.msg_type;
      for (const listener of this.listeners) listener({ type, content, metadata, parentId });
      if (pending && type === 'status' && content.execution_state === 'idle') pending.idle = true;
    } else if (pending) {
      pending.reply = message.content;
    }
    if (pending?.reply && (pending.idle || !pending.needsIdle)) {
      this.pending.delete(parentId);
      pending.resolve({ id: parentId, content: pending.reply });
    }
  }

  private close(): void {
    if (this.closed) return;
    this.closed = true;
    for (const socket of Object.values(this.sockets)) socket.close();
    this.child.stdout?.destroy();
    this.child.stderr?.destroy();
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}
