/** `tunebook sweep`: the grid from flags and files, a line for each run, the comparison. */
import fs from 'node:fs';
import path from 'node:path';
import { TunebookError } from '../types';
import { readParameterFile } from '../notebook/parameters/parameter-files';
import { givenParameters, limitsOf, readAssignments, WrongCallError } from './run';
import type { RunCommandOptions } from './run';
import { onStopSignals } from '../notebook/run/stop-signals';
import { gridValues, sweepNotebook } from '../notebook/run/sweep';
import { formatDuration } from './terminal-view';

/** What the command line of `sweep` gives. */
export interface SweepCommandOptions extends Omit<
  RunCommandOptions,
  'from' | 'until' | 'prepareOnly' | 'html' | 'junit' | 'summary' | 'listParams'
> {
  readonly grid: readonly string[];
  readonly gridFile?: string;
  readonly metric?: string;
}

/** The grid of a file: for each parameter a list of values. */
function gridOfFile(file: string): Record<string, string[]> {
  const grid: Record<string, string[]> = {};
  for (const [name, values] of Object.entries(readParameterFile(file))) {
    if (!Array.isArray(values))
      throw new TunebookError(`${file}: ${name}: expected a list of values, got ${JSON.stringify(values)}`);
    grid[name] = (values as unknown[]).map((value) =>
      typeof value === 'string' ? value : JSON.stringify(value),
    );
  }
  return grid;
}

/** Runs a sweep. @returns the exit status: 0 when all runs went well, 130 when it was interrupted */
export async function sweepCommand(notebook: string, options: SweepCommandOptions): Promise<number> {
  const grid: Record<string, string[]> = options.gridFile === undefined ? {} : gridOfFile(options.gridFile);
  const flags = readAssignments(options.grid);
  for (const [name, values] of Object.entries(flags)) grid[name] = gridValues(values);
  if (Object.keys(grid).length === 0)
    throw new WrongCallError('sweep: expected a grid, such as -g learningRate=1e-4,1e-3 or --grid-file');
  const folder = options.output ?? path.join('outputs', `${path.basename(notebook, '.ipynb')}-sweep`);
  const signals = onStopSignals((text) => console.log(text));
  try {
    const runs = await sweepNotebook({
      notebook,
      grid,
      parameters: givenParameters(notebook, options),
      folder,
      ...(options.jobs === undefined ? {} : { jobs: options.jobs }),
      ...(options.metric === undefined ? {} : { metric: options.metric }),
      ...(options.resume ? { resume: true } : {}),
      run: { ...limitsOf({ ...options, resume: false }), interrupt: signals.interrupt, kill: signals.kill },
      onRun: ({ name, status, durationMs, message, kept }) =>
        console.log(
          `${name}: ${status} ${kept ? 'already, it took' : 'in'} ${formatDuration(durationMs)}` +
            `${message === undefined ? '' : `\n  ${message}`}`,
        ),
    });
    console.log(`\n${fs.readFileSync(path.join(folder, 'sweep.md'), 'utf8')}\nWritten: ${folder}`);
    if (runs.some(({ status }) => status === 'interrupted')) return 130;
    return runs.every(({ status }) => status === 'ok') ? 0 : 1;
  } finally {
    signals.off();
  }
}
