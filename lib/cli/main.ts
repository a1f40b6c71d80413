#!/usr/bin/env node
/** The `tunebook` command: its subcommands, and its exit status on errors. */
import { createRequire } from 'node:module';
import { Command } from 'commander';
import { packageVersion } from '../environment';
import { TunebookError } from '../types';
import { requireLocalPaths, WrongCallError } from './terminal/call';
import type * as Dataset from './data/dataset';
import type * as Feedback from './data/feedback';
import type * as Export from './models/export';
import type * as Generate from './models/generate';
import type * as Push from './models/push';
import type * as Serve from './models/serve';
import type * as Check from './notebooks/check';
import type * as Doctor from './notebooks/doctor';
import type * as Init from './notebooks/init';
import type * as Kernel from './notebooks/kernel';
import type * as Launch from './notebooks/launch';
import type * as Publish from './notebooks/publish';
import type * as Repair from './notebooks/repair';
import type * as Run from './notebooks/run';
import type * as Sweep from './notebooks/sweep';
import type * as SweepPoint from './notebooks/sweep-point';

type Add = (program: Command) => void;

const load = createRequire(__filename);

/** The subcommands, in the order of the help; each with its own code, since most need little of the library. */
const COMMANDS: Readonly<Record<string, () => Add>> = {
  init: (): Add => (load('./notebooks/init') as typeof Init).addInitCommand,
  run: (): Add => (load('./notebooks/run') as typeof Run).addRunCommand,
  launch: (): Add => (load('./notebooks/launch') as typeof Launch).addLaunchCommand,
  sweep: (): Add => (load('./notebooks/sweep') as typeof Sweep).addSweepCommand,
  'sweep-point': (): Add => (load('./notebooks/sweep-point') as typeof SweepPoint).addSweepPointCommand,
  publish: (): Add => (load('./notebooks/publish') as typeof Publish).addPublishCommand,
  check: (): Add => (load('./notebooks/check') as typeof Check).addCheckCommand,
  repair: (): Add => (load('./notebooks/repair') as typeof Repair).addRepairCommand,
  kernel: (): Add => (load('./notebooks/kernel') as typeof Kernel).addKernelCommands,
  doctor: (): Add => (load('./notebooks/doctor') as typeof Doctor).addDoctorCommand,
  dataset: (): Add => (load('./data/dataset') as typeof Dataset).addDatasetCommands,
  feedback: (): Add => (load('./data/feedback') as typeof Feedback).addFeedbackCommand,
  generate: (): Add => (load('./models/generate') as typeof Generate).addGenerateCommand,
  push: (): Add => (load('./models/push') as typeof Push).addPushCommand,
  export: (): Add => (load('./models/export') as typeof Export).addExportCommand,
  serve: (): Add => (load('./models/serve') as typeof Serve).addServeCommand,
};

const program = new Command('tunebook')
  .description('Fine-tune language models in TypeScript notebooks.')
  .version(packageVersion(), '-V, --version', "print tunebook's version")
  .showHelpAfterError()
  .exitOverride((error) => {
    process.exitCode = error.exitCode === 0 ? 0 : 2;
    throw error;
  });

// One that is named is loaded alone; anything else (help, a misspelt name) may be about all of them.
const [, , named = ''] = process.argv;
const isVersion = named === '-V' || named === '--version';
const ofHelp = isVersion ? [] : Object.values(COMMANDS);
const wanted = Object.hasOwn(COMMANDS, named) ? [COMMANDS[named]] : ofHelp;
for (const command of wanted) command()(program);

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
