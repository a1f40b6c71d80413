/**
 * A Slurm cluster of one node on this machine, on the loopback alone, in a temporary folder: for root, with Debian's
 * slurmctld, slurmd, slurm-client and munge. Elsewhere its tests are skipped.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const PROGRAMS = ['slurmctld', 'slurmd', 'sbatch', 'munged'];
const START_MS = 60_000;

const found = (program: string): string | undefined =>
  [...(process.env.PATH ?? '').split(':'), '/usr/sbin']
    .map((folder) => path.join(folder, program))
    .find((file) => fs.existsSync(file));

/** Why there is no cluster here; false where one can be started. */
export function skipWithoutSlurm(): string | false {
  const missing = PROGRAMS.filter((program) => found(program) === undefined);
  if (missing.length > 0) return 'needs apt-get install slurmctld slurmd slurm-client munge';
  return process.getuid?.() === 0 ? false : 'needs root, as whom the daemons run';
}

export interface Cluster {
  /** Variables that Slurm's programs need. */
  readonly env: Record<string, string>;
  stop(): void;
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function settings(folder: string, maxArraySize: number): string {
  const host = os.hostname();
  const at = (name: string): string => path.join(folder, name);
  const port = 30_000 + 2 * (process.pid % 10_000);
  return [
    ...['ClusterName=tunebook', `SlurmctldHost=${host}(127.0.0.1)`, 'SlurmUser=root', 'AuthType=auth/munge'],
    `AuthInfo=socket=${at('munge.socket')}`,
    ...[`StateSaveLocation=${at('state')}`, `SlurmdSpoolDir=${at('spool')}`],
    ...[`SlurmctldPidFile=${at('slurmctld.pid')}`, `SlurmdPidFile=${at('slurmd.pid')}`],
    ...[`SlurmctldLogFile=${at('slurmctld.log')}`, `SlurmdLogFile=${at('slurmd.log')}`],
    // Of this process: another one may have a cluster, too.
    ...[`SlurmctldPort=${port}`, `SlurmdPort=${port + 1}`, 'SchedulerParameters=sched_interval=2'],
    ...['PreemptType=preempt/partition_prio', 'PreemptMode=REQUEUE'],
    ...['ProctrackType=proctrack/linuxproc', 'TaskPlugin=task/none', 'SelectType=select/cons_tres'],
    ...[
      'SelectTypeParameters=CR_Core',
      'ReturnToService=2',
      'MpiDefault=none',
      'KillWait=30',
      'JobRequeue=1',
    ],
    ...['AccountingStorageType=accounting_storage/none', 'JobAcctGatherType=jobacct_gather/none'],
    ...['DefMemPerCPU=500', `MaxArraySize=${maxArraySize}`],
    `NodeName=${host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=4000 State=UNKNOWN`,
    // Jobs of the urgent partition take the place of the others'.
    `PartitionName=all Nodes=${host} Default=YES MaxTime=1:00:00 State=UP PriorityTier=1 GraceTime=30`,
    `PartitionName=urgent Nodes=${host} MaxTime=1:00:00 State=UP PriorityTier=10 PreemptMode=OFF`,
    '',
  ].join('\n');
}

/** Starts a cluster and waits until its node is idle. */
export async function startCluster(folder: string, maxArraySize: number): Promise<Cluster> {
  for (const name of ['state', 'spool']) fs.mkdirSync(path.join(folder, name), { recursive: true });
  const conf = path.join(folder, 'slurm.conf');
  fs.writeFileSync(conf, settings(folder, maxArraySize));
  const key = path.join(folder, 'munge.key');
  fs.writeFileSync(key, Buffer.alloc(1024, 7), { mode: 0o400 });
  const env = { SLURM_CONF: conf };
  const daemons: ChildProcess[] = [];
  const start = (program: string, ...words: string[]): void => {
    const child = spawn(found(program) ?? program, words, {
      env: { ...process.env, ...env },
      stdio: 'ignore',
    });
    child.on('error', () => undefined); // the node never becomes idle, then
    daemons.push(child);
  };
  const stop = (): void => {
    // What still runs would outlive its daemon.
    spawnSync('scancel', ['--full', '--signal', 'KILL', '--user', 'root'], {
      env: { ...process.env, ...env },
    });
    for (const daemon of daemons.reverse()) daemon.kill('SIGKILL');
  };
  const at = (name: string): string => path.join(folder, name);
  start(
    'munged',
    '--foreground',
    '--force',
    '--key-file',
    key,
    '--socket',
    at('munge.socket'),
    '--pid-file',
    at('munged.pid'),
    '--log-file',
    at('munged.log'),
    '--seed-file',
    at('munged.seed'),
  );
  for (let ms = 0; ms < START_MS && !fs.existsSync(at('munge.socket')); ms += 50) await sleep(50);
  start('slurmctld', '-D');
  await sleep(500);
  start('slurmd', '-D');
  for (let ms = 0; ms < START_MS; ms += 250) {
    await sleep(250);
    try {
      const words = ['--noheader', '--partition', 'all', '--format', '%T'];
      const state = execFileSync('sinfo', words, {
        env: { ...process.env, ...env },
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      if (state.trim() === 'idle') return { env, stop };
    } catch {
      // the controller is not there yet
    }
  }
  stop();
  const log = fs.existsSync(at('slurmctld.log')) ? fs.readFileSync(at('slurmctld.log'), 'utf8') : '';
  throw new Error(`no idle node within ${START_MS} ms: ${log.slice(-2000)}`);
}
