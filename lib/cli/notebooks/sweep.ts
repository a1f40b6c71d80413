/** `tunebook sweep`: runs a notebook over a grid from flags and files, and compares the runs. */
import fs from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import { notebookPath } from '../../notebook';
import { formatDuration } from '../../display';
import { readGridFile } from '../../notebook/parameters';
import { onStopSignals, rankOfRun } from '../../notebook/run';
import { gridValues, sweepNotebook } from '../../notebook/sweeps';
import { collect, count, limitsOf, readAssignments, seconds, WrongCallError } from '../terminal/call';
import { parametersOf } from './run';
import type { RunCommandOptions } from './run';
import { clusterCommand, isAboutCluster } from './sweep-cluster';
import type { ClusterOptions, ClusterSweep } from './sweep-cluster';

/** Options of `sweep`. */
export interface SweepCommandOptions
  extends
    Omit<RunCommandOptions, 'from' | 'until' | 'prepareOnly' | 'html' | 'junit' | 'summary' | 'listParams'>,
    ClusterOptions {
  readonly resume?: boolean;
  readonly jobs?: number;
  readonly grid: readonly string[];
  readonly gridFile?: string;
  readonly metric?: string;
}

function clusterSweep(
  notebook: string,
  grid: ClusterSweep['grid'],
  folder: string,
  options: SweepCommandOptions,
): ClusterSweep {
  const { timeoutMs, cellTimeoutMs, startTimeoutMs } = limitsOf(options);
  return {
    ...{ notebook, grid, folder: path.resolve(folder), metric: options.metric, cwd: options.cwd },
    parameters: () => parametersOf(notebook, options),
    limits: { timeoutMs, cellTimeoutMs, startTimeoutMs },
  };
}

/** Runs a sweep. @returns the exit status: 0 when all runs went well, 130 when it was interrupted */
async function sweepCommand(notebook: string, options: SweepCommandOptions): Promise<number> {
  const grid: Record<string, string[]> = options.gridFile === undefined ? {} : readGridFile(options.gridFile);
  const flags = readAssignments(options.grid);
  for (const [name, values] of Object.entries(flags)) grid[name] = gridValues(values);
  const folder = options.output ?? path.join('outputs', `${path.basename(notebook, '.ipynb')}-sweep`);
  if (isAboutCluster(options)) return clusterCommand(clusterSweep(notebook, grid, folder, options), options);
  if (Object.keys(grid).length === 0)
    throw new WrongCallError('sweep: expected a grid, such as -g learningRate=1e-4,1e-3 or --grid-file');
  if (rankOfRun() !== undefined)
    throw new WrongCallError(
      'sweep: expected one process, got several ranks; use --executor slurm or k8s for many runs',
    );
  const signals = onStopSignals((text) => console.log(text));
  try {
    const runs = await sweepNotebook({
      notebook,
      grid,
      parameters: parametersOf(notebook, options),
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

function executor(text: string): ClusterOptions['executor'] {
  if (text !== 'local' && text !== 'slurm' && text !== 'k8s')
    throw new WrongCallError(`sweep: expected --executor local, slurm or k8s, got ${text}`);
  return text;
}

/** Adds `sweep` to the program. */
export function addSweepCommand(program: Command): void {
  program
    .command('sweep')
    .description('run a notebook over a grid of parameters and compare the runs')
    .argument('<notebook>')
    .option('-g, --grid <name=value,value...>', 'a parameter and its values (repeatable)', collect, [])
    .option('--grid-file <file>', 'the grid from a .json or .yaml file, a list for each name; -g wins')
    .option('-p, --param <name=value>', 'a parameter of all runs (repeatable)', collect, [])
    .option('-f, --params-file <file>', 'parameters of all runs from a .json or .yaml file; -p wins')
    .option('-o, --output <folder>', 'folder of the sweep (default: outputs/NAME-sweep)')
    .option('--metric <name>', "the metric to draw, from the runs' metrics.json")
    .option('-j, --jobs <count>', 'runs at a time', count)
    .option('--timeout <seconds>', 'limit for each run', seconds)
    .option('--cell-timeout <seconds>', 'limit for each cell', seconds)
    .option(
      '--start-timeout <seconds>',
      'limit for each of three tries to start a kernel (default: 10)',
      seconds,
    )
    .option('--cwd <folder>', "folder that the code runs in (default: the notebook's)")
    .option('--resume', 'keep the runs that succeeded, continue with the others')
    .option('--executor <where>', 'local, slurm or k8s', executor, 'local')
    .option('--slurm <option=value>', 'an option of sbatch, such as mem-per-cpu=4G (repeatable)', collect, [])
    .option('--k8s <name=value>', 'image, namespace, claim, storage, access, cpu, memory, gpu', collect, [])
    .option('--submit-only', 'submit, and do not wait for the end')
    .option('--status', "show the points of a cluster's sweep")
    .option('--collect', "compare the points of a cluster's sweep as they are")
    .option('--cancel', "cancel the jobs of a cluster's sweep")
    .option('--write-dockerfile', 'write the Dockerfile of an image for k8s')
    .action(async (notebook: string, options: SweepCommandOptions) => {
      process.exitCode = await sweepCommand(notebookPath(notebook), options);
    });
}
