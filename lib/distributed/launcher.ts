/**
 * What the launcher of this process (mpirun, mpiexec, srun) says in the environment: how many processes it started,
 * which of them this is, and which family of MPI its wire-up speaks.
 */

/** The two families of MPI libraries: their handles and their wire-ups differ. */
export type MpiFamily = 'openmpi' | 'mpich';

/** This process as its launcher sees it. */
export interface Launch {
  /** Undefined where no wire-up was given (`srun --mpi=none`). */
  readonly family: MpiFamily | undefined;
  readonly rank: number;
  readonly worldSize: number;
  readonly localRank: number;
}

/**
 * Rank, world size and the launcher, from the variables that mpirun, mpiexec and srun set.
 * @returns undefined where no launcher started this process
 */
export function readLaunch(env: NodeJS.ProcessEnv = process.env): Launch | undefined {
  const number = (...names: string[]): number | undefined => {
    const text = names.map((name) => env[name]).find((value) => value !== undefined && value !== '');
    const value = Number(text);
    return text === undefined || !Number.isInteger(value) ? undefined : value;
  };
  // srun's tasks alone have a step: a batch script runs once, whatever SLURM_NTASKS says.
  const inStep = env.SLURM_STEP_ID !== undefined && env.SLURM_PROCID !== undefined;
  const slurmSize = inStep ? number('SLURM_STEP_NUM_TASKS', 'SLURM_NTASKS') : undefined;
  const slurmRank = inStep ? number('SLURM_PROCID') : undefined;
  const localRank = number('OMPI_COMM_WORLD_LOCAL_RANK', 'MPI_LOCALRANKID', 'SLURM_LOCALID') ?? 0;
  const found = (
    family: MpiFamily | undefined,
    rank: number | undefined,
    size: number | undefined,
  ): Launch | undefined =>
    rank === undefined || size === undefined ? undefined : { family, rank, worldSize: size, localRank };
  return (
    found('openmpi', number('OMPI_COMM_WORLD_RANK'), number('OMPI_COMM_WORLD_SIZE')) ??
    found('openmpi', number('PMIX_RANK'), slurmSize) ??
    found('mpich', number('PMI_RANK'), number('PMI_SIZE') ?? slurmSize) ??
    found(undefined, slurmRank, slurmSize)
  );
}

/**
 * The descriptor through which MPICH's launcher and `srun --mpi=pmi2` speak with a process. A child that is to be the
 * rank in its parent's place must inherit it at the same number.
 */
export function launcherDescriptor(env: NodeJS.ProcessEnv = process.env): number | undefined {
  const descriptor = Number(env.PMI_FD || Number.NaN);
  return Number.isInteger(descriptor) && descriptor > 2 ? descriptor : undefined;
}

/** A child's descriptors, with the launcher's at its number: the child may be the rank in its parent's place. */
export function withLauncher<T>(stdio: readonly T[]): (T | number | 'ignore')[] {
  const all: (T | number | 'ignore')[] = [...stdio];
  const descriptor = launcherDescriptor();
  if (descriptor === undefined) return all;
  while (all.length < descriptor) all.push('ignore');
  return [...all, descriptor];
}
