/** The metrics of a resumed run count the whole of it: 10 steps straight, and 4 + 6 resumed, say the same. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import type { TrainerCallback } from '../../../lib/trainer';
import { examples, run } from '../small-model';

const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-metrics-'));
after(() => fs.rmSync(temporary, { recursive: true, force: true }));

const stopAt = (step: number): TrainerCallback => ({
  onStepEnd: ({ state, control }) => void (control.shouldTrainingStop = state.globalStep === step),
});

test('counts, means and time of a resumed run equal those of the whole run', async () => {
  // 11 examples in batches of 4: the last one of each pass has 3.
  const options = { maxSteps: 10, saveStrategy: 'steps', saveSteps: 100 } as const;
  const straight = await run({ ...options, outputDir: path.join(temporary, 'straight') });
  const outputDir = path.join(temporary, 'resumed');
  const first = await run({ ...options, outputDir }, { callbacks: [stopAt(4)] });
  const began = performance.now();
  const second = await run({ ...options, outputDir }, { resume: true });
  const secondSeconds = (performance.now() - began) / 1000;

  for (const key of ['num_input_tokens_seen', 'train_samples', 'train_loss', 'epoch'])
    assert.equal(second.metrics[key], straight.metrics[key], key);
  // Three passes of 11, and 4 of the fourth.
  assert.equal(second.metrics.train_samples, 37);
  assert.equal(first.metrics.train_samples, 15);

  const { train_runtime: whole } = second.metrics;
  const before = first.metrics.train_runtime;
  assert.ok(whole > before && whole - before <= secondSeconds, `${before} s, then ${whole} s`);
  const rates = [
    ['train_steps_per_second', 10],
    ['train_samples_per_second', 37],
    ['train_tokens_per_second', straight.metrics.num_input_tokens_seen],
  ] as const;
  for (const [key, count] of rates)
    assert.ok(Math.abs(second.metrics[key] * whole - count) < 1e-9 * count, key);
  assert.equal(examples.length, 11);
});
