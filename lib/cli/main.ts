#!/usr/bin/env node
/** The `tunebook` command. Each subcommand lives in its room; this file only reads the command line. */
import { Command, InvalidArgumentError } from 'commander';
import { addDatasetCommands } from './dataset';
import { addGenerateCommand } from './generate';
import { checkNotebook } from '../notebook/repair/check';
import type { CheckOptions } from '../notebook/repair/check';
import { doctorCommand } from './doctor';
import { installKernel, kernelsFolders, listKernels, uninstallKernel } from '../notebook/kernel/kernelspec';
import type { KernelPlace } from '../notebook/kernel/kernelspec';
import { repairFile } from '../notebook/repair/repair';
import { runCommand, WrongCallError } from './run';
import type { RunCommandOptions } from './run';
import { sweepCommand } from './sweep';
import type { SweepCommandOptions } from './sweep';
import { TunebookError } from '../types';

function seconds(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('expected a number of seconds above 0');
  return value;
}

function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new InvalidArgumentError('expected a whole number above 0');
  return value;
}

const collect = (value: string, before: string[]): string[] => [...before, value];

const program = new Command('tunebook')
  .description('Fine-tune language models in TypeScript notebooks.')
  .showHelpAfterError()
  .exitOverride((error) => {
    process.exitCode = error.exitCode === 0 ? 0 : 2;
    throw error;
  });

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
  .option('--cwd <folder>', "folder that the code runs in (default: the notebook's)")
  .option('--from <cell>', 'number of the first cell to run, counting all cells', count)
  .option('--until <cell>', 'number of the last cell to run', count)
  .option('--list-params', 'show the parameters with types and defaults, and run nothing')
  .option('--prepare-only', 'write the notebook with its parameters, and run nothing')
  .option('--params-file <file>', 'parameters from a .json or .yaml file; -p wins')
  .option('--resume', 'go on from the cell where the earlier run failed')
  .option('--html', 'also write the executed notebook as a page that opens offline')
  .option('--junit <file>', "write JUnit's report, a test case for each cell")
  .option('--summary <file>', 'write a summary as JSON')
  .option('-j, --jobs <count>', 'notebooks that run at a time', count)
  .action(async (notebooks: string[], options: RunCommandOptions) => {
    process.exitCode = await runCommand(notebooks, options);
  });

program
  .command('sweep')
  .description('run a notebook over a grid of parameters and compare the runs')
  .argument('<notebook>')
  .option('-g, --grid <name=value,value...>', 'a parameter and its values (repeatable)', collect, [])
  .option('--grid-file <file>', 'the grid from a .json or .yaml file, a list for each name; -g wins')
  .option('-p, --param <name=value>', 'a parameter of all runs (repeatable)', collect, [])
  .option('--params-file <file>', 'parameters of all runs from a .json or .yaml file; -p wins')
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
  .option('--resume', 'keep the runs that went well, go on with the others')
  .action(async (notebook: string, options: SweepCommandOptions) => {
    process.exitCode = await sweepCommand(notebook, options);
  });

program
  .command('check')
  .description('say what is wrong with notebook files')
  .argument('<notebooks...>')
  .option('--executed', 'the notebooks have been run: outputs are expected')
  .option('--untrusted', 'report scripts in outputs')
  .option('--no-types', 'do not type-check the cells')
  .action((notebooks: string[], options: CheckOptions) => {
    for (const file of notebooks) {
      const findings = checkNotebook(file, options);
      for (const { where, message } of findings) console.log(`${file}: ${where}: ${message}`);
      if (findings.length > 0) process.exitCode = 1;
      else console.log(`${file}: fine`);
    }
  });

program
  .command('repair')
  .description('mend notebook files; every byte that is not mended stays')
  .argument('<notebooks...>')
  .option('--normalise', "write the whole file in nbformat's own form")
  .action((notebooks: string[], options: { normalise?: boolean }) => {
    for (const file of notebooks)
      try {
        const { mended, left } = repairFile(file, options.normalise === true);
        for (const text of mended) console.log(`${file}: ${text}`);
        for (const text of left) console.log(`${file}: still wrong: ${text}`);
        if (mended.length + left.length === 0) console.log(`${file}: nothing to mend`);
        if (left.length > 0) process.exitCode = 1;
      } catch (error) {
        if (!(error instanceof TunebookError)) throw error;
        console.error(error.message); // the other files are still mended
        process.exitCode = 1;
      }
  });

interface PlaceOptions {
  readonly prefix?: string;
  readonly system?: boolean;
}

function placeOf({ prefix, system }: PlaceOptions): KernelPlace {
  if (prefix !== undefined) return { kind: 'prefix', prefix };
  return system ? { kind: 'system' } : { kind: 'user' };
}

const kernel = program.command('kernel').description('make Jupyter and VS Code know the TypeScript kernel');
const places = (command: Command): Command =>
  command
    .option('--prefix <folder>', 'for one environment (a virtualenv, a conda environment)')
    .option('--system', 'for all users; default: for this user');
places(kernel.command('install').description('register the kernel')).action((options: PlaceOptions) => {
  console.log(`Installed in ${installKernel(placeOf(options))}`);
});
places(kernel.command('uninstall').description('remove the kernel')).action((options: PlaceOptions) => {
  const folder = uninstallKernel(placeOf(options));
  console.log(folder === null ? 'There is none.' : `Removed ${folder}`);
});
kernel
  .command('list')
  .description('list the kernels that Jupyter finds, with what is wrong with them')
  .option('--prefix <folder>', 'look into this environment too')
  .action(({ prefix }: PlaceOptions) => {
    for (const { name, displayName, folder, problem } of listKernels(kernelsFolders(process.env, prefix)))
      console.log(
        `${name.padEnd(16)} ${displayName.padEnd(28)} ${folder}${problem === null ? '' : `  (${problem})`}`,
      );
  });

program
  .command('doctor')
  .description('say what of this machine can be used, what is missing, and what to type to get it')
  .option('--json', 'as JSON')
  .action(async (options: { json?: boolean }) => {
    process.exitCode = await doctorCommand(options);
  });

addDatasetCommands(program);
addGenerateCommand(program, count);

// A reader that has seen enough (`| head`) ends no run.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });

program.parseAsync().catch((error: unknown) => {
  if (error instanceof Error && 'exitCode' in error) return; // commander has said it
  process.exitCode = error instanceof WrongCallError ? 2 : 1;
  console.error(error instanceof TunebookError ? error.message : error);
});
