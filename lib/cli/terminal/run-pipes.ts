/** `-` for a notebook: read from the standard input, written to the standard output. */
import fs from 'node:fs';
import path from 'node:path';
import { makeOwnedFolder } from '../../notebook/client';

/** Where a run reads and writes. */
export interface RunPipes {
  /** The notebook's file; standard input is copied to a temporary folder. */
  readonly notebook: string;
  /** The executed notebook's file; undefined: the default place. */
  readonly output: string | undefined;
  /** Whether the executed notebook goes to standard output, so that nothing else may. */
  readonly toStdout: boolean;
  /** Writes the executed notebook to standard output and removes temporary files. */
  close(): void;
}

/** Resolves `-` to files; other names stay as they are. */
export function openPipes(notebook: string, output: string | undefined): RunPipes {
  const fromStdin = notebook === '-';
  const toStdout = output === '-';
  if (!fromStdin && !toStdout) return { notebook, output: output, toStdout, close: () => undefined };
  const folder = makeOwnedFolder('tunebook-pipe-');
  const input = path.join(folder, 'stdin.ipynb');
  const executed = path.join(folder, 'stdout.ipynb');
  if (fromStdin) fs.writeFileSync(input, fs.readFileSync(0));
  return {
    notebook: fromStdin ? input : notebook,
    output: toStdout ? executed : output,
    toStdout,
    close() {
      if (toStdout && fs.existsSync(executed)) process.stdout.write(fs.readFileSync(executed));
      fs.rmSync(folder, { recursive: true, force: true });
    },
  };
}
