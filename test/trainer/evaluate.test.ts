/** In which parts an evaluation is computed. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { createDataCollator } from '../../lib/dataset';
import type { LossFunction } from '../../lib/models';
import { CROSS_ENTROPY } from '../../lib/models/train/loss-function';
import { Trainer, TrainingArguments } from '../../lib/trainer';
import { examples, smallModel } from './small-model';

const outputDir = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-evaluate-'));
after(() => fs.rmSync(outputDir, { recursive: true, force: true }));

test('an evaluation goes through the model some rows at a time, and counts each; a loss of one’s own gets all', async () => {
  const model = await smallModel();
  // 280 rows of at most 15 tokens: 128 of them are what fits into 2,048 tokens.
  const many = Array.from({ length: 280 }, (_, i) => examples[i % examples.length]);
  const collate = createDataCollator({ padTokenId: 0, maxLength: 32 });
  const evaluate = async (
    perDeviceEvalBatchSize: number,
    loss?: LossFunction,
  ): Promise<{ rows: number[]; loss: number }> => {
    const rows: number[] = [];
    const trainer = new Trainer({
      ...{ model, loss, trainDataset: many, callbacks: [] },
      args: new TrainingArguments({ outputDir, maxSteps: 1, perDeviceEvalBatchSize }),
      dataCollator: (batch) => {
        rows.push(batch.length);
        return collate(batch);
      },
    });
    return { loss: (await trainer.evaluate(many)).eval_loss, rows };
  };
  const inParts = await evaluate(280);
  assert.deepEqual(inParts.rows, [128, 128, 24]);
  const few = await evaluate(10);
  assert.deepEqual(few.rows, Array<number>(28).fill(10));
  assert.ok(Math.abs(inParts.loss - few.loss) < 1e-6 * few.loss, `${inParts.loss} and ${few.loss}`);
  const { value } = CROSS_ENTROPY;
  const own = await evaluate(280, { name: 'own', value });
  assert.deepEqual(own.rows, [280]);
  assert.ok(Math.abs(own.loss - few.loss) < 1e-6 * few.loss, `${own.loss} and ${few.loss}`);
  await model.dispose();
});
