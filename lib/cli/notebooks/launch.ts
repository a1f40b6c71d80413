/** `tunebook launch`: a notebook or a program on several ranks under mpirun. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Command } from 'commander';
import { launch } from '../../distributed';
import type { MpiFamily } from '../../distributed';
import { count, WrongCallError } from '../terminal/call';

/** Options of `launch`. */
export interface LaunchCommandOptions {
  readonly nprocPerNode: number;
  readonly hostfile?: string;
  readonly mpi?: MpiFamily;
}

/** The program of this command. */
const MAIN = path.join(__dirname, '..', 'main.js');

/** Our commands of which several at once would be in each other's way. */
const ALONE = ['sweep', 'serve', 'launch'];

/** The command of each rank: `run` is ours, anything else a program. @throws WrongCallError for others of ours */
export function rankCommand(words: readonly string[]): string[] {
  const [name] = words;
  if (name === 'run') return [process.execPath, MAIN, ...words];
  if (ALONE.includes(name))
    throw new WrongCallError(
      `launch: expected run or a program after --, got ${name}, which several ranks cannot share`,
    );
  return [...words];
}

/**
 * Launches the ranks. A rank's kernel that is killed passes for success under MPICH's mpirun, so that on this machine
 * each run says when it has come to its end.
 */
async function launchRanks(
  command: readonly string[],
  isRun: boolean,
  options: LaunchCommandOptions,
): Promise<number> {
  const say = (text: string): void => console.error(text);
  if (!isRun || options.hostfile !== undefined) return launch({ ...options, command, say });
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-launch-'));
  try {
    const status = await launch({ ...options, command, say, env: { TUNEBOOK_LAUNCH_FOLDER: folder } });
    const ended = fs.readdirSync(folder).length;
    if (status !== 0 || ended === options.nprocPerNode) return status;
    say(`launch: ${options.nprocPerNode - ended} of ${options.nprocPerNode} ranks were killed.`);
    return 1;
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

function family(text: string): MpiFamily {
  if (text !== 'openmpi' && text !== 'mpich')
    throw new WrongCallError(`launch: expected --mpi openmpi or mpich, got ${text}`);
  return text;
}

/** Adds `launch` to the program. */
export function addLaunchCommand(program: Command): void {
  program
    .command('launch')
    .description('train on several processes or machines: a notebook or a program on each rank, by MPI')
    .usage('[options] -- run notebook.ipynb ... | -- node train.js ...')
    .argument('<command...>', 'run and its arguments, or a program')
    .option('--nproc-per-node <count>', 'ranks of each machine', count, 1)
    .option('--hostfile <file>', 'machines, one a line: host, host slots=2 or host:2 (default: this one)')
    .option('--mpi <family>', 'openmpi or mpich (default: the one that is installed)', family)
    .action(async (words: string[], options: LaunchCommandOptions) => {
      const command = rankCommand(words);
      process.exitCode = await launchRanks(command, words[0] === 'run', options);
    });
}
