/** What progress says of the reduction over ranks, and where the figure comes from. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { progressText } from '../../../lib/trainer/reports/progress';
import { StepClock } from '../../../lib/trainer/step/step-clock';
import { ranksRun } from '../ranks/runs';

const STATE = { globalStep: 20, maxSteps: 100 };
const TEXTS: [share: number | undefined, text: string][] = [
  [undefined, 'step 20/100  950 tokens/s  0:21 elapsed'],
  [0.1234, 'step 20/100  950 tokens/s  reduction 12 %  0:21 elapsed'],
  [0.65, 'step 20/100  950 tokens/s  reduction 65 % (raise gradientAccumulationSteps)  0:21 elapsed'],
];
for (const [reductionShare, text] of TEXTS)
  test(`a reduction of ${reductionShare ?? 'nothing'}`, () =>
    assert.equal(progressText(STATE, { elapsedMs: 21_000, tokensPerSecond: 950, reductionShare }), text));

test("the clock's share is that of the last steps, without the first", (t) => {
  let now = 0;
  t.mock.method(performance, 'now', () => now);
  const clock = new StepClock(10, undefined);
  for (const [ms, reductionMs] of [
    [900, 900],
    [100, 30],
    [300, 50],
  ]) {
    now += ms;
    clock.tick(7, reductionMs);
  }
  assert.equal(clock.progress().reductionShare, 0.2);
  const alone = new StepClock(10, undefined);
  now += 5;
  alone.tick(7);
  assert.equal(alone.progress().reductionShare, undefined);
});

test('two ranks report a share, from 0 to 1', async (t) => {
  const outputDir = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-progress-'));
  t.after(() => fs.rmSync(outputDir, { recursive: true, force: true }));
  const shares: (number | undefined)[] = [];
  await ranksRun(2, {
    options: { outputDir, maxSteps: 2 },
    callbacks: [{ onStepEnd: ({ progress }) => void shares.push(progress.reductionShare) }],
  });
  assert.equal(shares.length, 2);
  for (const share of shares) assert.ok(share !== undefined && share > 0 && share < 1, String(share));
});
