/**
 * Sweeps on Slurm: scripts and what Slurm says, as text everywhere; an array, a wrong point, a cancelled and a requeued
 * one on a real cluster of one node where it can start, with TUNEBOOK_LONG_TESTS=1.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { inArrays, queuedTasks, slurmLimits, slurmScript } from '../../../lib/notebook/sweeps/slurm';
import type { SlurmScript } from '../../../lib/notebook/sweeps/slurm';
import type { SweepRun } from '../../../lib/notebook/sweeps/sweep';
import { LONG } from '../../support/long';
import { Workplace } from '../../support/make-notebook';
import { skipWithoutSlurm, startCluster } from './cluster';
import type { Cluster } from './cluster';

const MAIN = path.join(__dirname, '..', '..', '..', 'lib', 'cli', 'main.js');
const SCRIPT: SlurmScript = {
  folder: "/data/my sweep's",
  submission: { name: 'slurm-2', executor: 'slurm', points: [0, 4, 5] },
  options: { time: '2:00:00', 'mem-per-cpu': '4G' },
  jobs: 2,
  command: ['/usr/bin/node', '/opt/main.js'],
};

test('the script: options, an array of tasks, a signal before the limit, words that no shell takes apart', () => {
  const lines = slurmScript(SCRIPT).trim().split('\n');
  assert.equal(lines[0], '#!/bin/bash');
  for (const line of [
    '#SBATCH --time=2:00:00',
    '#SBATCH --mem-per-cpu=4G',
    '#SBATCH --array=0-2%2',
    '#SBATCH --requeue',
    '#SBATCH --signal=B:TERM@120',
    '#SBATCH --output="/data/my sweep\'s/slurm/%A_%a.txt"',
  ])
    assert.ok(lines.includes(line), `${line} in ${lines.join('\n')}`);
  // The shell's own reading of the last line.
  const last = lines.at(-1)?.replace(/^exec /, "printf '%s|' ") ?? '';
  const words = execFileSync('bash', ['-c', last], { env: { SLURM_ARRAY_TASK_ID: '1' }, encoding: 'utf8' });
  assert.equal(words, "/usr/bin/node|/opt/main.js|sweep-point|/data/my sweep's|slurm-2|1|");
});

const WRONG: [options: Record<string, string>, message: RegExp][] = [
  [{ array: '1-3' }, /expected other options of Slurm, got array, which a sweep sets itself/],
  [{ '--time': '1' }, /expected sbatch's long option names.*got "--time=1"/],
  [{ time: '1\n#SBATCH --wrap=x' }, /expected sbatch's long option names/],
];
for (const [options, message] of WRONG)
  test(`options that are refused: ${JSON.stringify(options)}`, () =>
    assert.throws(() => slurmScript({ ...SCRIPT, options }), { name: 'TunebookError', message }));

test("a cluster's limits split an array, and one that takes none is refused", () => {
  // Lines of `scontrol show config`, Slurm 22.05.
  const config =
    'DefMemPerNode           = UNLIMITED\nMaxArraySize            = 4\nMaxJobCount             = 10000\n';
  const limits = slurmLimits(config);
  assert.deepEqual(limits, { maxArraySize: 4, takesAllMemory: true });
  assert.equal(slurmLimits(config.replace('UNLIMITED', '4000')).takesAllMemory, false);
  const points = [0, 1, 2, 5, 6, 7, 8, 9, 11];
  assert.deepEqual(inArrays(points, limits), [[0, 1, 2, 5], [6, 7, 8, 9], [11]]);
  assert.throws(
    () => inArrays(points, { ...limits, maxArraySize: 0 }),
    /takes array jobs, got MaxArraySize 0/,
  );
});

test('the queue as squeue prints it, with jobs of others that are no arrays', () => {
  assert.deepEqual(queuedTasks('7 0 RUNNING\n7 12 PENDING\n9 N/A RUNNING\n'), [
    { job: '7', task: 0, state: 'RUNNING' },
    { job: '7', task: 12, state: 'PENDING' },
  ]);
});

test('calls that ask for too much, or for nothing', () => {
  const call = (...words: string[]): string => {
    try {
      execFileSync(process.execPath, [MAIN, 'sweep', 'x.ipynb', ...words], {
        stdio: 'pipe',
        encoding: 'utf8',
      });
      return '';
    } catch (error) {
      const { status, stderr } = error as { status: number; stderr: string };
      return `${status} ${stderr}`;
    }
  };
  assert.match(call('--status', '--cancel'), /^2 sweep: expected one of --status, --collect, --cancel/);
  assert.match(
    call('--status', '-o', '/nowhere/at/all'),
    /^1 sweep: expected the file of a sweep in \/nowhere/,
  );
});

/** Without a place that waits, a point of rate 3 fails; the metric is the square of the rate. */
const CELLS = [
  '@parameters\nconst rate: number = 1;\nconst waits: boolean = false;',
  `const fs = require('node:fs');
const folder = process.env.TUNEBOOK_OUTPUT;
if (rate === 3) throw new Error('too fast');
if (waits && !fs.existsSync(folder + '/begun')) {
  fs.writeFileSync(folder + '/begun', '');
  // As a trainer does: Slurm signals the runner and its kernel.
  await new Promise((resolve) => ['SIGINT', 'SIGTERM'].map((signal) => process.once(signal, resolve)));
  fs.writeFileSync(folder + '/saved', '');
}`,
  `fs.writeFileSync(folder + '/metrics.json', JSON.stringify({ loss: rate * rate, saved: Number(fs.existsSync(folder + '/saved')) }));`,
];

/** Trains in earnest, slowly on the cluster until there is a checkpoint; its weights at the end are the metric. */
const TRAINING = [
  '@parameters\nconst seed: number = 7;',
  `import fs from 'node:fs';
import { createHash } from 'node:crypto';
import * as tb from 'tunebook';
const folder = process.env.TUNEBOOK_OUTPUT;
const waits = process.env.SLURM_JOB_ID !== undefined && !fs.existsSync(folder + '/training');
const config = { model_type: 'gpt2', vocab_size: 53, n_positions: 32, n_embd: 32, n_layer: 1, n_head: 2 };
const model = await tb.AutoModelForCausalLM.fromConfig(config, { seed, engine: { provider: 'cpu' } });
const examples = Array.from({ length: 24 }, (_, i) => {
  const inputIds = Array.from({ length: 8 }, (__, t) => (i * 13 + t * t * 5 + t) % 53);
  return { inputIds, labels: inputIds };
});
const trainer = new tb.Trainer({
  model,
  args: new tb.TrainingArguments({
    ...{ outputDir: folder + '/training', maxSteps: 600, perDeviceTrainBatchSize: 2, seed },
    ...{ saveStrategy: 'no' as const, preflight: false, loggingSteps: 100, learningRate: 1e-3 },
  }),
  trainDataset: examples,
  callbacks: [{
    onStepEnd: async ({ state }) => {
      fs.writeFileSync(folder + '/step', String(state.globalStep));
      if (waits) await new Promise((resolve) => setTimeout(resolve, 200));
    },
  }],
});`,
  `const { stopped, globalStep } = await trainer.train({ resumeFromCheckpoint: process.env.TUNEBOOK_RESUME === '1' });
console.log(stopped, 'after', globalStep);`,
  `const hash = createHash('sha256');
for (const { data } of model.trainableParameters()) hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
fs.writeFileSync(folder + '/metrics.json', JSON.stringify({ steps: globalStep, weights: hash.digest().readUIntBE(0, 6) }));`,
];

describe('a real cluster', { skip: LONG.skip || skipWithoutSlurm(), timeout: 400_000 }, () => {
  const place = new Workplace();
  let cluster: Cluster | undefined;
  before(async () => {
    place.write('points.ipynb', CELLS);
    place.write('training.ipynb', TRAINING);
    cluster = await startCluster(place.file('slurm'), 3);
  });
  after(() => {
    cluster?.stop();
    place.remove();
  });

  const env = (): NodeJS.ProcessEnv => ({ ...process.env, ...cluster?.env, NODE_TEST_CONTEXT: undefined });
  const sweep = (name: string, ...words: string[]): Promise<{ code: number | null; output: string }> =>
    sweepOf('points', name, ...words);
  const sweepOf = (
    notebook: string,
    name: string,
    ...words: string[]
  ): Promise<{ code: number | null; output: string }> => {
    const args = [MAIN, 'sweep', place.file(`${notebook}.ipynb`), '-o', place.file(name), ...words];
    const child = spawn(process.execPath, args, { env: env() });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (text: Buffer) => (output += text.toString()));
    return new Promise((resolve) => child.on('close', (code) => resolve({ code, output })));
  };
  const slurm = (program: string, ...words: string[]): string =>
    execFileSync(program, words, { env: env(), encoding: 'utf8' });
  const runs = (name: string): SweepRun[] =>
    (JSON.parse(fs.readFileSync(place.file(`${name}/sweep.json`), 'utf8')) as { runs: SweepRun[] }).runs;
  const until = async (what: () => boolean): Promise<void> => {
    for (let ms = 0; ms < 120_000 && !what(); ms += 100)
      await new Promise((resolve) => setTimeout(resolve, 100));
    assert.ok(what(), 'in time');
  };

  test('five points in two arrays, one of them wrong; --resume submits only that one', async () => {
    const grid = ['-g', 'rate=1,2,3,4,5', '--metric', 'loss', '--executor', 'slurm'];
    const end = await sweep('grid', ...grid);
    assert.equal(end.code, 1, end.output);
    assert.equal(end.output.match(/^Job \d+: [23] points/gm)?.length, 2, end.output);
    assert.deepEqual(
      runs('grid').map(({ status, metrics }) => [status, metrics.loss]),
      [
        ['ok', 1],
        ['ok', 4],
        ['error', undefined],
        ['ok', 16],
        ['ok', 25],
      ],
    );
    assert.ok(fs.existsSync(place.file('grid/sweep.svg')));
    assert.match((await sweep('grid', '--status')).output, /^rate=3 {2}error in .*too fast/m);
    const again = await sweep('grid', ...grid, '--resume');
    assert.match(again.output, /^Job \d+: 1 points/m);
    const other = await sweep('grid', '-g', 'rate=1', '--executor', 'slurm', '--resume');
    assert.match(other.output, /expected the grid of the earlier sweep for --resume/);
  });

  test('a requeued point saves and goes on; a cancelled one is missing, and --resume runs it', async () => {
    const grid = ['-g', 'rate=1,2', '-p', 'waits=true', '--executor', 'slurm', '--submit-only'];
    const { output } = await sweep('waiting', ...grid);
    const job = /^Job (\d+)/m.exec(output)?.[1] ?? '';
    const begun = (rate: number): boolean => fs.existsSync(place.file(`waiting/rate=${rate}/begun`));
    await until(() => begun(1) && begun(2));
    assert.match((await sweep('waiting', ...grid)).output, /expected no jobs of an earlier sweep/);
    slurm('scontrol', 'requeue', `${job}_0`);
    const saved = (rate: number): boolean => fs.existsSync(place.file(`waiting/rate=${rate}/saved`));
    await until(() => saved(1));
    await until(() => /PENDING/.test(slurm('squeue', '--noheader', '--format', '%T')));
    // Slurm lets a requeued job wait two minutes.
    slurm('scontrol', 'update', `JobId=${job}_0`, 'StartTime=now');
    const status = (): string => fs.readFileSync(place.file('waiting/rate=1/status.json'), 'utf8');
    await until(() => /"status": "ok"/.test(status()));
    assert.match((await sweep('waiting', '--cancel')).output, new RegExp(`Cancelled: ${job}`));
    await until(() => saved(2));
    await until(() => slurm('squeue', '--noheader').trim() === '');
    await sweep('waiting', '--collect');
    assert.deepEqual(
      runs('waiting').map(({ status }) => status),
      ['ok', 'interrupted'],
    );
    const again = await sweep('waiting', ...grid.slice(0, -1), '--resume');
    assert.equal(again.code, 0, again.output);
    assert.deepEqual(
      runs('waiting').map(({ status, metrics }) => [status, metrics.saved]),
      [
        ['ok', 1],
        ['ok', 1],
      ],
    );
  });

  test('a training point that is preempted leaves a checkpoint and goes on to the same weights', async () => {
    const words = ['-g', 'seed=1', '--executor', 'slurm', '--submit-only'];
    const { output } = await sweepOf('training', 'preempted', ...words);
    const job = /^Job (\d+)/m.exec(output)?.[1] ?? '';
    const file = (name: string): string => place.file(`preempted/seed=1/${name}`);
    const stepNow = (): number =>
      fs.existsSync(file('step')) ? Number(fs.readFileSync(file('step'), 'utf8')) : 0;
    await until(() => stepNow() >= 5);
    slurm('sbatch', '--partition=urgent', '--ntasks=2', '--output=/dev/null', '--wrap=sleep 3');
    const checkpoints = (): string[] =>
      fs.existsSync(file('training'))
        ? fs.readdirSync(file('training')).filter((name) => /^checkpoint-\d+$/.test(name))
        : [];
    await until(() => checkpoints().length > 0);
    const saved = Number(checkpoints()[0].slice('checkpoint-'.length));
    assert.ok(saved >= 5 && saved < 600, String(saved));
    const state = (): string =>
      slurm('squeue', '--noheader', `--jobs=${job}`, '--array', '--format', '%T').trim();
    await until(() => state() === 'PENDING');
    // Slurm lets a requeued job wait two minutes.
    slurm('scontrol', 'update', `JobId=${job}_0`, 'StartTime=now');
    const status = (): string =>
      fs.existsSync(file('status.json')) ? fs.readFileSync(file('status.json'), 'utf8') : '';
    await until(() => /"status": "ok"/.test(status()));
    const other = await sweepOf('training', 'straight', '-g', 'seed=1');
    assert.equal(other.code, 0, other.output);
    const metrics = (name: string): unknown =>
      JSON.parse(fs.readFileSync(place.file(`${name}/seed=1/metrics.json`), 'utf8'));
    assert.deepEqual(metrics('preempted'), metrics('straight'));
  });
});
