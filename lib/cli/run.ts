/** `tunebook run`: one notebook or several, the live view, Ctrl-C, and the list of what was written. */
import path from 'node:path';
import { TunebookError } from '../types';
import { notebookToHtml } from '../notebook/run/html-report';
import { readNotebook, writeFileAtomic } from '../notebook/format/nbformat';
import { listFiles, outputPlaces } from '../notebook/run/output-places';
import { checkParameters, describeParameters, notebookParameters } from '../notebook/parameters/parameters';
import type { GivenParameters } from '../notebook/parameters/parameters';
import { parametersFromEnvironment, readParameterFile } from '../notebook/parameters/parameter-files';
import { openPipes } from './run-pipes';
import { inParallel, jsonSummary, junitReport } from '../notebook/run/run-summary';
import { runNotebook } from '../notebook/run/runner';
import type { CellResult, RunOptions, RunResult } from '../notebook/run/runner';
import { onStopSignals } from '../notebook/run/stop-signals';
import { formatDuration, formatSize, makeRunView } from './terminal-view';

/** What the command line gives. */
export interface RunCommandOptions {
  readonly param?: readonly string[];
  readonly output?: string;
  readonly timeout?: number;
  readonly cellTimeout?: number;
  readonly startTimeout?: number;
  readonly cwd?: string;
  readonly from?: number;
  readonly until?: number;
  readonly listParams?: boolean;
  readonly prepareOnly?: boolean;
  readonly paramsFile?: string;
  readonly html?: boolean;
  readonly resume?: boolean;
  readonly junit?: string;
  readonly summary?: string;
  /** Notebooks that run at a time. */
  readonly jobs?: number;
}

/** The command was called in a way that cannot be meant: exit status 2. */
export class WrongCallError extends TunebookError {
  override name = 'WrongCallError';
}

/** Reads `name=value` arguments. @throws WrongCallError for other texts */
export function readAssignments(texts: readonly string[]): Record<string, string> {
  const values: Record<string, string> = {};
  for (const text of texts) {
    const at = text.indexOf('=');
    if (at < 1) throw new WrongCallError(`${text}: expected name=value`);
    values[text.slice(0, at)] = text.slice(at + 1);
  }
  return values;
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

function reportEnd(result: RunResult): void {
  const files = listFiles(result.outputFolder);
  const isExecuted = (file: string): boolean => path.resolve(file) === path.resolve(result.output);
  if (!files.some(({ file }) => isExecuted(file)))
    files.unshift(...listFiles(path.dirname(result.output)).filter(({ file }) => isExecuted(file)));
  const width = Math.max(...files.map(({ file }) => file.length));
  if (files.length > 0) console.log('\nWritten:');
  for (const { file, sizeBytes } of files)
    console.log(
      `  ${file.padEnd(width)}  ${formatSize(sizeBytes).padStart(9)}${isExecuted(file) ? '  (the executed notebook)' : ''}`,
    );
  if (result.status === 'ok') console.log(`\nDone in ${formatDuration(result.durationMs)}.`);
  else console.error(`\n${endText(result)}`);
}

function endText(result: RunResult): string {
  const took = formatDuration(result.durationMs);
  const saved = result.status === 'not-saved' ? '' : '; the notebook is saved as it was then';
  return `${result.status}: ${result.message ?? ''}\nAfter ${took}${saved}.`;
}

/** Parameters of a notebook from the environment, a file and the command line; the later ones win. */
export function givenParameters(
  notebook: string,
  options: Pick<RunCommandOptions, 'param' | 'paramsFile'>,
): GivenParameters {
  const assigned = readAssignments(options.param ?? []);
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
    ...checkParameters(declared, assigned, true),
  };
}

/** What the command line says of a run's limits and place. */
export function limitsOf(options: RunCommandOptions): Partial<RunOptions> {
  const ms = (seconds: number | undefined, name: keyof RunOptions): Partial<RunOptions> =>
    seconds === undefined ? {} : { [name]: seconds * 1000 };
  return {
    ...ms(options.timeout, 'timeoutMs'),
    ...ms(options.cellTimeout, 'cellTimeoutMs'),
    ...ms(options.startTimeout, 'startTimeoutMs'),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.resume ? { resume: true } : {}),
    ...(options.prepareOnly ? { prepareOnly: true } : {}),
    ...(options.from === undefined ? {} : { from: options.from }),
    ...(options.until === undefined ? {} : { until: options.until }),
  };
}

/** Puts a page beside an executed notebook. */
function writeHtml(output: string): void {
  const page = notebookToHtml(readNotebook(output), path.basename(output, '.ipynb'));
  writeReport(output.replace(/(?:\.ipynb)?$/, '.html'), page);
}

/** Writes a file for readers. @throws TunebookError when that is not possible */
export function writeReport(file: string, content: string): void {
  try {
    writeFileAtomic(file, content);
  } catch (error) {
    throw new TunebookError(`${file}: cannot be written (${(error as NodeJS.ErrnoException).code})`);
  }
}

/** What cannot be run at all is a result too: it stops no other notebook and stands in the summaries. */
function refusal(notebook: string, output: string, error: unknown): RunResult {
  if (!(error instanceof TunebookError) || error instanceof WrongCallError) throw error;
  const outputFolder = path.dirname(output);
  const { message } = error;
  const nothing = { parameters: {}, durationMs: 0, cells: [] };
  return { status: 'refused', exitStatus: 1, notebook, output, outputFolder, message, ...nothing };
}

async function runOne(notebook: string, options: RunCommandOptions): Promise<RunResult> {
  const pipes = openPipes(notebook, options.output);
  const stream = pipes.toStdout ? process.stderr : process.stdout;
  let view = makeRunView(stream);
  const signals = onStopSignals((text) => view.take({ type: 'note', text }));
  let file = pipes.output ?? outputPlaces(pipes.notebook).file;
  try {
    const parameters = givenParameters(pipes.notebook, options);
    const places = outputPlaces(
      pipes.notebook,
      pipes.toStdout ? undefined : (pipes.output ?? undefined),
      parameters,
    );
    file = pipes.toStdout ? file : places.file;
    view.close();
    view = makeRunView(stream, earlierDurations(file));
    const result = await runNotebook({
      ...(notebook === '-' ? { cwd: process.cwd() } : {}),
      ...limitsOf(options),
      notebook: pipes.notebook,
      output: file,
      outputFolder: places.folder,
      parameters,
      interrupt: signals.interrupt,
      kill: signals.kill,
      onEvent: (event) => view.take(event),
    });
    view.close();
    if (options.html) writeHtml(result.output);
    if (!pipes.toStdout) reportEnd(result);
    else if (result.status !== 'ok') console.error(`\n${endText(result)}`);
    return { ...result, notebook, output: pipes.toStdout ? '-' : result.output };
  } catch (error) {
    const refused = refusal(notebook, file, error);
    console.error(refused.message);
    return refused;
  } finally {
    view.close();
    signals.off();
    pipes.close();
  }
}

/** Several notebooks: a line for each that ends. */
async function runSeveral(notebooks: readonly string[], options: RunCommandOptions): Promise<RunResult[]> {
  const places = notebooks.map((notebook) => outputPlaces(notebook));
  const doubled = places.find(({ file }, i) => places.findIndex((other) => other.file === file) !== i);
  if (doubled)
    throw new WrongCallError(
      `run: two notebooks would both write ${doubled.file}; run them one by one with -o`,
    );
  const signals = onStopSignals((text) => console.log(text));
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
          interrupt: signals.interrupt,
          kill: signals.kill,
        });
      const result = await start().catch((error: unknown) => refusal(notebook, file, error));
      if (options.html && result.cells.length > 0) writeHtml(result.output);
      console.log(
        `${notebook}: ${result.status} in ${formatDuration(result.durationMs)}, ${result.output}` +
          `${result.message === undefined ? '' : `\n  ${result.message}`}`,
      );
      return result;
    });
  } finally {
    signals.off();
  }
}

/** Refuses what cannot be meant, before anything is read or run. */
function checkCall(notebooks: readonly string[], options: RunCommandOptions): void {
  readAssignments(options.param ?? []);
  if (notebooks.length > 1 && (options.output !== undefined || notebooks.includes('-')))
    throw new WrongCallError('run: -o and - are for one notebook');
  if (options.output === '-' && (options.html || options.resume))
    throw new WrongCallError('run: --html and --resume need a file, not the standard output');
}

/** Runs the command. @returns the exit status: 0 ok, 1 failed, 130 interrupted */
export async function runCommand(notebooks: readonly string[], options: RunCommandOptions): Promise<number> {
  checkCall(notebooks, options);
  if (options.listParams) {
    for (const notebook of notebooks)
      console.log(describeParameters(notebookParameters(readNotebook(notebook))));
    return 0;
  }
  const results =
    notebooks.length === 1 ? [await runOne(notebooks[0], options)] : await runSeveral(notebooks, options);
  if (options.junit !== undefined) writeReport(options.junit, junitReport(results));
  if (options.summary !== undefined) writeReport(options.summary, jsonSummary(results));
  return Math.max(...results.map(({ exitStatus }) => exitStatus));
}
