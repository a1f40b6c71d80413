/**
 * The command lines of mpirun: one machine's or several's ranks, unbound, each with its share of the cores.
 */
import { execFileSync } from 'node:child_process';
import { TunebookError } from '../types';
import type { MpiFamily } from './launcher';

/** What a launcher of MPI is called by, and how its own words begin. */
const PROGRAMS: Record<MpiFamily, { names: readonly string[]; words: RegExp; install: string }> = {
  openmpi: { names: ['mpirun.openmpi', 'mpirun'], words: /Open MPI|OpenRTE|PRRTE/, install: 'openmpi-bin' },
  mpich: { names: ['mpirun.mpich', 'mpiexec.hydra', 'mpirun'], words: /HYDRA|mpich/i, install: 'mpich' },
};

/** A launcher that is installed. */
export interface FoundLauncher {
  readonly family: MpiFamily;
  readonly program: string;
}

/** The text that a program prints as its version; undefined where it is missing. */
export type VersionOf = (program: string) => string | undefined;

const versionOf: VersionOf = (program) => {
  try {
    return execFileSync(program, ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch {
    return undefined;
  }
};

/**
 * The launcher of a family, or the first that is there: Open MPI's, then MPICH's.
 * @throws {TunebookError} Where there is none, with the package to install.
 */
export function findLauncher(family?: MpiFamily, ask: VersionOf = versionOf): FoundLauncher {
  const families: readonly MpiFamily[] = family === undefined ? ['openmpi', 'mpich'] : [family];
  for (const one of families) {
    const { names, words } = PROGRAMS[one];
    const program = names.find((name) => words.test(ask(name) ?? ''));
    if (program !== undefined) return { family: one, program };
  }
  const packages = families.map((one) => `apt-get install ${PROGRAMS[one].install}`).join(', or ');
  const names = { openmpi: 'Open MPI', mpich: 'MPICH' };
  throw new TunebookError(
    `launch: expected ${families.map((one) => names[one]).join(' or ')} (mpirun), got none. Install it: ${packages}.`,
  );
}

/** What is launched. */
export interface LaunchRequest extends FoundLauncher {
  readonly perHost: number;
  /** Undefined: this machine. */
  readonly hosts?: readonly string[];
  /** Cores of a machine. */
  readonly cores: number;
  readonly command: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

/** A command with its environment. */
export interface LaunchCommand {
  readonly program: string;
  readonly args: readonly string[];
  /** Added to the environment. */
  readonly env: Readonly<Record<string, string>>;
}

/** Variables that ranks on other machines get from here: Open MPI passes none on by itself. */
const PASSED_ON = /^(TUNEBOOK_|HF_|HUGGING_FACE_|NODE_OPTIONS$|UCX_)/;

/** mpirun's command line and the variables that it needs. */
export function launchCommand(request: LaunchRequest): LaunchCommand {
  const { family, program, perHost, hosts, cores, command, env } = request;
  const threads = env.TUNEBOOK_THREADS || String(Math.max(1, Math.floor(cores / perHost)));
  const count = String(perHost * (hosts?.length ?? 1));
  if (family === 'mpich') {
    const places = hosts === undefined ? [] : ['-ppn', String(perHost), '-hosts', hosts.join(',')];
    return {
      program,
      args: ['-n', count, ...places, '-bind-to', 'none', ...command],
      env: { TUNEBOOK_THREADS: threads },
    };
  }
  const names = [
    ...new Set([...Object.keys(env).filter((name) => PASSED_ON.test(name)), 'TUNEBOOK_THREADS']),
  ];
  const places =
    hosts === undefined
      ? ['--oversubscribe']
      : [
          ...['--host', hosts.map((host) => `${host}:${perHost}`).join(',')],
          ...['--map-by', `ppr:${perHost}:node`, ...names.sort().flatMap((name) => ['-x', name])],
        ];
  return {
    program,
    // A rank that waits lets the others compute; a core of its own would be the only one it has.
    args: ['-np', count, ...places, '--bind-to', 'none', '--mca', 'mpi_yield_when_idle', '1', ...command],
    env: {
      TUNEBOOK_THREADS: threads,
      // In containers everybody is root, which mpirun takes for a mistake.
      ...(process.getuid?.() === 0
        ? { OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1' }
        : {}),
    },
  };
}
