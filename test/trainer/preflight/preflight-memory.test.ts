/**
 * What the preflight says of memory: a run that is expected to need more than there is stops in seconds, before the
 * memory has been taken. `maxMemory` stands for a machine, or a container, that is smaller than this one.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { availableMemory, LoraConfig, peakMemoryBytes } from '../../../lib/models';
import { getPeftModel } from '../../../lib/pretrained';
import type { CausalLM } from '../../../lib/pretrained';
import { Trainer, TrainingArguments } from '../../../lib/trainer';
import type { ArgumentOptions } from '../../../lib/trainer';
import { examplesThatFit, memoryBudget } from '../../../lib/trainer/preflight/preflight-memory';
import { crashOptions } from '../child-run';
import { HUNGRY_TOKENS, runHungry } from './hungry-run';
import { examples, run, smallModel } from '../small-model';

const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-memory-'));
after(() => fs.rmSync(temporary, { recursive: true, force: true }));
let folders = 0;
const folder = (): string => path.join(temporary, `run-${folders++}`);
const rss = (): number => process.memoryUsage.rss();
async function small(options: Partial<ArgumentOptions>, model?: CausalLM): Promise<Trainer> {
  return new Trainer({
    model: model ?? (await smallModel()),
    args: new TrainingArguments({ ...crashOptions(folder()), preflight: true, ...options }),
    trainDataset: examples,
    evalDataset: examples.slice(0, 4),
    callbacks: [],
  });
}

const EXPECTED =
  /memory: with the longest batch \((\d+) x (\d+) tokens\) the process is expected to take (\d+) bytes, it may take (\d+)\. Use /;

test('more than available: foreseen from one example, reported with what to do, and never taken', () => {
  const outputDir = folder();
  const end = runHungry({ outputDir, batch: 16, budget: 7e8, autoFindBatchSize: false });
  const { refusal = 'accepted', before } = end;
  const [batch, tokens, expected, limit] = (EXPECTED.exec(refusal) ?? []).slice(1).map(Number);
  assert.deepEqual([batch, tokens], [16, HUNGRY_TOKENS], refusal);
  assert.ok(Math.abs(limit - before - 7e8) < 1e6);
  // The whole step takes 1.25 GB (measured once; it would take this test 15 s).
  assert.ok(expected - before > 0.65 * 1.25e9 && expected - before < 1.35 * 1.25e9, `${expected} bytes`);
  assert.match(
    refusal,
    /gradientCheckpointing: true, autoFindBatchSize: true, a smaller perDeviceTrainBatchSize .*shorter examples, optim: 'adamw_8bit' or 'adafactor', .*4 bits.* a larger maxMemory\.$/,
  );
  assert.ok(end.taken < 4e8, `took ${end.taken} bytes`);
  assert.equal(end.globalStep, 0);
  assert.deepEqual(fs.readdirSync(outputDir), []);
});

test('autoFindBatchSize: batches go through in pieces that fit', () => {
  // Eight examples take 0.68 GB.
  const end = runHungry({ outputDir: folder(), batch: 8, budget: 4.8e8, autoFindBatchSize: true });
  assert.equal(end.refusal, undefined);
  assert.ok(end.microBatchSize >= 1 && end.microBatchSize <= 4, `${end.microBatchSize} at a time`);
  assert.ok(end.taken < 4.8e8, `took ${end.taken} bytes`);
});

test('refused too when the whole run would need more than there is, each time with what is left to do', async () => {
  // A batch of one cannot be measured in smaller pieces; the process as it is leaves next to nothing.
  const options = { perDeviceTrainBatchSize: 1, optim: 'adafactor', gradientCheckpointing: true } as const;
  // The model comes first: making it takes memory that the limit should not count.
  const model = await smallModel();
  const tight = await small({ ...options, maxMemory: rss() + 4e6 }, model);
  await assert.rejects(tight.preflight(), (error: Error) => {
    const [, , expected, limit] = (EXPECTED.exec(error.message) ?? []).slice(1).map(Number);
    assert.ok(expected > limit && expected < 3 * limit, error.message);
    assert.match(
      error.message,
      /Use shorter examples, a LoRA adapter on a model in 4 bits \(loadIn4bit\), a larger maxMemory\.$/,
    );
    return true;
  });
  const lora = getPeftModel(await smallModel(), new LoraConfig({ r: 2, seed: 5 }));
  const tightLora = await small({ ...options, maxMemory: rss() + 4e6 }, lora);
  await assert.rejects(
    tightLora.preflight(),
    /Use shorter examples, a model in 4 bits \(loadIn4bit\), a larger maxMemory\.$/,
  );
});

test('the same run with a large enough limit passes, and may be resumed with another', async () => {
  const outputDir = folder();
  const options = { outputDir, preflight: true, saveStrategy: 'steps', saveSteps: 2 } as const;
  const limit = rss() + 4e9;
  const trainer = await small({ perDeviceTrainBatchSize: 1, maxMemory: limit });
  const report = await trainer.preflight();
  assert.ok(report.peakMemoryBytes < limit && report.peakMemoryBytes > 0.9 * rss());
  assert.ok(report.availableMemoryBytes <= 4e9 && report.availableMemoryBytes > 0);
  const without = await (await small({ perDeviceTrainBatchSize: 1 })).preflight();
  assert.ok(Math.abs(without.availableMemoryBytes / availableMemory() - 1) < 0.2);
  const stop = { maxTimeMs: 1, maxMemory: '50GB' };
  await run({ ...options, ...stop });
  const second = await run({ ...options, maxMemory: '60GB' }, { resume: true });
  assert.equal(second.trainer.state.globalStep, 4);
});

test('the probe of one example: what it takes, times the batch, plus what the optimizer has not touched', async () => {
  const model = await smallModel();
  const [T, perToken, most] = [512, 2e5, 6];
  const inputIds = Array.from({ length: T }, (_, i) => i % 53);
  const kept: Buffer[] = [];
  const look = async (
    budget: number,
    more: { stateBytes?: number; accumulates?: boolean } = {},
  ): Promise<{ fitting: number; beyond: number }> => {
    const { values } = new TrainingArguments({ outputDir: 'x', maxMemory: rss() + budget });
    const { fitting, expectedBytes } = await examplesThatFit({
      ...{
        model,
        values,
        budget: memoryBudget(values),
        shape: [most, T],
        stateBytes: 0,
        accumulates: false,
        ...more,
      },
      longest: { inputIds, labels: inputIds },
      // A step that takes so many bytes a token and lets go of none.
      compute: async (example) => void kept.push(Buffer.alloc(perToken * example.inputIds.length, 1)),
    });
    return { fitting, beyond: expectedBytes - rss() };
  };
  const whole = most * T * perToken; // 614 MB
  const near = (got: number, wanted: number): void =>
    assert.ok(Math.abs(got / wanted - 1) < 0.15, `${got} instead of ${wanted}`);
  // Less than ten times the least need is free, so it looks; the model's own least need is 16 MB.
  const alone = await look(1.5e8);
  near(alone.beyond, whole);
  assert.equal(alone.fitting, 0);
  near((await look(1.5e8, { stateBytes: 4e8 })).beyond, whole + 4e8);
  near((await look(1.5e8, { accumulates: true })).beyond, 2 * whole);
  assert.equal(kept.length, 9);
  // Where there is far more than the least need, nothing is computed.
  assert.deepEqual((await look(4e9)).fitting, most);
  assert.equal(kept.length, 9);
});

test('what was in memory before the run adds nothing for its garbage', async () => {
  const kept = Buffer.alloc(6e8, 1);
  const { peakMemoryBytes: foreseen } = await (await small({ maxSteps: 4 })).preflight();
  const peak = peakMemoryBytes();
  assert.ok(foreseen > peak && foreseen < 1.04 * peak, `${foreseen} foreseen, ${peak} so far`);
  assert.equal(kept[1], 1);
});
