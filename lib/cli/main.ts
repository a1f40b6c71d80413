#!/usr/bin/env node
/** The `tunebook` command: its subcommands, and its exit status on errors. */
import { Command } from 'commander';
import { TunebookError } from '../types';
import { requireLocalPaths, WrongCallError } from './terminal/call';
import { addCheckCommand } from './notebooks/check';
import { addDatasetCommands } from './data/dataset';
import { addDoctorCommand } from './notebooks/doctor';
import { addExportCommand } from './models/export';
import { addFeedbackCommand } from './data/feedback';
import { addGenerateCommand } from './models/generate';
import { addInitCommand } from './notebooks/init';
import { addKernelCommands } from './notebooks/kernel';
import { addPublishCommand } from './notebooks/publish';
import { addPushCommand } from './models/push';
import { addRepairCommand } from './notebooks/repair';
import { addRunCommand } from './notebooks/run';
import { addServeCommand } from './models/serve';
import { addSweepCommand } from './notebooks/sweep';

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
