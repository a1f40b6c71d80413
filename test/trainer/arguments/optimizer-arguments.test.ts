/**
 * The arguments that choose and set an optimizer, each in a run of its own; and every optimizer through a stop,
 * a checkpoint and a resume.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { createDataCollator } from '../../../lib/dataset';
import type { DataCollator } from '../../../lib/dataset';
import type { CausalLM } from '../../../lib/pretrained';
import { OPTIMIZERS, preflightRows, Trainer, TrainingArguments } from '../../../lib/trainer';
import type { ArgumentOptions, OptimizerName, TrainerCallback } from '../../../lib/trainer';
import { examples, run, smallModel } from '../small-model';
import type { Run } from '../small-model';

const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-optimizers-'));
after(() => fs.rmSync(temporary, { recursive: true, force: true }));
let folders = 0;
const folder = (): string => path.join(temporary, `run-${folders++}`);
const short = (options: Partial<ArgumentOptions>): Promise<Run> =>
  run({ maxSteps: 3, outputDir: folder(), ...options });

const RATES = { adamw: 3e-3, adamw_8bit: 3e-3, sgd: 0.1, lion: 1e-3, adafactor: 1e-2 } as const;
for (const optim of Object.keys(OPTIMIZERS) as OptimizerName[]) {
  test(`${optim} lowers the loss`, async () => {
    const options = { optim, learningRate: RATES[optim], perDeviceTrainBatchSize: 11, maxSteps: 6 };
    const { losses } = await short(options);
    assert.ok(losses[5] < 0.95 * losses[0], losses.join(' '));
  });

  test(`${optim}: stopped, saved and resumed equals never stopped, bit for bit`, async () => {
    const options = { optim, maxSteps: 6, weightDecay: 0.1, momentum: 0.9, dropout: true } as const;
    const straight = await run({ ...options, outputDir: folder() });
    const outputDir = folder();
    const stop: TrainerCallback = {
      onStepEnd: ({ state, control }) => void (control.shouldTrainingStop = state.globalStep === 3),
    };
    await run({ ...options, outputDir }, { callbacks: [stop] });
    const resumed = await run({ ...options, outputDir }, { resume: true });
    assert.deepEqual(resumed.weights, straight.weights);
    assert.deepEqual(resumed.losses, straight.losses);
    const count = straight.weights.length;
    assert.equal(straight.metrics.optimizer_state_bytes > 6 * count, optim === 'adamw');
  });
}

test('8-bit AdamW keeps the embeddings in float32, and everything small', async () => {
  const model = await smallModel({ vocab_size: 200 }); // an embedding of 6400 values
  const { metrics } = await run({ maxSteps: 1, optim: 'adamw_8bit', outputDir: folder() }, { model });
  const eightBit = model
    .trainableParameters()
    .filter(({ name, data }) => !/^w[tp]e/.test(name) && data.length >= 4096)
    .reduce((total, { data }) => total + data.length, 0);
  assert.ok(eightBit > 8000);
  const others = model.trainableParameters().reduce((total, { data }) => total + data.length, 0) - eightBit;
  assert.equal(metrics.optimizer_state_bytes, eightBit * (2 + 8 / 256) + others * 8);
});

test('the preflight reports what each optimizer keeps', async () => {
  const kept = async (optim: ArgumentOptions['optim']): Promise<string> => {
    const args = new TrainingArguments({ optim, outputDir: folder(), maxSteps: 1 });
    const model = await smallModel({ n_embd: 64, n_inner: 256 });
    const trainer = new Trainer({ model, args, trainDataset: examples, callbacks: [] });
    return new Map(preflightRows(await trainer.preflight())).get('optimizer state') ?? '';
  };
  assert.match(await kept('adamw'), /8\.00 bytes a parameter/);
  // Linear weights in 8 bits, the rest (embeddings, biases, gains) in float32.
  assert.match(await kept('adamw_8bit'), /2\.[5-9]\d bytes a parameter/);
  assert.match(await kept('adafactor'), /0\.\d\d bytes a parameter/);
});

test('weight decay shrinks matrices and leaves biases and gains as they are', async () => {
  const model = await smallModel();
  const names = model.trainableParameters().map(({ name, data }) => ({ name, data, before: data.slice() }));
  for (const { name, data, before } of names) if (/bias$|ln_/.test(name)) before.set(data.fill(0.5));
  // Without a label nothing has a gradient, so decay is all that moves a weight.
  const collate = createDataCollator({ padTokenId: 0, maxLength: 32 });
  const dataCollator: DataCollator = (batch) => {
    const collated = collate(batch);
    return { ...collated, labels: collated.labels.map(() => -100) };
  };
  const data = [{ inputIds: [1, 2, 3], labels: [1, 2, 3] }];
  const options = { maxSteps: 1, weightDecay: 0.5, learningRate: 0.1, outputDir: folder() };
  await run(options, { model, data, dataCollator });
  for (const { name, data, before } of names) {
    const factor = /bias$|ln_/.test(name) ? 1 : 1 - 0.1 * 0.5;
    data.forEach((x, i) => assert.ok(Math.abs(x - factor * before[i]) < 1e-6, `${name}[${i}]`));
  }
});

const changes: [string, Partial<ArgumentOptions>, Partial<ArgumentOptions>][] = [
  ['adamBeta1', {}, { adamBeta1: 0.5 }],
  ['adamBeta2', {}, { adamBeta2: 0.5 }],
  ['adamEpsilon', {}, { adamEpsilon: 0.1 }],
  ['momentum', { optim: 'sgd' }, { optim: 'sgd', momentum: 0.9 }],
  ['learningRate', {}, { learningRate: 2e-3 }],
];
for (const [name, before, now] of changes) {
  test(`${name} changes the second step, and so the third loss, not the first`, async () => {
    const [plain, changed] = [await short(before), await short(now)];
    assert.equal(changed.losses[0], plain.losses[0]);
    assert.notEqual(changed.losses[2], plain.losses[2]);
  });
}

test("two steps with all of AdamW's arguments set are those of its formula", async () => {
  const [learningRate, beta1, beta2, epsilon, weightDecay] = [1e-2, 0.7, 0.6, 1e-2, 0.5];
  const all = { perDeviceTrainBatchSize: 11, maxGradNorm: 0 };
  const modelAt = async (weights: readonly number[] | undefined): Promise<CausalLM> => {
    const model = await smallModel();
    let at = 0;
    for (const { data } of weights === undefined ? [] : model.trainableParameters())
      for (let i = 0; i < data.length; i++) data[i] = weights?.[at++] ?? NaN;
    return model;
  };
  const model = await modelAt(undefined);
  const start = model.trainableParameters().flatMap(({ data }) => [...data]);
  const decays = model
    .trainableParameters()
    .flatMap(({ name, data }) => Array<boolean>(data.length).fill(!/bias$|ln_/.test(name)));
  // A step of plain descent with rate 1 goes down by the gradient.
  const gradientAt = async (weights: readonly number[]): Promise<number[]> => {
    const options = { ...all, optim: 'sgd', learningRate: 1, maxSteps: 1, outputDir: folder() } as const;
    const after = await run(options, { model: await modelAt(weights) });
    return weights.map((x, i) => x - after.weights[i]);
  };
  let expected = start;
  const [mean, square] = [start.map(() => 0), start.map(() => 0)];
  for (const t of [1, 2]) {
    const gradient = await gradientAt(expected);
    expected = expected.map((x, i) => {
      mean[i] = beta1 * mean[i] + (1 - beta1) * gradient[i];
      square[i] = beta2 * square[i] + (1 - beta2) * gradient[i] ** 2;
      const [m, v] = [mean[i] / (1 - beta1 ** t), square[i] / (1 - beta2 ** t)];
      const kept = decays[i] ? x * (1 - learningRate * weightDecay) : x;
      return Math.fround(kept - (learningRate * m) / (Math.sqrt(v) + epsilon));
    });
  }
  const adam = { learningRate, weightDecay, adamBeta1: beta1, adamBeta2: beta2, adamEpsilon: epsilon };
  const { weights } = await short({ ...all, ...adam, maxSteps: 2 });
  weights.forEach((x, i) => assert.ok(Math.abs(x - expected[i]) < 2e-6, `${i}: ${x}, ${expected[i]}`));
  assert.ok(Math.hypot(...weights.map((x, i) => x - start[i])) > 0.1);
});

test('a larger adamEpsilon makes smaller steps, momentum larger ones', async () => {
  const start = (await smallModel()).trainableParameters().flatMap(({ data }) => [...data]);
  const way = async (options: Partial<ArgumentOptions>): Promise<number> =>
    Math.hypot(...(await short(options)).weights.map((x, i) => x - start[i]));
  assert.ok((await way({ adamEpsilon: 0.1 })) < 0.5 * (await way({})));
  assert.ok((await way({ optim: 'sgd', momentum: 0.9 })) > 1.3 * (await way({ optim: 'sgd' })));
});

test('maxGradNorm clips by the norm: the direction stays, the length is the limit', async () => {
  const start = (await smallModel()).trainableParameters().flatMap(({ data }) => [...data]);
  const moved = async (maxGradNorm: number): Promise<number[]> => {
    const options = { optim: 'sgd', maxSteps: 1, learningRate: 1, maxGradNorm } as const;
    return (await short(options)).weights.map((x, i) => x - start[i]);
  };
  const [free, clipped] = [await moved(0), await moved(0.01)];
  const length = Math.hypot(...free);
  assert.ok(length > 0.1, 'expected a gradient to clip');
  assert.ok(Math.abs(Math.hypot(...clipped) - 0.01) < 1e-4);
  free.forEach((x, i) => assert.ok(Math.abs(clipped[i] - (x * 0.01) / length) < 1e-6));
});

test('the log has the norm before clipping', async () => {
  const norms = async (maxGradNorm: number): Promise<number> =>
    (await short({ maxSteps: 1, maxGradNorm })).trainer.state.logHistory[0].grad_norm;
  assert.equal(await norms(0.01), await norms(0));
  assert.ok((await norms(0)) > 0.1);
});
