/**
 * Two "machines" on this one: network namespaces that are joined by a pair of virtual cards, each with a host name of its
 * own, where this process may make them (root, CAP_NET_ADMIN).
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import type { MpiFamily } from '../../lib/distributed';

const run = (program: string, ...words: string[]): string =>
  execFileSync(program, words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

/** What each family is to do there: start the other rank by our agent, and send by TCP over the cards. */
export function networkVariables(family: MpiFamily, { agent }: TwoNetworks): NodeJS.ProcessEnv {
  return family === 'openmpi'
    ? {
        ...{ OMPI_MCA_plm_rsh_agent: agent, OMPI_MCA_btl: 'tcp,self' },
        ...{ OMPI_MCA_btl_tcp_if_include: '10.77.0.0/24', OMPI_MCA_oob_tcp_if_include: '10.77.0.0/24' },
      }
    : { HYDRA_LAUNCHER: 'ssh', HYDRA_LAUNCHER_EXEC: agent, UCX_TLS: 'tcp,self' };
}

export interface TwoNetworks {
  /** Addresses, which mpirun takes for hosts. */
  readonly hosts: readonly [string, string];
  /** A program that mpirun starts others with, as it does with ssh: HOST COMMAND. */
  readonly agent: string;
  /** A command's words, to run on the first machine. */
  onFirst(words: readonly string[]): string[];
  /** Limits what each card sends, in bits a second. */
  shape(rate: string): void;
  /** Bytes that each card has sent. */
  sentBytes(): [number, number];
  remove(): void;
}

/** @param folder for the agent. @returns undefined, where it is not allowed to make them, or `ip` is missing */
export function twoNetworks(folder: string): TwoNetworks | undefined {
  const names = [1, 2].map((i) => `tb${process.pid}-${i}`);
  const cards = [1, 2].map((i) => `tb${process.pid % 100_000}v${i}`);
  const hosts = ['10.77.0.1', '10.77.0.2'] as const;
  const remove = (): void => {
    for (const name of names)
      try {
        run('ip', 'netns', 'del', name);
      } catch {
        // it was not made
      }
  };
  try {
    for (const name of names) run('ip', 'netns', 'add', name);
    const peer = ['type', 'veth', 'peer', 'name', cards[1], 'netns', names[1]];
    run('ip', 'link', 'add', cards[0], 'netns', names[0], ...peer);
    for (const [i, name] of names.entries()) {
      run('ip', '-n', name, 'addr', 'add', `${hosts[i]}/24`, 'dev', cards[i]);
      run('ip', '-n', name, 'link', 'set', 'lo', 'up');
      run('ip', '-n', name, 'link', 'set', cards[i], 'up');
    }
  } catch {
    remove();
    return undefined;
  }
  const inside = (name: string): string[] => ['ip', 'netns', 'exec', name, 'unshare', '--uts', 'sh', '-c'];
  const agent = `${folder}/agent.sh`;
  const cases = names.map((name, i) => `${hosts[i]}|${name}) ns=${name};;`).join(' ');
  fs.writeFileSync(
    agent,
    `#!/bin/sh\nwhile [ "\${1#-}" != "$1" ]; do shift; done\nhost=$1; shift\n` +
      `case $host in ${cases} *) exit 255;; esac\n` +
      `exec ip netns exec $ns unshare --uts sh -c "hostname $ns; exec /bin/sh -c \\"\\$0\\"" "$*"\n`,
    { mode: 0o755 },
  );
  return {
    hosts,
    agent,
    onFirst: (words) => [...inside(names[0]), `hostname ${names[0]}; exec "$0" "$@"`, ...words],
    shape: (rate) => {
      for (const [i, name] of names.entries())
        run(
          'ip',
          'netns',
          'exec',
          name,
          'tc',
          'qdisc',
          'replace',
          'dev',
          cards[i],
          'root',
          'tbf',
          'rate',
          rate,
          'burst',
          '1mb',
          'latency',
          '50ms',
        );
    },
    sentBytes: () => {
      const [first, second] = names.map((name, i) => {
        const line = new RegExp(`${cards[i]}:(.*)`).exec(
          run('ip', 'netns', 'exec', name, 'cat', '/proc/net/dev'),
        );
        return Number(line?.[1].trim().split(/\s+/)[8]);
      });
      return [first, second];
    },
    remove,
  };
}
