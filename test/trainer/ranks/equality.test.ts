/**
 * Data parallel training is exact: N ranks with accumulation A are one process with accumulation N x A. The ranks are
 * fake here, all in this process; `mpi-training.test.ts` has real ones.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { listCheckpoints } from '../../../lib/trainer';
import type { ArgumentOptions, TrainerCallback } from '../../../lib/trainer';
import { examples } from '../small-model';
import { assertSameRun, rankRun, ranksRun } from './runs';

const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-ranks-'));
after(() => fs.rmSync(temporary, { recursive: true, force: true }));
let folders = 0;
const folder = (): string => path.join(temporary, `run-${folders++}`);

const stopAt = (step: number): TrainerCallback[] => [
  { onStepEnd: ({ state, control }) => void (control.shouldTrainingStop ||= state.globalStep === step) },
];

const CASES: [
  name: string,
  ranks: number,
  accumulation: number,
  kind: 'full' | 'LoRA',
  options: Partial<ArgumentOptions>,
][] = [
  ['dropout, clipping, weight decay', 2, 2, 'full', { weightDecay: 0.01, maxGradNorm: 0.5 }],
  // Eleven examples in batches of two: six batches, so that each pass ends with a step that one rank has nothing of.
  ['a short last step', 4, 1, 'full', { maxSteps: 4 }],
  ['LoRA with dropout and NEFTune', 2, 1, 'LoRA', { neftuneNoiseAlpha: 5 }],
  ['batches in pieces', 2, 1, 'full', { perDeviceTrainBatchSize: 4 }],
  ...['sgd', 'adamw_8bit', 'lion'].map((optim): (typeof CASES)[number] => [
    optim,
    2,
    1,
    'full',
    { optim, maxSteps: 4 },
  ]),
  // Not the whole model: Adafactor scales what the biases of queries, keys and values learn by all of it together, and what
  // keys' biases learn is rounding (see `learned`).
  ['adafactor', 2, 1, 'LoRA', { optim: 'adafactor', maxSteps: 4 }],
];
for (const [name, count, accumulation, kind, options] of CASES)
  test(`${count} ranks x ${accumulation} are 1 x ${count * accumulation}: ${name}`, async () => {
    const evaluation = { evalStrategy: 'steps', evalSteps: 2, perDeviceEvalBatchSize: 2 } as const;
    const request = { kind, evalData: examples.slice(0, 5) };
    const more = { ...evaluation, ...options };
    const one = await rankRun({
      ...request,
      options: { ...more, outputDir: folder(), gradientAccumulationSteps: count * accumulation },
    });
    const ranks = await ranksRun(count, {
      ...request,
      options: { ...more, outputDir: folder(), gradientAccumulationSteps: accumulation },
    });
    assertSameRun(one, ranks);
    assert.equal(ranks[0].trainer.state.numInputTokensSeen, one.trainer.state.numInputTokensSeen);
    assert.equal(ranks[0].result.metrics.train_samples, one.result.metrics.train_samples);
  });

test('one checkpoint for any number of ranks: 2, then 4, then 1', async () => {
  const options = { saveStrategy: 'steps', saveSteps: 2, optim: 'adamw', groupByLength: true } as const;
  const whole = await rankRun({ options: { ...options, outputDir: folder(), gradientAccumulationSteps: 4 } });
  const outputDir = folder();
  // The length of the run stays: a callback ends each part.
  const part = (gradientAccumulationSteps: number): Partial<ArgumentOptions> & { outputDir: string } => ({
    ...{ ...options, outputDir, gradientAccumulationSteps },
  });
  const two = await ranksRun(2, { options: part(2), callbacks: stopAt(2) });
  assert.deepEqual(
    two.map(({ result }) => [result.stopped, result.globalStep]),
    Array(2).fill(['callback', 2]),
  );
  const four = await ranksRun(4, { options: part(1), callbacks: stopAt(4), resume: true });
  assert.deepEqual(
    four.map(({ result }) => [result.stopped, result.globalStep, path.basename(result.checkpoint ?? '')]),
    Array(4).fill(['callback', 4, 'checkpoint-4']),
  );
  const one = await rankRun({ options: part(4), resume: true });
  assert.equal(one.result.globalStep, 6);
  assertSameRun(whole, [one]);
  assert.deepEqual(
    (await listCheckpoints(outputDir)).map(({ step }) => step),
    [2, 4, 6],
  );
});

test('resumed on the same number of ranks: the same bytes as never stopped', async () => {
  const options = { saveStrategy: 'steps', saveSteps: 3 } as const;
  const straight = await ranksRun(2, { options: { ...options, outputDir: folder() } });
  const outputDir = folder();
  await ranksRun(2, { options: { ...options, outputDir }, callbacks: stopAt(3) });
  const [resumed] = await ranksRun(2, { options: { ...options, outputDir }, resume: true });
  assert.deepEqual(resumed.weights, straight[0].weights);
  assert.deepEqual(resumed.losses, straight[0].losses);
});

test('another product of ranks and accumulation is another run', async () => {
  const outputDir = folder();
  await ranksRun(2, {
    options: { outputDir, saveStrategy: 'steps', saveSteps: 3, gradientAccumulationSteps: 2 },
  });
  await assert.rejects(
    rankRun({ options: { outputDir, gradientAccumulationSteps: 2, maxSteps: 6 }, resume: true }),
    /gradientAccumulationSteps: 4 then, 2 now/,
  );
});
