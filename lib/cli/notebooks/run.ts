/** `tunebook run`: runs notebooks with a live view, handles Ctrl-C, and lists the files written. */
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import type { Command } from 'commander';
import { formatDuration, formatSize } from '../../display';
import type { Launch } from '../../distributed';
import { tunebookEnvironment } from '../../environment';
import { writeFileAtomicSync, makeFolderSync } from '../../files';
import { readNotebook } from '../../notebook/format';
import type * as Page from '../../notebook/page';
import { collectParameters, describeParameters, notebookParameters } from '../../notebook/parameters';
import type { GivenParameters } from '../../notebook/parameters';
import {
  earlierDurations,
  endRanksBefore,
  inParallel,
  jsonSummary,
  junitReport,
  listFiles,
  onStopSignals,
  outputPlaces,
  rankLog,
  rankOfRun,
  runNotebook,
  writtenSince,
} from '../../notebook/run';
import type { FoundFile, RunResult } from '../../notebook/run';
import { notebookPath } from '../../notebook';
import { messageOf, TunebookError } from '../../types';
import { collect, count, limitsOf, readAssignments, seconds, WrongCallError } from '../terminal/call';
import type { LimitOptions } from '../terminal/call';
import { openPipes } from '../terminal/run-pipes';
import { makeRunView } from '../terminal/run-view';

/** Options of `run`. */
export interface RunCommandOptions extends LimitOptions {
  readonly param?: readonly string[];
  readonly output?: string;
  readonly listParams?: boolean;
  readonly paramsFile?: string;
  readonly html?: boolean;
  readonly junit?: string;
  readonly summary?: string;
  /** Most notebooks that run in parallel. */
  readonly jobs?: number;
}

/** Most files that are listed one by one. */
const MAX_LISTED = 20;

/** Lists the files that a run wrote, the executed notebook first. */
function reportWritten(result: RunResult, before: readonly FoundFile[]): void {
  const isExecuted = ({ file }: FoundFile): boolean => path.resolve(file) === path.resolve(result.output);
  const now = listFiles(result.outputFolder);
  const executed = now.find(isExecuted);
  const others = writtenSince(before, now).filter((found) => !isExecuted(found));
  const shown = [...(executed ? [executed] : []), ...others].slice(0, MAX_LISTED);
  const width = Math.max(...shown.map(({ file }) => file.length));
  if (shown.length > 0) console.log('\nWritten:');
  for (const found of shown) {
    const note = isExecuted(found) ? '  (the executed notebook)' : '';
    console.log(`  ${found.file.padEnd(width)}  ${formatSize(found.sizeBytes).padStart(9)}${note}`);
  }
  const rest = others.slice(shown.length - (executed ? 1 : 0));
  if (rest.length > 0)
    console.log(
      `  and ${rest.length} more, ${formatSize(rest.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0))}`,
    );
}

function reportEnd(result: RunResult): void {
  if (result.status === 'ok') console.log(`\nDone in ${formatDuration(result.durationMs)}.`);
  else console.error(`\n${endText(result)}`);
}

function endText(result: RunResult): string {
  const took = formatDuration(result.durationMs);
  const saved = result.status === 'not-saved' ? '' : '; the notebook is saved as it was then';
  return `${result.status}: ${result.message ?? ''}\nAfter ${took}${saved}.`;
}

/** Parameters of a notebook from environment, file and command line; later ones override. */
export function parametersOf(
  notebook: string,
  { param = [], paramsFile }: Pick<RunCommandOptions, 'param' | 'paramsFile'>,
): GivenParameters {
  return collectParameters(notebook, { file: paramsFile, texts: readAssignments(param) });
}

/** Writes a page beside an executed notebook. */
function writeHtml(output: string): void {
  const notebook = readNotebook(output);
  // With its readers of Markdown and HTML it would be a fourth of what comes before the first cell.
  const { notebookTitle, notebookToHtml } = createRequire(__filename)('../../notebook/page') as typeof Page;
  const page = notebookToHtml(notebook, notebookTitle(notebook, path.basename(output, '.ipynb')));
  writeReport(output.replace(/(?:\.ipynb)?$/, '.html'), page);
}

/** Writes a report file. @throws TunebookError if it cannot be written */
function writeReport(file: string, content: string): void {
  try {
    writeFileAtomicSync(file, content);
  } catch (error) {
    throw new TunebookError(`${file}: cannot be written (${(error as NodeJS.ErrnoException).code})`);
  }
}

/** A notebook that cannot be run at all is a result too: it stops no other one and appears in the summaries. */
function refusal(notebook: string, output: string, error: unknown): RunResult {
  if (!(error instanceof TunebookError) || error instanceof WrongCallError) throw error;
  const outputFolder = path.dirname(output);
  const { message } = error;
  const nothing = { parameters: {}, durationMs: 0, cells: [] };
  return { status: 'refused', exitStatus: 1, notebook, output, outputFolder, message, ...nothing };
}

/** A rank other than 0 writes a log beside the executed notebook, and says only what all must know. */
async function runFollower(
  notebook: string,
  options: RunCommandOptions,
  { rank, worldSize }: Launch,
): Promise<number> {
  const who = `rank ${rank} of ${worldSize}`;
  const signals = onStopSignals(() => undefined);
  const said = new Set<string>();
  let log: number | undefined;
  try {
    const parameters = parametersOf(notebook, options);
    const { file, folder } = outputPlaces(notebook, options.output, parameters);
    const name = rankLog(file, rank);
    makeFolderSync(folder);
    const descriptor = (log = fs.openSync(name, 'w'));
    const view = makeRunView({ write: (text) => fs.writeSync(descriptor, text) });
    const result = await runNotebook({
      ...limitsOf(options),
      ...{ notebook, output: file, outputFolder: folder, parameters },
      ...{ interrupt: signals.interrupt, kill: signals.kill },
      onEvent: (event) => {
        view.take(event);
        const text = event.type === 'output' ? event.content.text : event.type === 'note' && event.text;
        if (typeof text !== 'string' || !text.startsWith(who) || said.has(text.trim())) return;
        said.add(text.trim()); // by the kernel, too
        console.error(text.trimEnd());
      },
    });
    view.close();
    fs.writeSync(log, result.status === 'ok' ? 'ok\n' : `${result.status}: ${result.message ?? ''}\n`);
    if (result.exitStatus === 1)
      console.error(`${who}: ${result.status}: ${result.message ?? ''}\n${who}: ${name}`);
    return result.exitStatus;
  } catch (error) {
    if (!(error instanceof TunebookError) || error instanceof WrongCallError) throw error;
    console.error(`${who}: ${error.message}`);
    return 1;
  } finally {
    if (log !== undefined) fs.closeSync(log);
    signals.off();
  }
}

async function runOne(notebook: string, options: RunCommandOptions): Promise<RunResult> {
  const pipes = openPipes(notebook, options.output);
  const stream = pipes.toStdout ? process.stderr : process.stdout;
  let view = makeRunView(stream);
  const signals = onStopSignals((text) => view.take({ type: 'note', text }));
  let file = pipes.output ?? outputPlaces(pipes.notebook).file;
  try {
    const parameters = parametersOf(pipes.notebook, options);
    const places = outputPlaces(
      pipes.notebook,
      pipes.toStdout ? undefined : (pipes.output ?? undefined),
      parameters,
    );
    file = pipes.toStdout ? file : places.file;
    view.close();
    view = makeRunView(stream, earlierDurations(file));
    const before = listFiles(places.folder);
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
    if (!pipes.toStdout) {
      reportWritten(result, before);
      reportEnd(result);
    } else if (result.status !== 'ok') console.error(`\n${endText(result)}`);
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

/** Runs several notebooks, with a line as each ends. */
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
      // An async function, so that errors thrown before the run are caught as well.
      const start = async (): Promise<RunResult> =>
        runNotebook({
          ...limitsOf(options),
          notebook,
          output: file,
          outputFolder: folder,
          parameters: parametersOf(notebook, options),
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

/** Refuses impossible calls before anything is read or run. */
function checkCall(notebooks: readonly string[], options: RunCommandOptions): void {
  readAssignments(options.param ?? []);
  if (notebooks.length > 1 && (options.output !== undefined || notebooks.includes('-')))
    throw new WrongCallError('run: -o and - are for one notebook');
  if (options.output === '-' && (options.html || options.resume))
    throw new WrongCallError('run: --html and --resume need a file, not the standard output');
}

/** Signals the launcher that this rank came to its end: MPICH's mpirun gives 0 for ranks that it killed. */
function sayEnded({ rank }: Launch): void {
  const { launchFolder } = tunebookEnvironment();
  if (launchFolder !== undefined) fs.writeFileSync(path.join(launchFolder, `rank${rank}`), '');
}

/** Runs the command. @returns the exit status: 0 ok, 1 failed, 130 interrupted */
async function runCommand(notebooks: readonly string[], options: RunCommandOptions): Promise<number> {
  checkCall(notebooks, options);
  const launch = rankOfRun();
  if (launch !== undefined) {
    if (notebooks.length > 1 || notebooks.includes('-') || options.output === '-')
      throw new WrongCallError(
        `run: expected one notebook in a file for ${launch.worldSize} ranks, got ${notebooks.join(' ')}; run others after it`,
      );
    if (launch.rank > 0 && options.listParams) return 0;
  }
  if (options.listParams) {
    for (const notebook of notebooks)
      console.log(describeParameters(notebookParameters(readNotebook(notebook))));
    return 0;
  }
  try {
    return await runAll(notebooks, options, launch);
  } catch (error) {
    endRanksBefore(messageOf(error));
    throw error;
  }
}

/** @returns the exit status */
async function runAll(
  notebooks: readonly string[],
  options: RunCommandOptions,
  launch: Launch | undefined,
): Promise<number> {
  if (launch !== undefined && launch.rank > 0) {
    const status = await runFollower(notebooks[0], options, launch);
    sayEnded(launch);
    return status;
  }
  const results =
    notebooks.length === 1 ? [await runOne(notebooks[0], options)] : await runSeveral(notebooks, options);
  if (options.junit !== undefined) writeReport(options.junit, junitReport(results));
  if (options.summary !== undefined) writeReport(options.summary, jsonSummary(results));
  if (launch !== undefined) sayEnded(launch);
  return Math.max(...results.map(({ exitStatus }) => exitStatus));
}

/** Adds `run` to the program. */
export function addRunCommand(program: Command): void {
  program
    .command('run')
    .description('run a notebook from top to bottom, without Jupyter and without Python')
    .argument('<notebooks...>', 'the notebooks, which are not changed; - for the standard input')
    .option('-p, --param <name=value>', 'set a parameter (repeatable); checked against its type', collect, [])
    .option(
      '-o, --output <file>',
      'the executed notebook, {name} for a parameter, - for the standard output (default: outputs/NAME/NAME.ipynb)',
    )
    .option('--timeout <seconds>', 'limit for the whole run', seconds)
    .option('--cell-timeout <seconds>', 'limit for each cell', seconds)
    .option(
      '--start-timeout <seconds>',
      'limit for each of three tries to start the kernel (default: 10)',
      seconds,
    )
    .option('--stdin <file>', 'lines that answer prompt() and what reads process.stdin, in order')
    .option('--cwd <folder>', "folder that the code runs in (default: the notebook's)")
    .option('--from <cell>', 'number of the first cell to run, counting all cells', count)
    .option('--until <cell>', 'number of the last cell to run', count)
    .option('--list-params', 'show the parameters with types and defaults, and run nothing')
    .option('--prepare-only', 'write the notebook with its parameters, and run nothing')
    .option('-f, --params-file <file>', 'parameters from a .json or .yaml file; -p wins')
    .option('--resume', 'continue from the cell where the earlier run failed')
    .option('--html', 'also write the executed notebook as a page that opens offline')
    .option('--junit <file>', "write JUnit's report, a test case for each cell")
    .option('--summary <file>', 'write a summary as JSON')
    .option('-j, --jobs <count>', 'notebooks that run at a time', count)
    .action(async (notebooks: string[], options: RunCommandOptions) => {
      process.exitCode = await runCommand(notebooks.map(notebookPath), options);
    });
}
