/**
 * Host files, as Open MPI (`host slots=2`) and MPICH (`host:2`) write them: one machine a line, the same for both here.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import os from 'node:os';
import { promisify } from 'node:util';
import { messageOf, TunebookError } from '../types';

const HOST = /^(\w[\w.-]*|\[[\da-fA-F:]+\])(?::(\d+))?$/;
const SLOTS = /^(max[-_])?slots=(\d+)$/;

/**
 * The machines of a host file.
 * @param perHost Ranks that each machine is to run.
 * @throws {TunebookError} For a file that cannot be read, names nothing, names a machine twice, or gives it fewer ranks.
 */
export function readHosts(file: string, perHost: number): string[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new TunebookError(
      `launch: expected a file of hosts, ${file} cannot be read (${messageOf(error)}).`,
      {
        cause: error,
      },
    );
  }
  const hosts: string[] = [];
  for (const [i, whole] of text.split('\n').entries()) {
    const line = whole.replace(/#.*/, '').trim();
    if (line === '') continue;
    const at = `${file}, line ${i + 1}`;
    const [first, ...rest] = line.replace(/\s*=\s*/g, '=').split(/\s+/);
    const match = HOST.exec(first);
    const settings = rest.map((word) => SLOTS.exec(word));
    if (!match || !settings.every(Boolean))
      throw new TunebookError(`launch: ${at}: expected a host, as host slots=2 or host:2, got ${line}.`);
    const [, host, afterColon] = match;
    const given = afterColon ?? settings.find((setting) => setting?.[1] === undefined)?.[2];
    if (given !== undefined && Number(given) < perHost)
      throw new TunebookError(
        `launch: ${at}: expected room for ${perHost} ranks (--nproc-per-node), got ${given} on ${host}.`,
      );
    if (hosts.includes(host))
      throw new TunebookError(
        `launch: ${at}: expected each host once, got ${host} again. --nproc-per-node says how many ranks it runs.`,
      );
    hosts.push(host);
  }
  if (hosts.length === 0)
    throw new TunebookError(`launch: ${file}: expected at least one host, a line each, got none.`);
  return hosts;
}

/** How a launcher reaches other machines where it is configured to: not by ssh, which is what is tried here. */
const OTHER_WAYS = ['SLURM_JOB_ID', 'HYDRA_LAUNCHER', 'HYDRA_LAUNCHER_EXEC', 'OMPI_MCA_plm_rsh_agent'];
const CONNECT_SECONDS = 10;

/**
 * Tries each machine by ssh, as the launchers do without a password. MPICH's waits for ever for one that is not there.
 * @throws {TunebookError} That names the machines, and what ssh says of them.
 */
export async function requireReachable(hosts: readonly string[], env = process.env): Promise<void> {
  if (OTHER_WAYS.some((name) => env[name])) return;
  const here = new Set(['localhost', '127.0.0.1', '[::1]', os.hostname()]);
  const options = ['-o', 'BatchMode=yes', '-o', `ConnectTimeout=${CONNECT_SECONDS}`];
  const faults = await Promise.all(
    hosts
      .filter((host) => !here.has(host))
      .map(async (host) => {
        try {
          await promisify(execFile)('ssh', [...options, host.replace(/[[\]]/g, ''), 'true']);
          return [];
        } catch (error) {
          const { stderr = '' } = error as { stderr?: string };
          return [`${host} (${stderr.trim() || messageOf(error)})`];
        }
      }),
  );
  if (faults.flat().length > 0)
    throw new TunebookError(
      `launch: expected all hosts to answer ssh without a password, but not ${faults.flat().join(', ')}.`,
    );
}
