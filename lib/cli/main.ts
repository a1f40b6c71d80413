#!/usr/bin/env node
/** The `tunebook` command: its subcommands, and its exit status on errors. */
import { Command } from 'commander';
import { TunebookError } from '../types';
import { requireLocalPaths, WrongCallError } from './terminal/call';
import { addCheckCommand } from './check';
import { addDatasetCommands } from './dataset';
import { addDoctorCommand } from './doctor';
import { addExportCommand } from './export';
import { addFeedbackCommand } from './feedback';
import { addGenerateCommand } from './generate';
import { addInitCommand } from './init';
import { addKernelCommands } from './kernel';
import { addPublishCommand } from './publish';
import { addPushCommand } from './push';
import { addRepairCommand } from './repair';
import { addRunCommand } from './run';
import { addServeCommand } from './serve';
import { addSweepCommand } from './sweep';

const program = new Command('tunebook')
  .description('Fine-tune language models in TypeScript notebooks.')
  .showHelpAfterError()
  .exitOverride((error) => {
    process.exitCode = error.exitCode === 0 ? 0 : 2;
    throw error;
  });

for (const add of [
  addInitCommand,
  addRunCommand,
  addSweepCommand,
  addPublishCommand,
  addCheckCommand,
  addRepairCommand,
  addKernelCommands,
  addDoctorCommand,
  addDatasetCommands,
  addFeedbackCommand,
  addGenerateCommand,
  addPushCommand,
  addExportCommand,
  addServeCommand,
])
  add(program);

// A closed pipe (`| head`) or terminal ends no run.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error;
  });

program.hook('preAction', (_, command) => requireLocalPaths(command));

program.parseAsync().catch((error: unknown) => {
  if (error instanceof Error && 'exitCode' in error) return; // commander has printed it
  process.exitCode = error instanceof WrongCallError ? 2 : 1;
  console.error(error instanceof TunebookError ? error.message : error);
});
