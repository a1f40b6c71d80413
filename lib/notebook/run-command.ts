/** `tunebook run`: one notebook, its live view, Ctrl-C, and the list of what it wrote. */
import fs from 'node:fs';
import path from 'node:path';
import { TunebookError } from '../types';
import { notebookToHtml } from './html-report';
import { readNotebook, writeFileAtomic } from './nbformat';
import { describeParameters, notebookParameters } from './parameters';
import { parametersFromEnvironment, readParameterFile } from './parameter-files';
import { checkParameters } from './parameters';
import { inParallel, jsonSummary, junitReport } from './run-summary';
import { runNotebook, type CellResult, type RunOptions, type RunResult } from './runner';
import { gridValues, sweepNotebook } from './sweep';
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
  readonly paramsFile?: string;
  readonly html?: boolean;
  readonly resume?: boolean;
  readonly junit?: string;
  readonly summary?: string;
  /** Notebooks that run at a time. */
  readonly jobs?: number;
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
  if (output !== undefined) return { folder: path.dirname(output), file: output };
  const folder = path.join('outputs', path.basename(notebook, '.ipynb'));
  return { folder, file: path.join(folder, path.basename(notebook)) };
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

/** Parameters of a notebook from the environment, a file and the command line; the later ones win. */
function givenParameters(notebook: string, options: RunCommandOptions): Record<string, unknown> {
  const declared = notebookParameters(readNotebook(notebook));
  // The environment may be meant for another notebook: what this one does not have is passed over.
  const fromEnvironment = Object.entries(parametersFromEnvironment()).filter(([name]) =>
    declared.some((parameter) => parameter.name === name),
  );
  return {
    ...checkParameters(declared, Object.fromEntries(fromEnvironment), true),
    ...(options.paramsFile === undefined
      ? {}
      : checkParameters(declared, readParameterFile(options.paramsFile), false)),
    ...checkParameters(declared, readAssignments(options.param ?? []), true),
  };
}

function limitsOf(options: RunCommandOptions): Partial<RunOptions> {
  return {
    ...(options.timeout === undefined ? {} : { timeoutMs: options.timeout * 1000 }),
    ...(options.cellTimeout === undefined ? {} : { cellTimeoutMs: options.cellTimeout * 1000 }),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.resume ? { resume: true } : {}),
    ...(options.from === undefined ? {} : { from: options.from }),
    ...(options.until === undefined ? {} : { until: options.until }),
  };
}

/** Puts a page beside an executed notebook. */
function writeHtml(output: string): void {
  const page = notebookToHtml(readNotebook(output), path.basename(output, '.ipynb'));
  writeFileAtomic(output.replace(/(?:\.ipynb)?$/, '.html'), page);
}

/** What cannot be run at all is a result too: it stops no other notebook and stands in the summaries. */
function refusal(notebook: string, output: string, error: unknown): RunResult {
  if (!(error instanceof TunebookError)) throw error;
  const outputFolder = path.dirname(output);
  const { message } = error;
  const nothing = { parameters: {}, durationMs: 0, cells: [] };
  return { status: 'refused', exitStatus: 1, notebook, output, outputFolder, message, ...nothing };
}

async function runOne(notebook: string, options: RunCommandOptions): Promise<RunResult> {
  const { folder, file } = outputPlaces(notebook, options.output);
  const view = makeRunView(process.stdout, earlierDurations(file));
  const control = onControlC((text) => view.take({ type: 'note', text }));
  try {
    const result = await runNotebook({
      ...limitsOf(options),
      notebook,
      output: file,
      outputFolder: folder,
      parameters: givenParameters(notebook, options),
      interrupt: control.interrupt,
      kill: control.kill,
      onEvent: (event) => view.take(event),
    });
    view.close();
    if (options.html) writeHtml(result.output);
    reportEnd(result);
    return result;
  } catch (error) {
    const refused = refusal(notebook, file, error);
    console.error(refused.message);
    return refused;
  } finally {
    view.close();
    control.off();
  }
}

/** Several notebooks: a line for each that ends. */
async function runSeveral(notebooks: readonly string[], options: RunCommandOptions): Promise<RunResult[]> {
  const places = notebooks.map((notebook) => outputPlaces(notebook));
  const doubled = places.find(({ file }, i) => places.findIndex((other) => other.file === file) !== i);
  if (doubled)
    throw new TunebookError(
      `run: two notebooks would both write ${doubled.file}; run them one by one with -o`,
    );
  if (options.output !== undefined) throw new TunebookError('run: -o is for one notebook');
  const control = onControlC((text) => console.log(text));
  try {
    return await inParallel(notebooks, options.jobs ?? 1, async (notebook, i) => {
      const { file, folder } = places[i];
      // An async function, so that what is thrown before the run is caught as well.
      const start = async (): Promise<RunResult> =>
        runNotebook({
          ...limitsOf(options),
          notebook,
          output: file,
          outputFolder: folder,
          parameters: givenParameters(notebook, options),
          interrupt: control.interrupt,
          kill: control.kill,
        });
      const result = await start().catch((error: unknown) => refusal(notebook, file, error));
      if (options.html && result.status !== 'refused') writeHtml(result.output);
      console.log(
        `${notebook}: ${result.status} in ${formatDuration(result.durationMs)}, ${result.output}` +
          `${result.message === undefined ? '' : `\n  ${result.message}`}`,
      );
      return result;
    });
  } finally {
    control.off();
  }
}

/** Runs the command. @returns the exit status: 0 ok, 1 failed, 130 interrupted */
export async function runCommand(notebooks: readonly string[], options: RunCommandOptions): Promise<number> {
  if (options.listParams) {
    for (const notebook of notebooks)
      console.log(describeParameters(notebookParameters(readNotebook(notebook))));
    return 0;
  }
  const results =
    notebooks.length === 1 ? [await runOne(notebooks[0], options)] : await runSeveral(notebooks, options);
  if (options.junit !== undefined) writeFileAtomic(options.junit, junitReport(results));
  if (options.summary !== undefined) writeFileAtomic(options.summary, jsonSummary(results));
  return Math.max(...results.map(({ exitStatus }) => exitStatus));
}

/** What the command line of `sweep` gives. */
export interface SweepCommandOptions extends RunCommandOptions {
  readonly grid: readonly string[];
  readonly metric?: string;
}

/** Runs a sweep. @returns the exit status: 0 when all runs went well */
export async function sweepCommand(notebook: string, options: SweepCommandOptions): Promise<number> {
  const grid = Object.fromEntries(
    Object.entries(readAssignments(options.grid)).map(([name, values]) => [name, gridValues(values)]),
  );
  const folder = options.output ?? path.join('outputs', `${path.basename(notebook, '.ipynb')}-sweep`);
  const control = onControlC((text) => console.log(text));
  try {
    const runs = await sweepNotebook({
      notebook,
      grid,
      parameters: readAssignments(options.param ?? []),
      folder,
      ...(options.jobs === undefined ? {} : { jobs: options.jobs }),
      ...(options.metric === undefined ? {} : { metric: options.metric }),
      run: { ...limitsOf(options), interrupt: control.interrupt, kill: control.kill },
      onRun: (name, result) =>
        console.log(`${name}: ${result.status} in ${formatDuration(result.durationMs)}`),
    });
    console.log(`\n${fs.readFileSync(path.join(folder, 'sweep.md'), 'utf8')}\nWritten: ${folder}`);
    return runs.every(({ status }) => status === 'ok') ? 0 : 1;
  } finally {
    control.off();
  }
}
