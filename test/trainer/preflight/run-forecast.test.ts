/**
 * What a run has before it, counted ahead: as the run then has it, from its beginning and from a checkpoint.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { createDataCollator } from '../../../lib/dataset';
import { Trainer, TrainingArguments } from '../../../lib/trainer';
import type { ArgumentOptions } from '../../../lib/trainer';
import { forecastRun } from '../../../lib/trainer/preflight/run-forecast';
import type { Forecast } from '../../../lib/trainer/preflight/run-forecast';
import { examples, smallModel } from '../small-model';

const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-forecast-'));
after(() => fs.rmSync(temporary, { recursive: true, force: true }));
let folders = 0;

interface Counts {
  steps: number;
  tokens: number;
  evaluations: number;
  checkpoints: number;
  /** How often each shape goes through the model. */
  shapes: Record<string, number>;
}

/** What is foreseen after `from` steps, and what the run then does. */
async function both(
  options: Partial<ArgumentOptions>,
  from: number,
): Promise<{ foreseen: Forecast; done: Counts }> {
  const done: Counts = { steps: 0, tokens: 0, evaluations: 0, checkpoints: 0, shapes: {} };
  const plain = createDataCollator({ padTokenId: 0, maxLength: 32, buckets: [6, 10, 16] });
  let isStep = false;
  let foreseen: Forecast | undefined;
  const trainer = new Trainer({
    model: await smallModel({ n_embd: 4, n_head: 1, n_inner: 4 }),
    args: new TrainingArguments({
      ...{
        outputDir: path.join(temporary, `run-${folders++}`),
        perDeviceTrainBatchSize: 2,
        preflight: false,
      },
      ...{ saveStrategy: 'no', loggingStrategy: 'no' },
      ...options,
    }),
    trainDataset: examples,
    evalDataset: examples.slice(0, 2),
    dataCollator: (rows) => {
      const batch = plain(rows);
      const key = batch.shape.join('x');
      if (isStep && foreseen !== undefined) done.shapes[key] = (done.shapes[key] ?? 0) + 1;
      return batch;
    },
    callbacks: [
      {
        onStepBegin: ({ args, state }) => {
          if (state.globalStep === from)
            foreseen = forecastRun({ values: args, state, dataset: examples, collate: plain });
          isStep = true;
          if (state.globalStep === from) done.tokens = -state.numInputTokensSeen;
          if (foreseen !== undefined) done.steps++;
        },
        onPreOptimizerStep: () => void (isStep = false),
        onEvaluate: () => void (done.evaluations += foreseen === undefined ? 0 : 1),
        onSave: () => void (done.checkpoints += foreseen === undefined ? 0 : 1),
        onTrainEnd: ({ state }) => void (done.tokens += state.numInputTokensSeen),
      },
    ],
  });
  await trainer.train();
  assert.ok(foreseen !== undefined);
  return { foreseen, done };
}

const CASES: [Partial<ArgumentOptions>, from: number][] = [
  [{ maxSteps: 7 }, 0],
  [{ numTrainEpochs: 2, gradientAccumulationSteps: 2, evalStrategy: 'steps', evalSteps: 2 }, 0],
  [{ numTrainEpochs: 3, gradientAccumulationSteps: 2, evalStrategy: 'epoch', saveStrategy: 'epoch' }, 0],
  [{ numTrainEpochs: 3, gradientAccumulationSteps: 2, evalStrategy: 'epoch', saveStrategy: 'epoch' }, 4],
  [{ maxSteps: 8, evalStrategy: 'steps', evalSteps: 3, saveStrategy: 'steps', saveSteps: 2 }, 5],
  [{ maxSteps: 7, groupByLength: true, evalStrategy: 'steps', loggingSteps: 2 }, 2],
];
for (const [options, from] of CASES) {
  test(`from step ${from} of ${JSON.stringify(options)}`, async () => {
    const { foreseen, done } = await both(options, from);
    const shapes: Record<string, number> = {};
    for (const { shape, first, added } of foreseen.kinds) {
      const key = shape.join('x');
      shapes[key] = (shapes[key] ?? 0) + first + added;
    }
    const { steps, tokens, evaluations } = foreseen;
    const { checkpoints, ...others } = done;
    assert.deepEqual({ steps, tokens, evaluations, shapes }, others);
    // One more at most: the last step's, where it is not a step that saves anyway.
    assert.ok(foreseen.checkpoints === checkpoints || foreseen.checkpoints === checkpoints + 1);
    const first = foreseen.kinds.reduce((sum, kind) => sum + kind.first, 0);
    assert.equal(first, steps, 'each step has one first batch');
    const sizes = foreseen.kinds.map(({ shape: [B, T] }) => B * T);
    assert.equal(sizes[0], Math.max(...sizes));
  });
}

test('the step that is computed first has a batch of the first kind: of the longest, those with most work', async () => {
  const model = await smallModel();
  const collate = createDataCollator({ padTokenId: 0, maxLength: 32, buckets: [16] });
  const inputIds = Array.from({ length: 30 }, (_, t) => t);
  const few = inputIds.map((id) => (id < 26 ? -100 : id));
  const short = inputIds.slice(0, 12);
  // A third of the long ones have few labels, for which the head is another function; the short ones are most work of all.
  const data = Array.from({ length: 48 }, (_, i) =>
    i < 12 ? { inputIds, labels: i < 4 ? few : inputIds } : { inputIds: short, labels: short },
  );
  for (let seed = 0; seed < 6; seed++) {
    const args = new TrainingArguments({
      ...{ outputDir: temporary, maxSteps: 48, perDeviceTrainBatchSize: 1, seed, preflight: false },
    });
    const trainer = new Trainer({ model, args, trainDataset: data, callbacks: [], dataCollator: collate });
    const { values } = trainer.args;
    const { kinds, longestGroup } = forecastRun({ values, state: trainer.state, dataset: data, collate });
    assert.deepEqual(kinds[0].shape, [1, 32]);
    assert.deepEqual(longestGroup, [kinds[0].examples]);
    assert.equal(kinds[0].first, 8);
  }
  await model.dispose();
});
