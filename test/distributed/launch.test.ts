/** What `tunebook launch` makes of its options: command lines, host files, exit statuses, refusals. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { rankCommand } from '../../lib/cli/notebooks/launch';
import { launch } from '../../lib/distributed';
import { readHosts } from '../../lib/distributed/host-file';
import { launchStatus } from '../../lib/distributed/launch';
import { findLauncher, launchCommand } from '../../lib/distributed/launch-command';
import type { LaunchRequest } from '../../lib/distributed/launch-command';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-launch-'));
after(() => fs.rmSync(folder, { recursive: true, force: true }));
const COMMAND = ['node', 'train.js', '--rate', '1e-3'];
const WORDS = COMMAND.join(' ');

const LINES: [name: string, plan: Partial<LaunchRequest>, line: string, threads: string][] = [
  [
    'Open MPI, one machine',
    { family: 'openmpi', program: 'mpirun', perHost: 2, cores: 16 },
    `mpirun -np 2 --oversubscribe --bind-to none --mca mpi_yield_when_idle 1 ${WORDS}`,
    '8',
  ],
  [
    'Open MPI, two machines, which get the variables by name',
    {
      family: 'openmpi',
      program: 'mpirun',
      perHost: 4,
      cores: 6,
      hosts: ['a', 'b'],
      env: { HF_HOME: '/h', LANG: 'C' },
    },
    'mpirun -np 8 --host a:4,b:4 --map-by ppr:4:node -x HF_HOME -x TUNEBOOK_THREADS --bind-to none ' +
      `--mca mpi_yield_when_idle 1 ${WORDS}`,
    '1',
  ],
  [
    'MPICH, one machine, more ranks than cores, threads as the user wants them',
    { family: 'mpich', program: 'mpirun.mpich', perHost: 4, cores: 2, env: { TUNEBOOK_THREADS: '3' } },
    `mpirun.mpich -n 4 -bind-to none ${WORDS}`,
    '3',
  ],
  [
    'MPICH, two machines',
    { family: 'mpich', program: 'mpiexec.hydra', perHost: 1, cores: 2, hosts: ['a', 'b'] },
    `mpiexec.hydra -n 2 -ppn 1 -hosts a,b -bind-to none ${WORDS}`,
    '2',
  ],
];
for (const [name, plan, line, threads] of LINES)
  test(`the command line of ${name}`, () => {
    const whole: LaunchRequest = {
      family: 'openmpi',
      program: '',
      perHost: 1,
      cores: 1,
      command: COMMAND,
      env: {},
      ...plan,
    };
    const { program, args, env } = launchCommand(whole);
    assert.equal([program, ...args].join(' '), line);
    assert.equal(env.TUNEBOOK_THREADS, threads);
  });

test('the launcher is known by its words, whatever mpirun is', () => {
  const mpich = (program: string): string | undefined =>
    program === 'mpirun' ? 'HYDRA build details:\n    Version: 4.0.2' : undefined;
  assert.deepEqual(findLauncher(undefined, mpich), { family: 'mpich', program: 'mpirun' });
  assert.throws(
    () => findLauncher('openmpi', mpich),
    /expected Open MPI \(mpirun\), got none.*apt-get install openmpi-bin/,
  );
  assert.throws(
    () => findLauncher(undefined, () => undefined),
    /install openmpi-bin, or apt-get install mpich/,
  );
});

test('host files of both kinds', () => {
  const file = path.join(folder, 'hosts');
  fs.writeFileSync(file, '# the rack\nnode-1 slots=4 max_slots=8\nnode-2:2 # small\n\n[fe80::1]\n10.0.0.7\n');
  assert.deepEqual(readHosts(file, 2), ['node-1', 'node-2', '[fe80::1]', '10.0.0.7']);
});
const LIES: [text: string, message: RegExp][] = [
  ['', /hosts-\d+: expected at least one host, a line each, got none/],
  ['a\nb slots=1\n', /line 2: expected room for 2 ranks \(--nproc-per-node\), got 1 on b/],
  ['a:1\n', /line 1: expected room for 2 ranks/],
  ['a\na slots=2\n', /line 2: expected each host once, got a again/],
  ['a b\n', /line 1: expected a host, as host slots=2 or host:2, got a b/],
  ['-oProxyCommand=x\n$(x)\n', /line [12]: expected a host/],
];
for (const [i, [text, message]] of LIES.entries())
  test(`a host file that lies: ${JSON.stringify(text)}`, () => {
    const file = path.join(folder, `hosts-${i}`);
    fs.writeFileSync(file, text);
    assert.throws(() => readHosts(file, 2), { name: 'TunebookError', message });
  });

// code, signal, family, stopped by, status
const STATUSES: [
  number | undefined,
  NodeJS.Signals | undefined,
  'openmpi' | 'mpich',
  NodeJS.Signals | undefined,
  number,
][] = [
  [0, undefined, 'openmpi', undefined, 0],
  [3, undefined, 'mpich', undefined, 3],
  [137, undefined, 'openmpi', undefined, 137],
  [9, undefined, 'mpich', undefined, 137],
  [9, undefined, 'openmpi', undefined, 9],
  [undefined, 'SIGKILL', 'openmpi', undefined, 137],
  [0, undefined, 'openmpi', 'SIGINT', 130],
  [0, undefined, 'mpich', 'SIGTERM', 143],
  [130, undefined, 'openmpi', 'SIGTERM', 143],
  [15, undefined, 'mpich', 'SIGINT', 130],
  [1, undefined, 'mpich', 'SIGTERM', 1],
  [137, undefined, 'openmpi', 'SIGINT', 137],
];
for (const [code, signal, family, stop, status] of STATUSES)
  test(`${family}: ${code ?? signal}${stop ? ` after ${stop}` : ''} is ${status}`, () =>
    assert.equal(launchStatus({ code, signal }, family, stop), status));

test('what several ranks cannot run is refused', async () => {
  assert.deepEqual(rankCommand(['node', 'x.js']), ['node', 'x.js']);
  assert.deepEqual(rankCommand(['run', 'n.ipynb', '-p', 'a=1']).slice(2), ['run', 'n.ipynb', '-p', 'a=1']);
  assert.throws(() => rankCommand(['sweep', 'n.ipynb']), /expected run or a program after --, got sweep/);
  await assert.rejects(
    launch({ nprocPerNode: 0, command: COMMAND }),
    /expected nprocPerNode from 1 up, got 0/,
  );
  await assert.rejects(launch({ command: [] }), /expected a program to launch, got none/);
});
