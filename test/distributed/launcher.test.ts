/** What launchers write into the environment, as recorded under Open MPI 4, MPICH 4 and Slurm 22.05; what is missing. */
import assert from 'node:assert/strict';
import Module from 'node:module';
import { test } from 'node:test';
import { initProcessGroup, launcherDescriptor, readLaunch } from '../../lib/distributed';

const STEP = { SLURM_STEP_ID: '0', SLURM_PROCID: '1', SLURM_LOCALID: '1', SLURM_NTASKS: '2' };
const OPENMPI = { OMPI_COMM_WORLD_RANK: '1', OMPI_COMM_WORLD_SIZE: '2', OMPI_COMM_WORLD_LOCAL_RANK: '0' };
const LAUNCHES: [name: string, env: Record<string, string>, launch: ReturnType<typeof readLaunch>][] = [
  ['no launcher', {}, undefined],
  ['mpirun of Open MPI', OPENMPI, { family: 'openmpi', rank: 1, worldSize: 2, localRank: 0 }],
  [
    'mpiexec of MPICH',
    { PMI_RANK: '3', PMI_SIZE: '4', MPI_LOCALRANKID: '1', PMI_FD: '9' },
    { family: 'mpich', rank: 3, worldSize: 4, localRank: 1 },
  ],
  [
    'srun --mpi=pmi2',
    { ...STEP, PMI_RANK: '1', PMI_SIZE: '2' },
    { family: 'mpich', rank: 1, worldSize: 2, localRank: 1 },
  ],
  [
    'srun --mpi=pmix',
    { ...STEP, PMIX_RANK: '1' },
    { family: 'openmpi', rank: 1, worldSize: 2, localRank: 1 },
  ],
  ['srun --mpi=none', STEP, { family: undefined, rank: 1, worldSize: 2, localRank: 1 }],
  ['a batch script, which runs once', { SLURM_PROCID: '0', SLURM_NTASKS: '2' }, undefined],
  ['mpirun inside srun', { ...STEP, ...OPENMPI }, { family: 'openmpi', rank: 1, worldSize: 2, localRank: 0 }],
];
for (const [name, env, launch] of LAUNCHES)
  test(`the launch of ${name}`, () => assert.deepEqual(readLaunch(env), launch));

test("the launcher's descriptor", () => {
  assert.equal(launcherDescriptor({ PMI_FD: '9' }), 9);
  assert.equal(launcherDescriptor({}), undefined);
  assert.equal(launcherDescriptor({ PMI_FD: '' }), undefined);
  assert.equal(launcherDescriptor({ PMI_FD: 'x' }), undefined);
});

test('no MPI: what to install', (t) => {
  t.after(() => Reflect.deleteProperty(process.env, 'TUNEBOOK_MPI_LIBRARY'));
  process.env.TUNEBOOK_MPI_LIBRARY = '/nowhere/libmpi.so';
  assert.throws(
    () => initProcessGroup(),
    /expected the MPI library of Open MPI or MPICH, got none .*\/nowhere.*apt-get install openmpi-bin, or apt-get install mpich/,
  );
});

test('no koffi: what to install', (t) => {
  const loader = Module as unknown as { _load: (name: string, ...more: unknown[]) => unknown };
  const load = loader._load;
  t.mock.method(loader, '_load', (name: string, ...more: unknown[]) => {
    if (name === 'koffi') throw new Error("Cannot find module 'koffi'\nRequire stack: ...");
    return load(name, ...more);
  });
  assert.throws(
    () => initProcessGroup(),
    /expected the package koffi.*\(Cannot find module 'koffi'\)\. Run npm install koffi@3\.3\.4/,
  );
});
