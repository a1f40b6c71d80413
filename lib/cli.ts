#!/usr/bin/env node
/** The `tunebook` command. Each subcommand lives in its room; this file only reads the command line. */
import { Command, InvalidArgumentError } from 'commander';
import { runCommand, type RunCommandOptions } from './notebook/run-command';
import { TunebookError } from './types';

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
  .argument('<notebook>', 'the notebook; it is not changed')
  .option('-p, --param <name=value>', 'set a parameter (repeatable); checked against its type', collect, [])
  .option('-o, --output <file>', 'the executed notebook (default: outputs/NAME/NAME.ipynb)')
  .option('--timeout <seconds>', 'limit for the whole run', seconds)
  .option('--cell-timeout <seconds>', 'limit for each cell', seconds)
  .option('--cwd <folder>', "folder that the code runs in (default: the notebook's)")
  .option('--from <cell>', 'number of the first cell to run, counting all cells', count)
  .option('--until <cell>', 'number of the last cell to run', count)
  .option('--list-params', 'show the parameters with types and defaults, and run nothing')
  .action(async (notebook: string, options: RunCommandOptions) => {
    process.exitCode = await runCommand(notebook, options);
  });

program.parseAsync().catch((error: unknown) => {
  if (error instanceof Error && 'exitCode' in error) return; // commander has said it
  process.exitCode = 1;
  console.error(error instanceof TunebookError ? error.message : error);
});
