/** Starts `child-run` and follows it. */
import { spawn } from 'node:child_process';
import path from 'node:path';
import type { ChildRequest } from './child-run';

export interface ChildEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
  /** The last mark before the end: where the process was. */
  readonly lastMark: string;
}

/**
 * @param onMark called at each mark; may send signals
 * @param shell a command line to run it in, with the program and its arguments as "$@"
 */
export function startChild(
  request: ChildRequest,
  onMark: (what: string, kill: (signal: NodeJS.Signals) => void) => void = () => undefined,
  shell?: string,
): Promise<ChildEnd> {
  const program = [process.execPath, path.join(__dirname, 'child-run.js'), JSON.stringify(request)];
  const argv = shell === undefined ? program : ['sh', '-c', shell, 'sh', ...program];
  const child = spawn(argv[0], argv.slice(1), {
    env: { ...process.env, TUNEBOOK_THREADS: '1', NODE_TEST_CONTEXT: undefined },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [output, rest, lastMark] = ['', '', ''];
  child.stdout.setEncoding('utf8');
  child.stdout.on('data', (text: string) => {
    output += text;
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (!line.startsWith('mark ')) continue;
      lastMark = line.split(' ')[1];
      onMark(lastMark, (signal) => void child.kill(signal));
    }
  });
  child.stderr.on('data', (text: Buffer) => (output += text.toString()));
  return new Promise((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, output, lastMark }));
  });
}
