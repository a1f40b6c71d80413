/**
 * The arguments that change what is learned from the data: label smoothing, NEFTune noise, dropout, packing, grouping
 * by length, dropping the last batch, accumulation.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { createDataCollator } from '../../../lib/dataset';
import type { DataCollator } from '../../../lib/dataset';
import { Trainer, TrainingArguments } from '../../../lib/trainer';
import type { TrainerCallback, ArgumentOptions } from '../../../lib/trainer';
import type { Batch } from '../../../lib/types';
import { examples, run, smallModel } from '../small-model';
import type { Run } from '../small-model';

const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-losses-'));
after(() => fs.rmSync(temporary, { recursive: true, force: true }));
let folders = 0;
const folder = (): string => path.join(temporary, `run-${folders++}`);
const short = (options: Partial<ArgumentOptions>, more: Parameters<typeof run>[1] = {}): Promise<Run> =>
  run({ maxSteps: 2, outputDir: folder(), ...options }, more);

const single = { data: [examples[3]] };
const stopAt = (step: number): TrainerCallback => ({
  onStepEnd: ({ state, control }) => void (control.shouldTrainingStop = state.globalStep === step),
});

test('labelSmoothingFactor: the first loss is smoothed, the evaluation is not', async () => {
  const evaluated = { evalStrategy: 'steps', evalSteps: 1, learningRate: 0, maxSteps: 1 } as const;
  const all = { perDeviceTrainBatchSize: 11 };
  const plain = await short({ ...evaluated, ...all }, { evalData: examples });
  const smoothed = await short({ ...evaluated, ...all, labelSmoothingFactor: 0.2 }, { evalData: examples });
  const evaluation = ({ trainer }: Run): number => trainer.state.logHistory[1].eval_loss;
  assert.ok(Math.abs(plain.losses[0] - evaluation(plain)) < 1e-5);
  assert.ok(Math.abs(smoothed.losses[0] - plain.losses[0]) > 1e-3);
  assert.equal(evaluation(smoothed), evaluation(plain));
});

test('labelSmoothingFactor keeps a model from being certain', async () => {
  const learn = { learningRate: 0.02, maxSteps: 40, perDeviceTrainBatchSize: 11, loggingSteps: 40 };
  const lossAfter = async (labelSmoothingFactor: number): Promise<number> => {
    const { trainer } = await short({ ...learn, labelSmoothingFactor });
    return (await trainer.evaluate(examples)).eval_loss;
  };
  const [sure, unsure] = [await lossAfter(0), await lossAfter(0.4)];
  assert.ok(sure < 0.1 && unsure > 0.3, `${sure} and ${unsure}`);
});

test('neftuneNoiseAlpha: noise in training, none in evaluation, the same draws after a resume', async () => {
  const noisy = {
    neftuneNoiseAlpha: 10,
    maxSteps: 4,
    gradientAccumulationSteps: 2,
    perDeviceTrainBatchSize: 2,
  };
  const evaluated = { evalStrategy: 'steps', evalSteps: 1, learningRate: 0, maxSteps: 1 } as const;
  const [plain, noise] = [
    await short(evaluated, { evalData: examples }),
    await short({ ...evaluated, neftuneNoiseAlpha: 10 }, { evalData: examples }),
  ];
  assert.ok(Math.abs(plain.losses[0] - noise.losses[0]) > 1e-4);
  assert.equal(noise.trainer.state.logHistory[1].eval_loss, plain.trainer.state.logHistory[1].eval_loss);
  const straight = await short(noisy);
  const outputDir = folder();
  await short({ ...noisy, outputDir }, { callbacks: [stopAt(2)] });
  const resumed = await short({ ...noisy, outputDir }, { resume: true });
  assert.deepEqual(resumed.losses, straight.losses);
  assert.deepEqual(resumed.weights, straight.weights);
  // Of one example the order says nothing: the seed makes the noise.
  const alone = { neftuneNoiseAlpha: 10, maxSteps: 1 };
  const [one, other] = [await short(alone, single), await short({ ...alone, seed: 43 }, single)];
  assert.notEqual(other.losses[0], one.losses[0]);
});

for (const options of [{ neftuneNoiseAlpha: 10 }, { dropout: true }]) {
  const name = Object.keys(options)[0];
  test(`${name}: drawn anew for each batch of an accumulated step`, async () => {
    const twice = { data: [examples[3], examples[3]] };
    const shared = { ...options, learningRate: 0, perDeviceTrainBatchSize: 1 };
    const apart = await short({ ...shared, maxSteps: 2 }, twice);
    const together = await short({ ...shared, maxSteps: 1, gradientAccumulationSteps: 2 }, twice);
    assert.notEqual(apart.losses[0], apart.losses[1]);
    const mean = (apart.losses[0] + apart.losses[1]) / 2;
    assert.ok(Math.abs(together.losses[0] - mean) < 1e-6, `${together.losses[0]} instead of ${mean}`);
  });
}

test('dropout: false switches the dropout of the model off', async () => {
  const losses = async (dropout: boolean, seed: number): Promise<number> => {
    const options = { dropout, seed, perDeviceTrainBatchSize: 11, learningRate: 0, maxSteps: 1 };
    return (await short(options)).losses[0];
  };
  assert.ok(Math.abs((await losses(false, 1)) - (await losses(false, 2))) < 1e-6);
  assert.ok(Math.abs((await losses(true, 1)) - (await losses(true, 2))) > 1e-4);
});

test('packing: fewer rows, the same loss and update: no example sees another', async () => {
  const whole = { optim: 'sgd', learningRate: 0.5, maxSteps: 2, perDeviceTrainBatchSize: 11 } as const;
  const [plain, packed] = [await short(whole), await short({ ...whole, packing: true })];
  const rows = (n: number, options: Partial<ArgumentOptions>): number => {
    const { perDeviceTrainBatchSize: size, ...others } = { perDeviceTrainBatchSize: 1, ...options };
    const args = new TrainingArguments({
      outputDir: 'x',
      numTrainEpochs: n,
      perDeviceTrainBatchSize: size,
      ...others,
    });
    return new Trainer({ model: plain.trainer.model, args, trainDataset: examples }).state.maxSteps;
  };
  assert.equal(rows(1, {}), 11);
  assert.equal(rows(1, { packing: true }), 4); // 105 tokens in rows of 32
  assert.equal(rows(1, { packing: true, maxLength: 16 }), 7);
  plain.losses.forEach((loss, i) => assert.ok(Math.abs(packed.losses[i] - loss) < 1e-5, `step ${i + 1}`));
  plain.weights.forEach((x, i) => assert.ok(Math.abs(packed.weights[i] - x) < 1e-5, `weight ${i}`));
  const other = await short({ ...whole, packing: true, learningRate: 0.4 });
  assert.ok(other.weights.some((x, i) => Math.abs(packed.weights[i] - x) > 1e-3));
});

test('packing: what does not fit is refused, and a bad step names the examples in its rows', async () => {
  const make = async (options: Partial<ArgumentOptions>): Promise<Run> =>
    short({ packing: true, ...options });
  await assert.rejects(make({ maxLength: 40 }), /at most the model's 32 tokens, got 40/);
  await assert.rejects(make({ maxLength: 10 }), /at most 10 tokens, got \d+ in example/);
  assert.throws(() => new TrainingArguments({ outputDir: 'x', maxLength: 16 }), /expected packing/);
  const model = await smallModel();
  model.weights.parameter('ln_f.bias').data[0] = Number.NaN;
  const options = { packing: true, perDeviceTrainBatchSize: 4 };
  await assert.rejects(short(options, { model }), (error: Error) => {
    const named = /training examples ([\d, ]+)\)/.exec(error.message)?.[1].split(', ').map(Number) ?? [];
    assert.deepEqual(
      named.sort((a, b) => a - b),
      examples.map((_, i) => i),
    );
    return true;
  });
});

/** Shapes of the batches that a run takes. */
async function batchesOf(options: Partial<ArgumentOptions>): Promise<Batch[]> {
  const seen: Batch[] = [];
  const collate = createDataCollator({
    padTokenId: 0,
    maxLength: 32,
    buckets: [...Array(31).keys()].slice(1),
  });
  const dataCollator: DataCollator = (rows) => {
    const batch = collate(rows);
    seen.push(batch);
    return batch;
  };
  const args = new TrainingArguments({
    ...{ outputDir: folder(), learningRate: 0, numTrainEpochs: 1, perDeviceTrainBatchSize: 3 },
    ...{ saveStrategy: 'no', loggingStrategy: 'no', preflight: false },
    ...options,
  });
  const model = await smallModel({ n_embd: 4, n_head: 1, n_inner: 4 });
  await new Trainer({ model, args, trainDataset: examples, dataCollator, callbacks: [] }).train();
  return seen;
}

test('groupByLength: less padding, each example once', async () => {
  const padding = (batches: readonly Batch[]): number =>
    batches.reduce(
      (total, { attentionMask }) => total + attentionMask.filter((real) => real === 0).length,
      0,
    );
  const real = (batches: readonly Batch[]): number =>
    batches.reduce((total, { attentionMask }) => total + attentionMask.filter((x) => x === 1).length, 0);
  const [plain, grouped] = [await batchesOf({}), await batchesOf({ groupByLength: true })];
  assert.ok(padding(grouped) < 0.6 * padding(plain), `${padding(grouped)} of ${padding(plain)}`);
  assert.equal(real(grouped), real(plain));
});

test('dataloaderDropLast leaves the short batch out; the seed decides the order', async () => {
  const sizes = async (options: Partial<ArgumentOptions>): Promise<number[]> =>
    (await batchesOf(options)).map(({ shape }) => shape[0]);
  assert.deepEqual(await sizes({}), [3, 3, 3, 2]);
  assert.deepEqual(await sizes({ dataloaderDropLast: true }), [3, 3, 3]);
  assert.deepEqual(await sizes({ numTrainEpochs: 2 }), [3, 3, 3, 2, 3, 3, 3, 2]);
  assert.deepEqual(await sizes({ perDeviceTrainBatchSize: 6 }), [6, 5]);
  const passes = await batchesOf({ numTrainEpochs: 2, perDeviceTrainBatchSize: 1 });
  const order = passes.map(({ inputIds }) => inputIds.join());
  assert.notDeepEqual(order.slice(11), order.slice(0, 11), 'each epoch has an order of its own');
  assert.deepEqual(order.slice(11).sort(), order.slice(0, 11).sort());
  const first = async (seed: number): Promise<number[]> => [...(await batchesOf({ seed }))[0].inputIds];
  assert.deepEqual(await first(1), await first(1));
  assert.notDeepEqual(await first(1), await first(2));
});

test('an accumulated step logs the mean over its tokens, and the norm of the whole gradient', async () => {
  const once = { learningRate: 0, maxSteps: 1, dataloaderDropLast: true };
  const whole = await short({ ...once, perDeviceTrainBatchSize: 9 }, { data: examples.slice(0, 9) });
  const parts = await short(
    { ...once, perDeviceTrainBatchSize: 3, gradientAccumulationSteps: 3 },
    { data: examples.slice(0, 9) },
  );
  const [a, b] = [whole, parts].map(({ trainer }) => trainer.state.logHistory[0]);
  assert.ok(Math.abs(a.loss - b.loss) < 1e-6);
  assert.ok(Math.abs(a.grad_norm / b.grad_norm - 1) < 1e-5);
});
