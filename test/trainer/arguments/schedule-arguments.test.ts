/**
 * Learning-rate schedules as a run uses them: the rates that the log shows, step for step, against those of
 * transformers (test/golden/optimizers), and the arguments around them.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { SCHEDULES } from '../../../lib/trainer';
import type { ScheduleName, ArgumentOptions } from '../../../lib/trainer';
import { run, smallModel } from '../small-model';
import { ROOT } from '../../support/paths';

interface Schedule {
  name: ScheduleName;
  learningRate: number;
  warmupSteps: number;
  trainingSteps: number;
  options: Record<string, number>;
  rates: number[];
}
const { schedules } = JSON.parse(
  fs.readFileSync(path.join(ROOT, 'test/golden/optimizers/golden.json'), 'utf8'),
) as { schedules: Schedule[] };
const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-schedules-'));
after(() => fs.rmSync(temporary, { recursive: true, force: true }));
let folders = 0;
const folder = (): string => path.join(temporary, `run-${folders++}`);

const TINY = { n_embd: 4, n_head: 1, n_inner: 4, vocab_size: 53 };
const ONE = [{ inputIds: [1, 2, 3], labels: [1, 2, 3] }];

async function ratesOf(options: Partial<ArgumentOptions>): Promise<number[]> {
  const model = await smallModel(TINY);
  const { trainer } = await run({ ...options, outputDir: folder() }, { model, data: ONE });
  await model.dispose();
  return trainer.state.logHistory.map((entry) => entry.learning_rate);
}

const NAMES: Record<string, string> = {
  num_cycles: 'numCycles',
  lr_end: 'lrEnd',
  power: 'power',
  timescale: 'timescale',
  min_lr_rate: 'minLrRate',
};
for (const { name, learningRate, warmupSteps, trainingSteps, options, rates } of schedules) {
  if (warmupSteps === 0 && name !== 'constant') continue; // those are in optimizers.test.ts
  test(`a run with ${name} ${JSON.stringify(options)} takes the rates of transformers`, async () => {
    const lrSchedulerKwargs = Object.fromEntries(
      Object.entries(options).map(([key, value]) => [NAMES[key], value]),
    );
    const used = await ratesOf({
      ...{ lrSchedulerType: name, lrSchedulerKwargs, learningRate, warmupSteps },
      maxSteps: trainingSteps,
    });
    assert.equal(used.length, trainingSteps);
    used.forEach((rate, step) =>
      assert.ok(Math.abs(rate - rates[step]) < 1e-12, `step ${step + 1}: ${rate}`),
    );
  });
}

test('every schedule has golden rates', () => {
  assert.deepEqual([...new Set(schedules.map(({ name }) => name))].sort(), [...SCHEDULES].sort());
});

test('warmupRatio is a share of all steps, rounded up; warmupSteps wins over it', async () => {
  const shared = { lrSchedulerType: 'constant_with_warmup', learningRate: 1, maxSteps: 5 } as const;
  const close = (got: number[], wanted: number[]): void =>
    wanted.forEach((rate, i) => assert.ok(Math.abs(got[i] - rate) < 1e-12, `${got.join(' ')}`));
  close(await ratesOf({ ...shared, warmupRatio: 0.3 }), [0, 0.5, 1, 1, 1]);
  close(await ratesOf({ ...shared, warmupRatio: 0.3, warmupSteps: 4 }), [0, 0.25, 0.5, 0.75, 1]);
});

test('the rate of a step is the one that it takes: at rate 0 nothing moves', async () => {
  const model = await smallModel(TINY);
  const before = model.trainableParameters().flatMap(({ data }) => [...data]);
  const warm = { lrSchedulerType: 'constant_with_warmup', warmupSteps: 1, learningRate: 0.1 } as const;
  const first = await run({ ...warm, maxSteps: 1, outputDir: folder() }, { model, data: ONE });
  assert.deepEqual(first.weights, before);
  const second = await run({ ...warm, maxSteps: 2, outputDir: folder() }, { model, data: ONE });
  assert.notDeepEqual(second.weights, before);
});
