/**
 * What the kernel sends: one queue for iopub, for order and back-pressure, with small writes to a stream batched; and
 * replies, one at a time on each socket. Used by `host-wire`.
 */
import { writeSync } from 'node:fs';
import { messageOf } from '../../types';
import type * as zmq from 'zeromq';
import { encodeMessage, makeHeader } from '../client/wire';
import type { MessageContent, WireMessage } from '../client/wire';

const STREAM_FLUSH_MS = 25;
const STREAM_FLUSH_BYTES = 65536;
/** A subscriber that reads nothing for this long loses output: it must not stall the kernel. */
const STUCK_SUBSCRIBER_MS = 30_000;

/** What an outbox stands on. */
export interface OutboxOptions {
  readonly key: string;
  readonly iopub: zmq.Publisher;
  /** The request that output belongs to. */
  requestOf(id: number): WireMessage | undefined;
  /** Called once something of this size is sent. */
  sent(sizeBytes: number): void;
}

/** A piece of a stream. */
interface StreamText {
  readonly request: number;
  readonly name: string;
  readonly text: string;
}

interface Outgoing {
  readonly frames: (string | Buffer)[];
  readonly sizeBytes: number;
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The kernel's outgoing messages. */
export class Outbox {
  private readonly outgoing: Outgoing[] = [];
  private draining: Promise<void> | undefined;
  /** The last send of each socket: one takes one message at a time. */
  private readonly sending = new Map<zmq.Router, Promise<void>>();
  private stream:
    | {
        request: number;
        name: string;
        text: string[];
        sizeBytes: number;
        timer: NodeJS.Timeout;
      }
    | undefined;

  constructor(private readonly options: OutboxOptions) {}

  publish(parent: WireMessage | undefined, type: string, content: MessageContent, sizeBytes = 0): void {
    const frames = encodeMessage(this.options.key, {
      identities: [Buffer.from(type)],
      header: makeHeader(type, parent?.header.session ?? ''),
      parent: parent?.header ?? {},
      metadata: {},
      content,
    });
    this.outgoing.push({ frames, sizeBytes });
    this.draining ??= this.drain();
  }

  async reply(socket: zmq.Router, request: WireMessage, content: MessageContent): Promise<void> {
    const type = request.header.msg_type.replace(/_request$/, '_reply');
    return this.send(socket, request, { header: makeHeader(type, request.header.session), content });
  }

  /** Sends a message to the client of a request, by one of its sockets. */
  async send(
    socket: zmq.Router,
    request: WireMessage,
    { header, content }: Pick<WireMessage, 'header' | 'content'>,
  ): Promise<void> {
    const frames = encodeMessage(this.options.key, {
      identities: request.identities,
      header,
      parent: request.header,
      metadata: {},
      content,
    });
    const sent = (this.sending.get(socket) ?? Promise.resolve())
      .then(() => socket.send(frames))
      .catch((error: unknown) => {
        // The client is gone, or the kernel is shutting down: only the log is left.
        writeSync(2, `kernel: a reply was not sent: ${messageOf(error)}\n`);
      });
    this.sending.set(socket, sent);
    return sent;
  }

  addToStream({ request, name, text }: StreamText): void {
    if (this.stream && (this.stream.request !== request || this.stream.name !== name)) this.flushStream();
    const timer = (): NodeJS.Timeout => setTimeout(() => this.flushStream(), STREAM_FLUSH_MS);
    const stream = (this.stream ??= { request, name, text: [], sizeBytes: 0, timer: timer() });
    stream.text.push(text);
    stream.sizeBytes += text.length;
    if (stream.sizeBytes > STREAM_FLUSH_BYTES) this.flushStream();
  }

  flushStream(): void {
    if (!this.stream) return;
    clearTimeout(this.stream.timer);
    const { request, name, text, sizeBytes } = this.stream;
    this.stream = undefined;
    const parent = this.options.requestOf(request);
    this.publish(parent, 'stream', { name, text: text.join('') }, sizeBytes);
  }

  /** Settles once everything that was published is sent. */
  async drained(): Promise<void> {
    await this.draining;
  }

  private async sendPatiently(frames: (string | Buffer)[]): Promise<void> {
    const start = Date.now();
    while (Date.now() - start < STUCK_SUBSCRIBER_MS) {
      try {
        return await this.options.iopub.send(frames);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return;
        await sleep(2);
      }
    }
  }

  private async drain(): Promise<void> {
    for (let next = this.outgoing.shift(); next; next = this.outgoing.shift()) {
      await this.sendPatiently(next.frames);
      if (next.sizeBytes > 0) this.options.sent(next.sizeBytes);
    }
    this.draining = undefined;
  }
}
