/** `tunebook run`: one notebook, its live view, Ctrl-C, and the list of what it wrote. */
import fs from 'node:fs';
import path from 'node:path';
import { TunebookError } from '../types';
import { readNotebook } from './nbformat';
import { describeParameters, notebookParameters } from './parameters';
import { runNotebook, type CellResult, type RunOptions, type RunResult } from './runner';
import { formatDuration, formatSize, makeRunView } from './terminal-view';

/** What the command line gives. */
export interface RunCommandOptions {
  readonly param?: readonly string[];
  readonly output?: string;
  readonly timeout?: number;
  readonly cellTimeout?: number;
  readonly cwd?: string;
  readonly from?: number;
  readonly until?: number;
  readonly listParams?: boolean;
}

/** Reads `name=value` arguments. */
export function readAssignments(texts: readonly string[]): Record<string, string> {
  const values: Record<string, string> = {};
  for (const text of texts) {
    const at = text.indexOf('=');
    if (at < 1) throw new TunebookError(`-p ${text}: expected name=value`);
    values[text.slice(0, at)] = text.slice(at + 1);
  }
  return values;
}

/** Where a run of a notebook writes: the folder of its results, and the executed notebook. */
export function outputPlaces(notebook: string, output?: string): { folder: string; file: string } {
  const name = path.basename(output ?? notebook, '.ipynb');
  const folder = path.join('outputs', name);
  return { folder, file: output ?? path.join(folder, path.basename(notebook)) };
}

/** Every file below a folder, with its size in bytes, sorted by path. */
export function listFiles(folder: string): { file: string; sizeBytes: number }[] {
  if (!fs.existsSync(folder)) return [];
  return fs
    .readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath ?? entry.path, entry.name))
    .sort()
    .map((file) => ({ file, sizeBytes: fs.statSync(file).size }));
}

/** How long each cell took in the run that the output file holds, if that went well. */
function earlierDurations(file: string): number[] {
  try {
    const record = readNotebook(file).metadata.tunebook as { cells?: CellResult[] } | undefined;
    const cells = record?.cells ?? [];
    return cells.every(({ status }) => status === 'ok') ? cells.map(({ durationMs }) => durationMs) : [];
  } catch {
    return [];
  }
}

/** The first Ctrl-C lets the running cell stop cleanly, the second kills the kernel. */
function onControlC(say: (text: string) => void): { interrupt: AbortSignal; kill: AbortSignal; off(): void } {
  const interrupt = new AbortController();
  const kill = new AbortController();
  const listener = (): void => {
    if (!interrupt.signal.aborted) {
      say('Interrupted: the running cell may stop cleanly; Ctrl-C again kills it.');
      interrupt.abort();
    } else kill.abort();
  };
  process.on('SIGINT', listener);
  process.on('SIGTERM', listener);
  return {
    interrupt: interrupt.signal,
    kill: kill.signal,
    off: () => {
      process.off('SIGINT', listener);
      process.off('SIGTERM', listener);
    },
  };
}

function reportEnd(result: RunResult): void {
  const files = listFiles(result.outputFolder);
  if (!files.some(({ file }) => path.resolve(file) === path.resolve(result.output)))
    files.unshift({ file: result.output, sizeBytes: fs.statSync(result.output).size });
  const width = Math.max(...files.map(({ file }) => file.length));
  console.log('\nWritten:');
  for (const { file, sizeBytes } of files) {
    const note = path.resolve(file) === path.resolve(result.output) ? '  (the executed notebook)' : '';
    console.log(`  ${file.padEnd(width)}  ${formatSize(sizeBytes).padStart(9)}${note}`);
  }
  const took = formatDuration(result.durationMs);
  if (result.status === 'ok') console.log(`\nDone in ${took}.`);
  else
    console.error(
      `\n${result.status}: ${result.message ?? ''}\nAfter ${took}; the notebook is saved as it was then.`,
    );
}

/** Runs the command. @returns the exit status: 0 ok, 1 failed, 130 interrupted */
export async function runCommand(notebook: string, options: RunCommandOptions): Promise<number> {
  if (options.listParams) {
    console.log(describeParameters(notebookParameters(readNotebook(notebook))));
    return 0;
  }
  const { folder, file } = outputPlaces(notebook, options.output);
  const view = makeRunView(process.stdout, earlierDurations(file));
  const control = onControlC((text) => view.take({ type: 'note', text }));
  const runOptions: RunOptions = {
    notebook,
    output: file,
    outputFolder: folder,
    parameters: readAssignments(options.param ?? []),
    parametersAsText: true,
    ...(options.timeout === undefined ? {} : { timeoutMs: options.timeout * 1000 }),
    ...(options.cellTimeout === undefined ? {} : { cellTimeoutMs: options.cellTimeout * 1000 }),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.from === undefined ? {} : { from: options.from }),
    ...(options.until === undefined ? {} : { until: options.until }),
    interrupt: control.interrupt,
    kill: control.kill,
    onEvent: (event) => view.take(event),
  };
  try {
    const result = await runNotebook(runOptions);
    view.close();
    reportEnd(result);
    return result.exitStatus;
  } finally {
    view.close();
    control.off();
  }
}
