/**
 * Ranks that srun starts by itself, on a real cluster of one node, with TUNEBOOK_LONG_TESTS=1: MPICH over PMI-2, Open MPI
 * over PMIx, and without a wire-up, which is refused.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { skipWithoutSlurm, startCluster } from '../notebook/sweeps/cluster';
import type { Cluster } from '../notebook/sweeps/cluster';
import { LONG } from '../support/long';
import { FAMILIES, MAIN, skipWithout } from './mpi';
import type { MpiFamily } from '../../lib/distributed';
import { writeNotebook } from '../../lib/notebook/format/nbformat';
import { makeNotebook } from '../support/make-notebook';
import { assertTrained, rankRequest } from './trained-ranks';

/** Slurm's wire-up of a family. */
const WIRE_UP: Record<MpiFamily, string> = { mpich: 'pmi2', openmpi: 'pmix' };

describe('ranks of srun', { skip: LONG.skip || skipWithoutSlurm(), timeout: 300_000 }, () => {
  const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-srun-'));
  let cluster: Cluster | undefined;
  before(async () => {
    cluster = await startCluster(path.join(temporary, 'slurm'), 10);
  });
  after(() => {
    cluster?.stop();
    fs.rmSync(temporary, { recursive: true, force: true });
  });

  const env = (): NodeJS.ProcessEnv => ({
    ...process.env,
    ...cluster?.env,
    ...{ NODE_TEST_CONTEXT: undefined, TUNEBOOK_THREADS: '1' },
  });
  const srun = (
    wireUp: string,
    words: readonly string[],
    more: NodeJS.ProcessEnv = {},
  ): Promise<{ code: number | null; output: string }> => {
    const args = ['--ntasks=2', `--mpi=${wireUp}`, '--kill-on-bad-exit', process.execPath, ...words];
    const child = spawn('srun', args, { env: { ...env(), ...more }, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (text: Buffer) => (output += text.toString()));
    return new Promise((resolve) => child.on('close', (code) => resolve({ code, output })));
  };
  /** Debian's PMIx plugin loads a library that only libpmix-dev has. */
  const whyNot = (family: MpiFamily): string | undefined => {
    const args = ['--ntasks=1', `--mpi=${WIRE_UP[family]}`, 'true'];
    const { status, stderr } = spawnSync('srun', args, { env: env(), encoding: 'utf8' });
    return status === 0 ? undefined : `srun --mpi=${WIRE_UP[family]} does not start: ${stderr.trim()}`;
  };

  for (const family of FAMILIES) {
    test(`${family}: two ranks train as one`, { skip: skipWithout(family) }, async (t) => {
      const missing = whyNot(family);
      if (missing !== undefined) return t.skip(missing);
      const folder = path.join(temporary, family);
      const program = path.join(__dirname, 'training-rank.js');
      await assertTrained(await srun(WIRE_UP[family], [program, rankRequest(folder)]), folder);
    });

    test(`${family}: a notebook on two ranks`, { skip: skipWithout(family) }, async (t) => {
      const missing = whyNot(family);
      if (missing !== undefined) return t.skip(missing);
      const [file, output] = ['in', 'out'].map((name) => path.join(temporary, family + name, 'ranks.ipynb'));
      fs.mkdirSync(path.dirname(file));
      const cells = [
        "const group = (globalThis as any)[Symbol.for('tunebook.processGroup')];\n" +
          'const values = Float32Array.of(group.rank + 1);\nawait group.allReduce(values);\n' +
          "console.log('the sum is', values[0]);",
      ];
      writeNotebook(file, makeNotebook(cells));
      const end = await srun(WIRE_UP[family], [MAIN, 'run', file, '-o', output]);
      assert.equal(end.code, 0, end.output);
      assert.match(fs.readFileSync(output, 'utf8'), /the sum is 3/);
      assert.match(fs.readFileSync(output.replace('.ipynb', '.rank1.log'), 'utf8'), /the sum is 3/);
    });
  }

  const alone: [family: MpiFamily, library: string, words: RegExp][] = [
    ['mpich', 'libmpich.so.12', /the launcher started 2 processes, .* sees 1\. Use srun --mpi=pmi2/],
    ['openmpi', 'libmpi.so.40', /srun started 2 processes without what .* needs\. Use srun --mpi=pmix/],
  ];
  for (const [family, library, words] of alone)
    test(
      `${family}: without a wire-up, refused, not two worlds of one`,
      { skip: skipWithout(family) },
      async () => {
        const program = path.join(__dirname, 'training-rank.js');
        const request = rankRequest(path.join(temporary, 'none'));
        const { code, output } = await srun('none', [program, request], { TUNEBOOK_MPI_LIBRARY: library });
        assert.notEqual(code, 0);
        assert.match(output, words);
      },
    );
});
