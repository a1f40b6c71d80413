/**
 * What cells read from a person: `prompt()` waits for a line, `process.stdin` gives lines as they are read. Both ask
 * through Jupyter's stdin channel where the client says that it answers. Without a person the lines of a file answer,
 * and where there are none both fail at once.
 */
import { readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { receiveMessageOnPort } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { TunebookError } from '../../types';
import { KeyboardInterrupt } from './error-report';
import { SLOT } from './host-protocol';
import type { ToWire } from './host-protocol';

const INSTEAD = 'write the value in the cell, or make it a parameter';
/** A reader that reads ahead may not want another line: it closes or pauses by then. */
const READ_AHEAD_MS = 100;

/** What reading stands on. */
export interface HostStdinOptions {
  readonly state: Int32Array;
  /** Where answers to `prompt` come. */
  readonly answers: MessagePort;
  /** A file whose lines answer, in order, where no person does. */
  readonly file?: string | undefined;
  /** The running cell, and whether its client answers; undefined: none runs. */
  running(): { readonly request: number; readonly asks: boolean } | undefined;
  post(message: ToWire): void;
}

/** Whether somebody reads on: not a paused stream, unless it is read by its event, as `for await` does. */
function isRead(stream: Readable): boolean {
  return stream.readableFlowing !== false || stream.listenerCount('readable') > 0;
}

/** The standard input of cells. */
export class HostStdin {
  private current: Readable | undefined;
  private wanting: NodeJS.Timeout | undefined;
  /** The cell that a line was asked for, until the answer. */
  private askedFor: number | undefined;
  private lines: string[] | undefined;

  constructor(private readonly options: HostStdinOptions) {}

  /**
   * Asks a person and waits for the line.
   * @throws KeyboardInterrupt when the cell is interrupted meanwhile
   */
  prompt(message = ''): string {
    const { state, answers, post } = this.options;
    const cell = this.options.running();
    if (!cell?.asks) {
      const line = this.nextLine();
      if (line !== undefined) return line;
      throw new TunebookError(
        `prompt(): ${this.nobody('nobody is there')} to answer ${JSON.stringify(message)}; ${INSTEAD}`,
      );
    }
    const before = Atomics.load(state, SLOT.answered);
    post({ kind: 'ask', request: cell.request, prompt: String(message), waits: true });
    Atomics.wait(state, SLOT.answered, before);
    const answer = receiveMessageOnPort(answers)?.message as { readonly text?: string } | undefined;
    if (answer?.text === undefined) throw new KeyboardInterrupt('the cell was interrupted while it asked');
    return answer.text;
  }

  /** `process.stdin` of cells. */
  stream(): Readable {
    if (this.current && !this.current.destroyed) return this.current;
    const stream: Readable = new Readable({ highWaterMark: 1, read: () => this.want(stream) });
    this.current = Object.assign(stream, { fd: 0 });
    return stream;
  }

  /** A person answered what `process.stdin` was asked for. */
  take(text: string): void {
    if (this.askedFor === undefined) return;
    clearInterval(this.wanting);
    this.askedFor = undefined;
    this.current?.push(`${text}\n`);
  }

  /** Asks once a cell runs that reads on: what reads ahead may close or pause it, or wait for a later cell. */
  private want(stream: Readable): void {
    clearInterval(this.wanting);
    const look = (): void => {
      const cell = this.options.running();
      if (stream.destroyed) clearInterval(this.wanting);
      else if (cell && !cell.asks && (isRead(stream) || this.options.file === undefined)) {
        clearInterval(this.wanting);
        const line = this.nextLine();
        if (line !== undefined) stream.push(`${line}\n`);
        else
          stream.destroy(
            new TunebookError(
              `process.stdin: ${this.nobody('a cell has no terminal')} to read from; ${INSTEAD}`,
            ),
          );
      } else if (cell && isRead(stream) && this.askedFor !== cell.request) {
        this.askedFor = cell.request;
        this.options.post({ kind: 'ask', request: cell.request, prompt: '', waits: false });
      }
    };
    this.wanting = setInterval(look, READ_AHEAD_MS).unref();
    if (this.options.running()?.asks === false && this.options.file === undefined) look();
  }

  /** The file's next line; undefined after its end, or without a file. */
  private nextLine(): string | undefined {
    const { file } = this.options;
    if (file === undefined) return undefined;
    this.lines ??= readFileSync(file, 'utf8')
      .replace(/(?:\r\n|\r|\n)$/, '')
      .split(/\r\n|\r|\n/);
    return this.lines.shift();
  }

  private nobody(otherwise: string): string {
    const { file } = this.options;
    return file === undefined ? otherwise : `the file ${file} has no further line`;
  }
}
