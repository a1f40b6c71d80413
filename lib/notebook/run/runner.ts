/**
 * Runs a notebook from top to bottom, unattended: parameters are checked and injected, outputs saved as they come, each
 * way to end (error, timeout, dead or hanging kernel, interrupt) has its own status, and no process is left behind.
 */
import fs from 'node:fs';
import path from 'node:path';
import { requireLocalPath, makeFoldersSync } from '../../files';
import { requireOptions } from '../../options';
import { messageOf, TunebookError } from '../../types';
import { KernelClient, KernelDeadError } from '../client/kernel-client';
import { leaveRanks, meetRanks, rankFolder, rankOfRun } from './ranks';
import { watchCell } from './cell-watch';
import { cellTitle, executedCopy } from './executed-copy';
import { namedFiles } from './input-files';
import { denoNote, isTypescript, notebookLanguage } from '../format/language';
import { lockOutput } from './output-lock';
import { resumePoint, readEarlier } from './resume';
import type { ResumePoint } from './resume';
import { Run } from './run-state';
import type { CellResult, RunNotebookOptions, RunResult } from './run-types';
import { cellSource, cellTags, readNotebook } from '../format/nbformat';
import type { NotebookCell } from '../format/nbformat';
import { checkParameters, defaultsOf, injectParameters, notebookParameters } from '../parameters/parameters';

/** Watches the running cell, or what the cells left running. @returns a function that ends it */
function watch(run: Run, kernel: KernelClient, done: Promise<unknown>, cell?: NotebookCell): () => void {
  return watchCell({
    kernel,
    done,
    what: cell ? 'the cell' : 'what the cells left running',
    options: run.options,
    runStartMs: run.startMs,
    flooding: () => {
      const { flooding } = run.collector;
      return flooding && (flooding === cell ? 'the cell' : 'an earlier cell, by a timer,');
    },
    otherFailed: () => run.otherFailed(),
    stop: (why) => (run.stop ??= why),
    stopped: () => run.stop !== undefined,
  });
}

async function runCell(
  run: Run,
  kernel: KernelClient,
  cell: NotebookCell,
  number: number,
): Promise<CellResult> {
  const source = cellSource(cell);
  const start = Date.now();
  const { id, done } = kernel.execute(source);
  run.collector.assign(id, cell);
  run.current = cell;
  const end = watch(run, kernel, done, cell);
  const base = { number, title: cellTitle(source) };
  const took = (): { durationMs: number } => ({ durationMs: Date.now() - start });
  try {
    const { content } = await done;
    cell.execution_count = typeof content.execution_count === 'number' ? content.execution_count : null;
    if (run.stop) return { ...base, ...took(), ...run.stop };
    if (content.status === 'ok') return { ...base, ...took(), status: 'ok' };
    if (cellTags(cell).includes('raises-exception')) return { ...base, ...took(), status: 'ok' };
    const message = `${String(content.ename)}: ${String(content.evalue)}`;
    return { ...base, ...took(), status: 'error', message, traceback: content.traceback as string[] };
  } catch (error) {
    if (run.stop) return { ...base, ...took(), ...run.stop };
    const said = cell.outputs?.find((output) => output.output_type === 'error');
    const message = messageOf(error);
    const cause = said?.output_type === 'error' ? `${said.ename}: ${said.evalue}; ` : '';
    return { ...base, ...took(), status: 'kernel-died', message: `${cause}${message}` };
  } finally {
    end();
    cell.metadata.tunebook = { durationMs: Date.now() - start };
  }
}

async function runCells(run: Run, kernel: KernelClient, skip?: ReadonlySet<NotebookCell>): Promise<void> {
  const { from = 1, until = Infinity } = run.options;
  let position = 0; // in the source, which has no injected cell
  const chosen = run.notebook.cells.filter((cell) => {
    const tags = cellTags(cell);
    const injected = tags.includes('injected-parameters');
    if (!injected) position++;
    if (cell.cell_type !== 'code' || cellSource(cell).trim() === '' || tags.includes('skip-execution'))
      return false;
    // Parameters are what the other cells stand on, from wherever the run begins.
    return injected || tags.includes('parameters') || (position >= from && position <= until);
  });
  run.emit({ type: 'start', cells: chosen.length });
  for (const [i, cell] of chosen.entries()) {
    const number = i + 1;
    if (run.options.interrupt?.aborted) run.stop ??= { status: 'interrupted', message: 'interrupted' };
    if (run.stop) return;
    if (skip?.has(cell)) {
      run.ran.push(cell);
      run.results.push({ number, title: cellTitle(cellSource(cell)), status: 'ok', durationMs: 0 });
      continue;
    }
    run.emit({ type: 'cell-start', number, of: chosen.length, source: cellSource(cell) });
    const result = await runCell(run, kernel, cell, number);
    run.ran.push(cell);
    run.results.push(result);
    if (result.status !== 'ok') {
      run.stop ??= { status: result.status, message: result.message ?? result.status };
      run.recordFailure(cell, result);
    }
    let ended = result;
    run.saveOrStop((message) => {
      cell.outputs = []; // they may be what does not fit
      if (result.status === 'ok') ended = { ...result, status: 'not-saved', message };
      run.results[i] = ended;
      run.recordFailure(cell, ended);
    });
    run.emit({ type: 'cell-end', number, of: chosen.length, cell: ended });
    run.takeLateErrors();
  }
}

/** Waits for what the cells left running, as far as the limits allow; another kernel than ours knows nothing of it. */
async function waitForLeftWork(run: Run, kernel: KernelClient): Promise<void> {
  if (run.stop || kernel.info.implementation !== 'tunebook-tslab') return;
  const { done } = kernel.request('shell', 'finish_request', {});
  const end = watch(run, kernel, done);
  try {
    await done;
  } catch (error) {
    if (!run.stop) throw error;
  } finally {
    end();
  }
}

/** Passes what the kernel publishes or writes to its own stdout and stderr to the cells and to listeners. */
function collectOutputs(run: Run, kernel: KernelClient): void {
  kernel.onMessage((message) => {
    const cell = run.collector.take(message);
    if (!cell) return;
    if (message.type === 'error' && !cellTags(cell).includes('raises-exception')) {
      const { ename, evalue, traceback } = message.content;
      run.lateErrors.set(cell, {
        message: `${String(ename)}: ${String(evalue)}`,
        traceback: traceback as string[],
      });
    }
    run.saveSoon();
    run.emit({ type: 'output', kind: message.type, content: message.content });
  });
  kernel.onRawOutput((name, text) => {
    if (!run.current || !run.collector.addText(run.current, name, text)) return;
    run.emit({ type: 'output', kind: 'stream', content: { name, text } });
  });
}

function finish(run: Run, parameters: Record<string, unknown>): RunResult {
  const { notebook, output, outputFolder = path.dirname(output) } = run.options;
  const status = run.stop?.status ?? 'ok';
  const failed = run.results.find((cell) => cell.status !== 'ok');
  const ended = failed
    ? `code cell ${failed.number} (${failed.title}): ${failed.message ?? failed.status}`
    : run.stop?.message;
  const saved = run.unsaved === undefined || ended?.includes(run.unsaved);
  const message = saved ? ended : [ended, run.unsaved].filter(Boolean).join('\n');
  return {
    status,
    exitStatus: status === 'ok' ? 0 : status === 'interrupted' ? 130 : 1,
    notebook,
    output,
    outputFolder,
    parameters,
    durationMs: Date.now() - run.startMs,
    cells: run.results,
    ...(message === undefined ? {} : { message }),
  };
}

/** Checks that `from` and `until` leave something to run. */
function checkPart({ from = 1, until = Infinity, resume }: RunNotebookOptions, cells: number): void {
  if (resume && (from !== 1 || until !== Infinity))
    throw new TunebookError('run: --resume goes on to the end; expected it without --from and --until');
  if (from > until) throw new TunebookError(`run: expected --from up to --until, got ${from} and ${until}`);
  if (from > cells) throw new TunebookError(`run: the notebook has ${cells} cells, got --from ${from}`);
}

/** The cells that are left out: on several ranks those that rank 0 leaves out. */
async function agreedSkip(
  run: Run,
  kernel: KernelClient,
  resumed: ResumePoint | undefined,
): Promise<ReadonlySet<NotebookCell>> {
  const skip = resumed?.skip ?? new Set();
  if (run.launch === undefined) return skip;
  const { cells } = run.notebook;
  const { rank, worldSize } = run.launch;
  const places = await meetRanks(
    kernel,
    run.notebook,
    [...skip].map((cell) => cells.indexOf(cell)),
  ).catch((error: unknown) => {
    // Before the kernel ends, and the launcher this process with it.
    run.emit({ type: 'note', text: `rank ${rank} of ${worldSize}: ${messageOf(error)}` });
    throw error;
  });
  return new Set(places.map((place) => cells[place]));
}

/** Rank 0's notebook is whole before the others may end. */
async function leaveOthers(run: Run, kernel: KernelClient): Promise<void> {
  if (run.launch === undefined) return;
  run.takeLateErrors();
  run.status = run.stop?.status ?? 'ok';
  run.saveOrStop();
  const { status, message } = run.stop ?? { status: 'ok' as const, message: undefined };
  const { options } = run;
  await leaveRanks(kernel, run.launch, { status, message }, (text) =>
    options.onEvent === undefined ? undefined : run.emit({ type: 'note', text }),
  );
}

async function runInKernel(
  run: Run,
  cwd: string,
  folder: string,
  resumed: ResumePoint | undefined,
): Promise<void> {
  const { options, notebook } = run;
  let kernel: KernelClient | undefined;
  try {
    kernel = await KernelClient.start({
      cwd,
      env: {
        TUNEBOOK_OUTPUT: folder,
        TUNEBOOK_RUN: '1',
        ...(options.stdin === undefined ? {} : { TUNEBOOK_STDIN: path.resolve(options.stdin) }),
        ...(options.resume ? { TUNEBOOK_RESUME: '1' } : {}),
        ...options.env,
      },
      ...(options.kernelArgv ? { argv: options.kernelArgv } : {}),
      ...(options.startTimeoutMs === undefined ? {} : { startTimeoutMs: options.startTimeoutMs }),
      ...(options.interrupt ? { cancel: options.interrupt } : {}),
    });
    notebook.metadata.language_info = kernel.info.language_info;
    collectOutputs(run, kernel);
    await kernel.execute('', { silent: true }).done; // loads the compiler: no cell's time
    const skip = await agreedSkip(run, kernel, resumed);
    run.startMs = Date.now();
    await runCells(run, kernel, skip);
    await waitForLeftWork(run, kernel);
    await leaveOthers(run, kernel);
  } catch (error) {
    if (!(error instanceof KernelDeadError)) throw error;
    run.stop ??= options.interrupt?.aborted
      ? { status: 'interrupted', message: 'interrupted before the first cell' }
      : { status: 'kernel-died', message: error.message };
  } finally {
    run.takeLateErrors();
    await kernel?.shutdown();
  }
}

/**
 * Runs a notebook. Errors of its cells do not throw, nor does a kernel that cannot be started or a disk that is full:
 * the result says how it ended, and the saved notebook shows it.
 * @throws TunebookError for a wrong notebook, an unknown or ill-typed parameter, an output that cannot be written or
 * that another run is writing
 * @example
 * ```ts
 * import { projectPath, runNotebook } from 'tunebook';
 *
 * const { status } = await runNotebook({
 *   notebook: projectPath('notebooks/01-gpt2-finetuning.ipynb'),
 *   output: 'run.ipynb',
 *   parameters: { maxSteps: 5 },
 *   prepareOnly: true, // writes the notebook with its parameters; left out, it runs
 * });
 * console.log(status);
 * ```
 */
export async function runNotebook(options: RunNotebookOptions): Promise<RunResult> {
  requireOptions<RunNotebookOptions>(options, {
    where: 'runNotebook',
    names: {
      notebook: true,
      output: true,
      outputFolder: true,
      parameters: true,
      parametersAsText: true,
      timeoutMs: true,
      cellTimeoutMs: true,
      stopPatienceMs: true,
      startTimeoutMs: true,
      prepareOnly: true,
      stdin: true,
      cwd: true,
      maxOutputBytes: true,
      from: true,
      until: true,
      resume: true,
      env: true,
      kernelArgv: true,
      interrupt: true,
      kill: true,
      onEvent: true,
    },
  });
  const file = options.notebook;
  for (const place of [file, options.output, options.outputFolder, options.cwd])
    if (place !== undefined) requireLocalPath(place, 'run');
  const source = readNotebook(file);
  const language = notebookLanguage(source);
  if (!isTypescript(language))
    throw new TunebookError(`${file}: expected a TypeScript notebook, got one in ${language}`);
  if (path.resolve(options.output) === path.resolve(file))
    throw new TunebookError(
      `${file}: the executed notebook would overwrite its source; choose another output`,
    );
  checkPart(options, source.cells.length);
  const cwd = options.cwd ?? path.dirname(path.resolve(file));
  if (options.stdin !== undefined && !fs.statSync(options.stdin, { throwIfNoEntry: false })?.isFile())
    throw new TunebookError(`run: the file ${options.stdin} of answers does not exist`);
  if (!fs.statSync(cwd, { throwIfNoEntry: false })?.isDirectory())
    throw new TunebookError(`run: the folder ${cwd} does not exist`);
  const declared = notebookParameters(source);
  const values = checkParameters(declared, options.parameters ?? {}, options.parametersAsText === true);
  const defaults = defaultsOf(declared);
  const notebook = injectParameters(executedCopy(source), values);
  const folder = path.resolve(options.outputFolder ?? path.dirname(options.output));
  try {
    makeFoldersSync(folder);
  } catch (error) {
    throw new TunebookError(`${folder}: cannot be made (${(error as NodeJS.ErrnoException).code})`);
  }
  const startedAt = new Date().toISOString();
  const launch = rankOfRun();
  const isFollower = launch !== undefined && launch.rank > 0;
  const record = (): Record<string, unknown> => ({
    notebook: path.basename(file),
    parameters: values,
    defaults,
    files: namedFiles({ ...defaults, ...values }, cwd),
    partial: options.from !== undefined || options.until !== undefined,
    startedAt,
  });
  const run = new Run(options, notebook, record, launch);
  const unlock = isFollower ? () => undefined : lockOutput(options.output);
  const own = rankFolder(launch, folder);
  try {
    const goesOn = options.resume && !isFollower;
    const resumed = goesOn ? resumePoint(readEarlier(options.output), notebook, values) : undefined;
    const deno = denoNote(source);
    for (const text of [...(deno === undefined ? [] : [deno]), ...(resumed?.notes ?? [])])
      run.emit({ type: 'note', text });
    if (options.interrupt?.aborted) {
      run.stop = { status: 'interrupted', message: 'interrupted before its start' };
      return finish(run, values);
    }
    run.status = options.prepareOnly ? 'prepared' : 'running';
    run.save();
    if (options.prepareOnly) return finish(run, values);
    await runInKernel(run, cwd, own.folder, resumed);
    run.status = run.stop?.status ?? 'ok';
    run.saveOrStop();
  } finally {
    own.remove();
    unlock();
  }
  return finish(run, values);
}
