/** The most likely tokens of a data set: `trainer.predict`. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { createDataCollator, packExamples } from '../../lib/dataset';
import { Trainer, TrainingArguments } from '../../lib/trainer';
import type { TrainerCallback } from '../../lib/trainer';
import type { EncodedExample } from '../../lib/types';
import { examples, smallModel } from './small-model';

const outputDir = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-predict-'));
after(() => fs.rmSync(outputDir, { recursive: true, force: true }));

async function make(
  trainDataset: readonly EncodedExample[],
  callbacks: TrainerCallback[] = [],
): Promise<Trainer> {
  const args = new TrainingArguments({
    ...{ outputDir, maxSteps: 60, perDeviceTrainBatchSize: 4, learningRate: 0.02 },
    ...{ lrSchedulerType: 'constant', loggingSteps: 1, saveStrategy: 'no', preflight: false },
  });
  return new Trainer({ model: await smallModel(), args, trainDataset, callbacks });
}

test('the most likely tokens, and how many labels they match', async () => {
  const calls: string[] = [];
  const one = [examples[3]];
  const callbacks: TrainerCallback[] = [
    { onPredict: ({ metrics }) => void calls.push(Object.keys(metrics).join()) },
  ];
  const trainer = await make(one, callbacks);
  assert.ok((await trainer.predict(one)).metrics.test_token_accuracy < 0.5);
  await trainer.train();
  const { predictions, metrics } = await trainer.predict(one);
  assert.equal(metrics.test_token_accuracy, 1);
  assert.deepEqual([...predictions[0]].slice(2), one[0].inputIds.slice(2));
  assert.match(calls[1], /^test_loss,test_perplexity.*test_token_accuracy$/);
});

test('documents that are packed into one example do not see each other', async () => {
  const alone = [examples[2], examples[5]];
  const packed = packExamples(alone, { maxLength: 32 });
  assert.equal(packed.length, 1);
  const trainer = await make([...alone, ...packed]);
  const each = await trainer.predict(alone);
  const together = await trainer.predict(packed);
  // The longer document comes first; nothing predicts the first token of either.
  assert.deepEqual(
    [...together.predictions[0]],
    each.predictions.flatMap((tokens) => [...tokens]),
  );
  assert.equal(together.predictions[0].filter((token) => token === -100).length, 2);
  assert.equal(together.metrics.test_token_accuracy, each.metrics.test_token_accuracy);
});

for (const { what, config } of [
  { what: 'at once', config: {} },
  { what: 'in parts, where their logits are large', config: { vocab_size: 400_000, n_embd: 8 } },
])
  test(`positions padded on either side, ${what}`, async () => {
    const model = await smallModel({ n_positions: 96, ...config });
    const { vocabSize } = model.architecture;
    const inputIds = Array.from({ length: 70 }, (_, t) => (t * 7919) % vocabSize);
    const long: EncodedExample = { inputIds, labels: inputIds };
    const { logits } = await model.forward({ inputIds: [inputIds] });
    const likely = inputIds.map((_, t) => {
      const row = logits.data.subarray(t * vocabSize, (t + 1) * vocabSize);
      return row.indexOf(row.reduce((a, b) => Math.max(a, b)));
    });
    for (const paddingSide of ['left', 'right'] as const) {
      const trainer = new Trainer({
        ...{ model, trainDataset: [long], callbacks: [] },
        args: new TrainingArguments({ outputDir, maxSteps: 1 }),
        dataCollator: createDataCollator({ padTokenId: 0, maxLength: 96, paddingSide }),
      });
      const { predictions } = await trainer.predict([long]);
      assert.deepEqual([...predictions[0]], [-100, ...likely.slice(0, -1)], paddingSide);
    }
    await model.dispose();
  });
