/**
 * The hooks of callbacks: all that transformers' trainer has, in its order (test/golden/trainer/make_hooks.py), and what
 * each is told.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { Trainer, TrainingArguments } from '../../lib/trainer';
import type { CallbackContext, TrainerCallback } from '../../lib/trainer';
import { examples, smallModel } from './small-model';
import { ROOT } from '../support/paths';

interface Golden {
  hooks: string[];
  training: [hook: string, step: number][];
  predict: string[];
}
const golden = JSON.parse(
  fs.readFileSync(path.join(ROOT, 'test/golden/trainer/hooks.json'), 'utf8'),
) as Golden;
const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-callbacks-'));
after(() => fs.rmSync(temporary, { recursive: true, force: true }));

/** 'on_step_end' -> 'onStepEnd' */
const ours = (name: string): string =>
  name.replace(/_(\w)/g, (_match, letter: string) => letter.toUpperCase());

test("every hook of transformers' trainer, in its order", async () => {
  const calls: [string, number][] = [];
  const told = new Set<string>();
  // Nothing is pushed to a hub, so nothing begins to be.
  const hooks = golden.hooks.map(ours).filter((name) => name !== 'onPushBegin');
  const callback = Object.fromEntries(
    hooks.map((hook) => [
      hook,
      (context: CallbackContext) => {
        calls.push([hook, context.state.globalStep]);
        for (const key of Object.keys(context)) told.add(`${hook} ${key}`);
      },
    ]),
  ) as TrainerCallback;
  const trainer = new Trainer({
    model: await smallModel({ n_embd: 4, n_head: 1, n_inner: 4 }),
    args: new TrainingArguments({
      ...{
        outputDir: temporary,
        numTrainEpochs: 2,
        perDeviceTrainBatchSize: 2,
        gradientAccumulationSteps: 2,
      },
      ...{ loggingSteps: 2, evalStrategy: 'steps', evalSteps: 3, perDeviceEvalBatchSize: 2 },
      ...{ saveStrategy: 'steps', saveSteps: 3, preflight: false },
    }),
    trainDataset: examples,
    evalDataset: examples.slice(0, 4),
    callbacks: [callback],
  });
  await trainer.train();
  // Of the first step there is a log entry here, of the whole run a summary there.
  const training = calls.splice(0).filter(([hook, step]) => !(hook === 'onLog' && step === 1));
  const theirs = golden.training.filter(([hook]) => hook !== 'on_log summary');
  assert.deepEqual(
    training,
    theirs.map(([hook, step]) => [ours(hook), step]),
  );
  await trainer.predict(examples.slice(0, 2));
  assert.deepEqual(
    calls.map(([hook]) => hook),
    golden.predict.map(ours),
  );
  for (const hook of hooks)
    for (const key of ['args', 'state', 'control']) assert.ok(told.has(`${hook} ${key}`), `${hook} ${key}`);
  for (const more of [
    'onLog entry',
    'onLog progress',
    'onStepEnd progress',
    'onEvaluate metrics',
    'onSave folder',
  ])
    assert.ok(told.has(more), more);
});

test('hooks are awaited, one after the other', async () => {
  const order: string[] = [];
  const slow: TrainerCallback = {
    onStepBegin: async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      order.push('slow');
    },
  };
  const fast: TrainerCallback = {
    onStepBegin: () => void order.push('fast'),
    onStepEnd: () => void order.push('end'),
  };
  const trainer = new Trainer({
    model: await smallModel({ n_embd: 4, n_head: 1, n_inner: 4 }),
    args: new TrainingArguments({
      ...{ outputDir: path.join(temporary, 'awaited'), maxSteps: 2, saveStrategy: 'no', preflight: false },
    }),
    trainDataset: examples,
    callbacks: [slow, fast],
  });
  await trainer.train();
  assert.deepEqual(order, ['slow', 'fast', 'end', 'slow', 'fast', 'end']);
});
