/**
 * What a resume finds changed: told, refused or adapted to; and steps whose gradients are not finite.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { batchOrder } from '../../../lib/dataset';
import { checkpointFault, listCheckpoints, Trainer, TrainingArguments } from '../../../lib/trainer';
import type { TrainerCallback, ArgumentOptions } from '../../../lib/trainer';
import { examples, run, smallModel } from '../small-model';

const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-changes-'));
after(() => fs.rmSync(temporary, { recursive: true, force: true }));
let folders = 0;
const folder = (): string => path.join(temporary, `run-${folders++}`);
const stopAt = (step: number): TrainerCallback => ({
  onStepEnd: ({ state, control }) => void (control.shouldTrainingStop = state.globalStep === step),
});

test('a folder that was moved: the best checkpoint is found, kept and loaded in its new place', async () => {
  // Nothing is learned, so the first evaluation stays the best.
  const every = { evalStrategy: 'steps', evalSteps: 1, saveStrategy: 'steps', saveSteps: 1 } as const;
  const options = { ...every, maxSteps: 4, learningRate: 0, saveTotalLimit: 1, loadBestModelAtEnd: true };
  const [before, now] = [folder(), folder()];
  await run({ ...options, outputDir: before }, { evalData: examples, callbacks: [stopAt(2)] });
  fs.renameSync(before, now);
  const { trainer } = await run({ ...options, outputDir: now }, { evalData: examples, resume: true });
  assert.equal(trainer.state.globalStep, 4);
  assert.equal(trainer.state.bestModelCheckpoint, path.join(now, 'checkpoint-1'));
  assert.deepEqual(
    (await listCheckpoints(now)).map(({ step }) => step),
    [1, 4],
  );
  assert.ok(!fs.existsSync(before));
});

test('another model of the same shapes is another run', async () => {
  const options = { outputDir: folder(), maxSteps: 3, saveStrategy: 'steps', saveSteps: 2 } as const;
  await run(options, { callbacks: [stopAt(2)] });
  const model = await smallModel({ resid_pdrop: 0.3 });
  await assert.rejects(
    run(options, { model, resume: true }),
    /^- model: "\w+" then, "\w+" now\nUse the same/m,
  );
});

test('another optimizer: is reported, and starts with fresh state when that is wanted', async () => {
  const outputDir = folder();
  const options: ArgumentOptions = {
    ...{ outputDir, maxSteps: 4, learningRate: 1e-3, saveStrategy: 'steps', saveSteps: 2, preflight: false },
    optim: 'sgd',
  };
  await run({ ...options, outputDir }, { callbacks: [stopAt(2)] });
  const make = async (): Promise<Trainer> =>
    new Trainer({
      model: await smallModel(),
      args: new TrainingArguments({ ...options, optim: 'lion' }),
      ...{ trainDataset: examples, callbacks: [] },
    });
  await assert.rejects(
    (await make()).train({ resumeFromCheckpoint: true }),
    /- optim: "sgd" then, "lion" now/,
  );
  const [warnings, warn] = [[] as string[], console.warn];
  console.warn = (text: string) => void warnings.push(text);
  try {
    const trainer = await make();
    assert.equal((await trainer.train({ resumeFromCheckpoint: true, ignoreChanges: true })).globalStep, 4);
  } finally {
    console.warn = warn;
  }
  assert.match(
    warnings.join('\n'),
    /optim: "sgd" then[\s\S]*optimizer state does not fit lion, which begins anew/,
  );
});

test('a finite loss with gradients that are not: the weights stay, the examples are named', async () => {
  const outputDir = folder();
  const model = await smallModel();
  // Logits as they were, but the embedding's gradient is 1e20 times larger, and its square infinite.
  model.weights.parameter('ln_f.weight').data.fill(1e20);
  const embedding = model.weights.parameter('wte.weight').data;
  for (let i = 0; i < embedding.length; i++) embedding[i] *= 1e-20;
  const before = model.weights.parameters.flat.slice();
  const options = { outputDir, maxSteps: 2, perDeviceTrainBatchSize: 2, saveStrategy: 'steps' } as const;
  await assert.rejects(run(options, { model, data: examples.slice(0, 2) }), (error: Error) => {
    const named = /got Infinity at step 1 \(training examples (\d), (\d)\)/.exec(error.message)?.slice(1);
    assert.deepEqual(named?.sort(), ['0', '1'], error.message);
    assert.match(error.message, /finite gradient norm.*There is no checkpoint yet/);
    return true;
  });
  assert.deepEqual(model.weights.parameters.flat, before);
  assert.deepEqual(await listCheckpoints(outputDir), []);
});

test('a loss that is not finite names the examples of its step and of no other', async () => {
  const outputDir = folder();
  const model = await smallModel();
  const poison: TrainerCallback = {
    onSave: ({ state }) => {
      if (state.globalStep === 2) model.weights.parameter('ln_f.bias').data[0] = Number.NaN;
    },
  };
  const seen: string[] = [];
  const numbers = (error: Error): string =>
    /at step 3 \(training examples ([\d, ]+)\)/.exec(error.message)?.[1] ?? error.message;
  const options = {
    outputDir,
    maxSteps: 3,
    perDeviceTrainBatchSize: 3,
    saveStrategy: 'steps',
    saveSteps: 1,
  } as const;
  await assert.rejects(run(options, { model, callbacks: [poison] }), (error: Error) => {
    seen.push(numbers(error));
    assert.match(error.message, /The last checkpoint is .*checkpoint-2\./);
    return true;
  });
  // 11 examples in batches of 3: the third one of the pass, which the plan tells.
  const lengths = examples.map(({ inputIds }) => inputIds.length);
  assert.equal(seen[0], batchOrder({ lengths, batchSize: 3, seed: 42, epoch: 0 })[2].join(', '));
  for (const { folder: checkpoint } of await listCheckpoints(outputDir))
    assert.equal(await checkpointFault(checkpoint), undefined);
});

test('drafts left by a crash: a complete one takes its name, every other one is deleted', async () => {
  const outputDir = folder();
  const at = (name: string): string => path.join(outputDir, name);
  const options = { outputDir, maxSteps: 4, saveStrategy: 'steps', saveSteps: 2 } as const;
  await run(options, { callbacks: [stopAt(2)] });
  // As if ended between deleting an older folder of this name and renaming.
  fs.renameSync(at('checkpoint-2'), at('checkpoint-2.draft'));
  const steps: number[] = [];
  const first: TrainerCallback = { onStepBegin: ({ state }) => void steps.push(state.globalStep) };
  await run(options, { resume: true, callbacks: [first, stopAt(3)] });
  assert.deepEqual(steps, [2]);
  // A whole one beside a whole checkpoint of its name, and one that was not finished.
  fs.cpSync(at('checkpoint-3'), at('checkpoint-3.draft'), { recursive: true });
  fs.cpSync(at('checkpoint-2'), at('checkpoint-9.draft'), { recursive: true });
  fs.rmSync(at('checkpoint-9.draft/checksums.json'));
  await run(options, { resume: true, callbacks: [first] });
  assert.deepEqual(steps, [2, 3]);
  assert.deepEqual(fs.readdirSync(outputDir).sort(), [
    ...['checkpoint-2', 'checkpoint-3', 'checkpoint-4', 'trainer_state.json'],
  ]);
});
