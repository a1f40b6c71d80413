/** What one rank of a run meets, all know of: errors, stops, other data, too few batches; only rank 0 writes. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { fakeProcessGroups } from '../../../lib/distributed';
import { PACKAGE_ROOT } from '../../../lib/environment';
import { checkpointFault, TrainingArguments } from '../../../lib/trainer';
import { mainFirst, ranksOf } from '../../../lib/trainer/parallel/ranks';
import type { TrainerCallback } from '../../../lib/trainer';
import { examples } from '../small-model';
import { endsOfRanks, rankRun, ranksRun } from './runs';
import type { RankRequest } from './runs';

const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-agreement-'));
after(() => fs.rmSync(temporary, { recursive: true, force: true }));
let folders = 0;
const folder = (): string => path.join(temporary, `run-${folders++}`);

const messages = async (count: number, request: RankRequest): Promise<string[]> =>
  (await endsOfRanks(count, request)).map((end) =>
    typeof end === 'string' ? end : `stopped: ${end.result.stopped}`,
  );

test('early stopping and the best model: the same decisions and weights on all ranks', async () => {
  const options = {
    ...({ evalStrategy: 'steps', evalSteps: 1, saveStrategy: 'steps', saveSteps: 1 } as const),
    ...{ learningRate: 0.3, earlyStoppingPatience: 2, loadBestModelAtEnd: true, saveTotalLimit: 2 },
  };
  const request = { evalData: examples.slice(0, 5) };
  const one = await rankRun({
    ...request,
    options: { ...options, outputDir: folder(), gradientAccumulationSteps: 2 },
  });
  const ranks = await ranksRun(2, { ...request, options: { ...options, outputDir: folder() } });
  assert.equal(one.result.stopped, 'early stopping');
  for (const { result, trainer, weights } of ranks) {
    assert.equal(result.stopped, 'early stopping');
    assert.equal(result.globalStep, one.result.globalStep);
    assert.equal(
      path.basename(trainer.state.bestModelCheckpoint ?? ''),
      path.basename(one.trainer.state.bestModelCheckpoint ?? ''),
    );
    assert.deepEqual(weights, ranks[0].weights);
  }
});

test('a stop that one rank asks for ends all at the same step, with one checkpoint and one reason', async () => {
  const outputDir = folder();
  const ranks = await ranksRun(3, {
    options: { outputDir },
    // A time limit on rank 2 alone: its clock is ahead.
    own: (rank) => (rank === 2 ? { options: { maxTimeMs: 1 } } : {}),
  });
  for (const { result } of ranks) {
    assert.equal(result.stopped, 'time limit');
    assert.equal(result.globalStep, 1);
  }
  assert.deepEqual(fs.readdirSync(outputDir).sort(), ['checkpoint-1', 'trainer_state.json']);
  assert.equal(await checkpointFault(path.join(outputDir, 'checkpoint-1')), undefined);
});

test('a signal to one rank stops all: interrupted', async () => {
  const outputDir = folder();
  const callbacks = [{ onStepEnd: () => void process.emit('SIGTERM', 'SIGTERM') }];
  const ranks = await ranksRun(2, { options: { outputDir }, callbacks });
  for (const { result } of ranks) assert.deepEqual([result.stopped, result.globalStep], ['interrupted', 1]);
});

test('callbacks are those of rank 0, and only it writes', async () => {
  const seen: string[] = [];
  const callbacks: TrainerCallback[] = [
    { onSave: ({ state }) => void seen.push(`saved ${state.globalStep}`) },
  ];
  const outputDir = folder();
  const options = { outputDir, maxSteps: 2, saveStrategy: 'steps', saveSteps: 1, reportTo: 'jsonl' } as const;
  const ranks = await ranksRun(2, { options, callbacks });
  assert.deepEqual(seen, ['saved 1', 'saved 2']);
  assert.deepEqual(
    ranks.map(({ trainer }) => trainer.isWorldProcessZero()),
    [true, false],
  );
  assert.deepEqual(fs.readdirSync(outputDir).sort(), [
    'checkpoint-1',
    'checkpoint-2',
    'runs',
    'trainer_state.json',
  ]);
  const lines = fs
    .readFileSync(path.join(outputDir, 'runs', 'log.jsonl'), 'utf8')
    .trim()
    .split('\n');
  assert.equal(lines.filter((line) => line.includes('"loss"')).length, 2);
});

test('a loss that is not finite on one rank: all name its examples, and the last checkpoint stays', async () => {
  const outputDir = folder();
  let calls = 0;
  const ends = await messages(2, {
    options: { outputDir, saveStrategy: 'steps', saveSteps: 1 },
    prepare: (rank, trainer, model) => {
      if (rank === 0) return;
      // Rank 1 alone meets a value that overflows, in its third step.
      const { engine } = model;
      const compile = engine.compile.bind(engine);
      Object.assign(engine, {
        compile: async (...given: Parameters<typeof compile>) => {
          if (trainer.state.globalStep === 2 && calls++ === 0)
            model.trainableParameters()[0].data.fill(Number.NaN);
          return compile(...given);
        },
      });
    },
  });
  for (const end of ends)
    assert.match(end, /expected a finite loss, got NaN at step 3 \(training examples .*checkpoint-2/);
  assert.equal(await checkpointFault(path.join(outputDir, 'checkpoint-2')), undefined);
});

const FAULTS: [name: string, request: Omit<RankRequest, 'options'>, message: RegExp][] = [
  [
    'other data on one rank',
    { own: (rank) => (rank === 1 ? { data: [...examples].reverse() } : {}) },
    /all ranks to have the same run, but\n- data: rank 1 has others than rank 0/,
  ],
  [
    'other arguments on one rank',
    { own: (rank) => (rank === 2 ? { options: { learningRate: 2e-3 } } : {}) },
    /- learningRate: rank 2 has others than rank 0/,
  ],
  [
    'other weights on one rank',
    { prepare: (rank, _, model) => void (rank === 1 && (model.trainableParameters()[0].data[5] += 1)) },
    /- trainable weights: rank 1 has others than rank 0/,
  ],
];
for (const [name, request, message] of FAULTS)
  test(`${name} is reported on all ranks, before the first step`, async () => {
    const outputDir = folder();
    for (const end of await messages(3, { ...request, options: { outputDir } })) assert.match(end, message);
  });

test('another version on one rank is reported on all ranks', async (t) => {
  const file = path.join(PACKAGE_ROOT, 'package.json');
  let reads = 0;
  const { readFileSync } = fs;
  t.mock.method(fs, 'readFileSync', (...given: Parameters<typeof readFileSync>) =>
    given[0] === file && reads++ === 1 ? '{"version":"0.0.1"}' : readFileSync(...given),
  );
  const ends = await messages(2, { options: { outputDir: folder() } });
  assert.equal(reads, 2);
  for (const end of ends) assert.match(end, /but\n- tunebook's version: rank 1 has others than rank 0\n/);
});

test('a callback that throws on rank 0 ends all ranks', async () => {
  const callbacks: TrainerCallback[] = [
    {
      onLog: () => {
        throw new Error('no more ink');
      },
    },
  ];
  const ends = await messages(2, { options: { outputDir: folder() }, callbacks });
  assert.equal(ends[0], 'no more ink');
  assert.match(ends[1], /rank 0 of 2 failed \(callbacks in step 2\), so all ranks stop/);
});

test('a checkpoint that cannot be written on rank 0 ends all ranks', async () => {
  const outputDir = folder();
  const callbacks: TrainerCallback[] = [
    // A file where the draft has to go.
    { onTrainBegin: () => fs.writeFileSync(path.join(outputDir, 'checkpoint-2'), '') },
    { onStepEnd: ({ state }) => void (state.globalStep === 2 && fs.rmSync(outputDir, { recursive: true })) },
    { onStepEnd: ({ state }) => void (state.globalStep === 2 && fs.writeFileSync(outputDir, '')) },
  ];
  const options = { outputDir, saveStrategy: 'steps', saveSteps: 2 } as const;
  const ends = await messages(2, { options, callbacks });
  assert.match(ends[0], /checkpoint-2 could not be written/);
  assert.match(ends[1], /rank 0 of 2 failed \(checkpoint-2\)/);
});

test('more ranks than batches, and another kind of group, are refused', async () => {
  const [first] = fakeProcessGroups(7);
  await assert.rejects(
    rankRun({ options: { outputDir: folder() } }, first),
    /at least one batch for each rank, got 6 batches of 2 for 7 ranks\. Start fewer ranks/,
  );
  await assert.rejects(
    rankRun({ options: { outputDir: folder() } }, {} as typeof first),
    /Trainer: expected a process group, got an object/,
  );
});

test('out of memory on one rank: all go on with smaller pieces', async () => {
  const outputDir = folder();
  const options = { outputDir, maxSteps: 3, perDeviceTrainBatchSize: 4, autoFindBatchSize: true };
  let failures = 0;
  const ranks = await ranksRun(2, {
    options,
    prepare: (rank, _, model) => {
      if (rank === 0) return;
      const { engine } = model;
      const compile = engine.compile.bind(engine);
      Object.assign(engine, {
        compile: (...given: Parameters<typeof compile>) => {
          if (failures++ === 0) throw new Error('failed to allocate');
          return compile(...given);
        },
      });
    },
  });
  assert.deepEqual(
    ranks.map(({ trainer }) => trainer.state.microBatchSize),
    [2, 2],
  );
  assert.deepEqual(ranks[0].weights, ranks[1].weights);
});

test('the main process first, then the others; its error is theirs', async () => {
  const order: number[] = [];
  const results = await Promise.all(
    fakeProcessGroups(3).map((group) =>
      mainFirst(ranksOf(group), () => {
        order.push(group.rank);
        return group.rank;
      }),
    ),
  );
  assert.equal(order[0], 0);
  assert.deepEqual(results, [0, 1, 2]);
  const ends = await Promise.all(
    fakeProcessGroups(2).map((group) =>
      mainFirst(ranksOf(group), () => {
        throw new Error('no network');
      }).catch((error: Error) => error.message),
    ),
  );
  assert.equal(ends[0], 'no network');
  assert.match(ends[1], /rank 0 of 2 failed/);
  const args = new TrainingArguments({ outputDir: folder() });
  assert.deepEqual([args.worldSize, args.processIndex, args.localProcessIndex], [1, 0, 0]);
  assert.equal(await args.mainProcessFirst(() => 'alone'), 'alone');
});
