/**
 * The MPI implementations of the machine, and how their launchers are called. Without one the tests of it are skipped;
 * TUNEBOOK_REQUIRE_MPI=1 makes that a failure (CI installs both).
 */
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import path from 'node:path';
import type { MpiFamily } from '../../lib/distributed';

/** The `tunebook` command. */
export const MAIN = path.join(__dirname, '..', '..', 'lib', 'cli', 'main.js');

export const FAMILIES: readonly MpiFamily[] = ['openmpi', 'mpich'];

const WORDS: Record<MpiFamily, RegExp> = { openmpi: /Open MPI|OpenRTE/, mpich: /HYDRA|mpich/i };
const INSTALL: Record<MpiFamily, string> = { openmpi: 'openmpi-bin', mpich: 'mpich' };

function launcherOf(family: MpiFamily): string | undefined {
  for (const program of [`mpirun.${family}`, 'mpirun']) {
    try {
      if (WORDS[family].test(execFileSync(program, ['--version'], { encoding: 'utf8', stdio: 'pipe' })))
        return program;
    } catch {
      // not installed
    }
  }
  return undefined;
}

const LAUNCHERS = new Map(FAMILIES.map((family) => [family, launcherOf(family)]));

/** Why tests of these families are skipped; false where they run. */
export function skipWithout(...families: MpiFamily[]): string | false {
  const absent = families.filter((family) => LAUNCHERS.get(family) === undefined);
  if (absent.length === 0) return false;
  const missing = absent.map((family) => INSTALL[family]).join(', ');
  if (process.env.TUNEBOOK_REQUIRE_MPI === '1')
    throw new Error(`TUNEBOOK_REQUIRE_MPI: ${missing} is missing`);
  return `needs apt-get install ${missing}`;
}

export interface RanksEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
  readonly milliseconds: number;
}

export interface Ranks {
  readonly family: MpiFamily;
  readonly program: string;
  readonly args?: readonly string[];
  readonly count?: number;
  readonly env?: NodeJS.ProcessEnv;
  readonly onOutput?: (text: string, launcher: ChildProcess) => void;
}

/** Runs `tunebook launch` with the family's MPI: a compiled program of this folder, or what `command` says. */
export function launchRanks({
  family,
  program,
  args = [],
  command = [process.execPath, path.join(__dirname, `${program}.js`), ...args],
  count = 2,
  flags = [],
  env,
  onOutput,
}: Ranks & { readonly command?: readonly string[]; readonly flags?: readonly string[] }): Promise<RanksEnd> {
  const words = [
    MAIN,
    'launch',
    '--nproc-per-node',
    String(count),
    '--mpi',
    family,
    ...flags,
    '--',
    ...command,
  ];
  return finished(process.execPath, words, { env, onOutput });
}

/** Runs a compiled program of this folder under a launcher. */
export function runRanks({ family, program, args = [], count = 2, env, onOutput }: Ranks): Promise<RanksEnd> {
  const launcher = LAUNCHERS.get(family) ?? `mpirun.${family}`;
  const flags =
    family === 'openmpi' ? ['--bind-to', 'none', '--oversubscribe', '--mca', 'mpi_yield_when_idle', '1'] : [];
  const file = path.join(__dirname, `${program}.js`);
  const words = [...flags, '-np', String(count), process.execPath, file, ...args];
  return finished(launcher, words, { env, onOutput });
}

/** Runs a command to its end. */
export function finished(
  command: string,
  words: readonly string[],
  { env, onOutput }: Pick<Ranks, 'env' | 'onOutput'>,
): Promise<RanksEnd> {
  const started = performance.now();
  const child = spawn(command, words, {
    env: {
      ...process.env,
      ...{ OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1' },
      ...{ TUNEBOOK_THREADS: '1', NODE_TEST_CONTEXT: undefined },
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const take = (text: Buffer): void => {
    output += text.toString();
    onOutput?.(output, child);
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) =>
      resolve({ code, signal, output, milliseconds: performance.now() - started }),
    );
  });
}
