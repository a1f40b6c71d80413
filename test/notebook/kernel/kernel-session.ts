/** A kernel for tests: runs a cell and gives what it published, in order. */
import os from 'node:os';
import { KernelClient } from '../../../lib/notebook/client/kernel-client';
import type { PublishedMessage } from '../../../lib/notebook/client/kernel-client';

export interface CellRun {
  readonly status: unknown;
  readonly reply: Record<string, unknown>;
  readonly messages: PublishedMessage[];
  /** All of stdout, joined. */
  readonly text: string;
}

export class Session {
  readonly messages: PublishedMessage[] = [];
  private constructor(readonly kernel: KernelClient) {
    kernel.onMessage((message) => this.messages.push(message));
  }

  static async start(cwd: string = os.tmpdir()): Promise<Session> {
    return new Session(await KernelClient.start({ cwd }));
  }

  /** Runs a cell; `interruptAfterMs` interrupts it, once for each number. */
  async run(code: string, interruptAfterMs: readonly number[] = []): Promise<CellRun> {
    const { id, done } = this.kernel.execute(code);
    const timers = interruptAfterMs.map((ms) => setTimeout(() => void this.kernel.interrupt(), ms));
    const { content } = await done;
    timers.forEach(clearTimeout);
    return { status: content.status, reply: content, ...this.of(id) };
  }

  /** What belongs to a request, so far. */
  of(id: string): { messages: PublishedMessage[]; text: string } {
    const messages = this.messages.filter((message) => message.parentId === id);
    const text = messages
      .filter((message) => message.type === 'stream' && message.content.name === 'stdout')
      .map((message) => String(message.content.text))
      .join('');
    return { messages, text };
  }
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Whether a process still exists. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
