/**
 * The trainer on the small golden model: losses as PyTorch's, accumulation, exact resume, best model, stops.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { AutoModelForCausalLM, getPeftModel, loadAdapter } from '../../lib/pretrained';
import { LoraConfig } from '../../lib/models';
import type { CausalLM } from '../../lib/pretrained';
import { checkpointFault, listCheckpoints, newestWhole, Trainer, TrainingArguments } from '../../lib/trainer';
import type { TrainerCallback, ArgumentOptions } from '../../lib/trainer';
import type { EncodedExample } from '../../lib/types';
import { ROOT } from '../support/paths';

interface Golden {
  inputIds: number[][];
  attentionMask: number[][];
  labels: number[][];
  adamw: { losses: number[] };
  adamwClipped: { losses: number[] };
  lora: { losses: number[] };
}
const goldenFolder = path.join(ROOT, 'test/golden/gpt2');
const golden = JSON.parse(fs.readFileSync(path.join(goldenFolder, 'golden.json'), 'utf8')) as Golden;
const examples: EncodedExample[] = golden.inputIds.map((ids, i) => {
  const length = golden.attentionMask[i].reduce((a, b) => a + b);
  return { inputIds: ids.slice(0, length), labels: golden.labels[i].slice(0, length) };
});
/** More examples of uneven lengths: the golden ones, cut and turned. */
const many: EncodedExample[] = Array.from({ length: 13 }, (_, i) => {
  const inputIds = examples[i % 3].inputIds.slice(0, 6 + ((i * 5) % 9)).map((id) => (id + 11 * i) % 97);
  return { inputIds, labels: inputIds.map((id, t) => (t < 2 ? -100 : id)) };
});

const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-trainer-'));
after(() => fs.rmSync(temporary, { recursive: true, force: true }));
let folders = 0;
const folder = (): string => path.join(temporary, `run-${folders++}`);

async function goldenModel(overrides: Record<string, unknown> = {}): Promise<CausalLM> {
  const model = await AutoModelForCausalLM.fromPretrained(path.join(goldenFolder, 'model'));
  if (Object.keys(overrides).length === 0) return model;
  const changed = await AutoModelForCausalLM.fromConfig({ ...model.config, ...overrides });
  for (const [name, parameter] of changed.weights.parameters.byName)
    parameter.data.set(model.weights.parameter(name).data);
  return changed;
}

function makeTrainer(
  model: CausalLM,
  options: Partial<ArgumentOptions>,
  more: { data?: EncodedExample[]; evalData?: EncodedExample[]; callbacks?: TrainerCallback[] } = {},
): Trainer {
  const args = new TrainingArguments({
    outputDir: folder(),
    maxSteps: 10,
    perDeviceTrainBatchSize: 3,
    learningRate: 1e-3,
    lrSchedulerType: 'constant',
    loggingSteps: 1,
    saveStrategy: 'no',
    preflight: false,
    ...options,
  });
  const { data = examples, evalData, callbacks = [] } = more;
  return new Trainer({ model, args, trainDataset: data, evalDataset: evalData, callbacks });
}

const lossesOf = (trainer: Trainer): number[] =>
  trainer.state.logHistory.filter((entry) => entry.loss !== undefined).map((entry) => entry.loss);

for (const [name, clip] of [
  ['adamw', 0],
  ['adamwClipped', 0.5],
  ['lora', 0],
] as const) {
  test(`ten losses as PyTorch's: ${name}`, async () => {
    const model = await goldenModel();
    if (name === 'lora') await loadAdapter(model, path.join(goldenFolder, 'adapter'));
    const trainer = makeTrainer(model, { weightDecay: 0.01, maxGradNorm: clip });
    await trainer.train();
    const losses = lossesOf(trainer);
    assert.equal(losses.length, 10);
    golden[name].losses.forEach((loss, i) => assert.ok(Math.abs(losses[i] - loss) < 1e-4, `step ${i + 1}`));
    await model.dispose();
  });
}

test('an accumulated batch has the loss and the update of the same batch in one piece', async () => {
  const run = async (size: number, accumulation: number): Promise<{ losses: number[]; model: CausalLM }> => {
    const model = await goldenModel();
    const trainer = makeTrainer(
      model,
      {
        perDeviceTrainBatchSize: size,
        gradientAccumulationSteps: accumulation,
        maxSteps: 5,
        optim: 'sgd', // Adam's first steps are the signs of gradients, tiny ones too
        learningRate: 0.05,
      },
      { data: many.slice(0, 12) },
    );
    await trainer.train();
    return { losses: lossesOf(trainer), model };
  };
  const [whole, parts] = [await run(6, 1), await run(2, 3)];
  whole.losses.forEach((loss, i) => assert.ok(Math.abs(parts.losses[i] - loss) < 1e-5, `step ${i + 1}`));
  whole.model.weights.parameters.flat.forEach((x, i) =>
    assert.ok(Math.abs(x - parts.model.weights.parameters.flat[i]) < 1e-4),
  );
});

for (const kind of ['full', 'LoRA'] as const) {
  test(`a run stopped at any step and resumed equals one never stopped, bit for bit: ${kind}`, async () => {
    const dropouts = { attn_pdrop: 0.2, resid_pdrop: 0.1, embd_pdrop: 0.1 };
    const make = async (): Promise<CausalLM> => {
      const model = await goldenModel(dropouts);
      return kind === 'LoRA'
        ? getPeftModel(model, new LoraConfig({ r: 2, loraDropout: 0.3, seed: 5 }))
        : model;
    };
    const options: Partial<ArgumentOptions> = {
      maxSteps: 9, // 13 examples, 2 x 2 a step: epochs of 4 steps, the last one short
      perDeviceTrainBatchSize: 2,
      gradientAccumulationSteps: 2,
      lrSchedulerType: 'cosine',
      warmupSteps: 2,
      loggingSteps: 4,
      evalStrategy: 'steps',
      evalSteps: 3,
      saveStrategy: 'steps',
      saveSteps: 3,
      groupByLength: true,
    };
    const data = { data: many, evalData: examples };
    const straight = makeTrainer(await make(), { ...options, outputDir: folder() }, data);
    await straight.train();
    const weights = (trainer: Trainer): Float32Array[] =>
      trainer.model.trainableParameters().map((p) => p.data.slice());
    for (const stopAt of [1, 4, 7]) {
      const outputDir = folder();
      const stop: TrainerCallback = {
        onStepEnd: ({ state, control }) => {
          if (state.globalStep === stopAt) control.shouldTrainingStop = true;
        },
      };
      const first = makeTrainer(await make(), { ...options, outputDir }, { ...data, callbacks: [stop] });
      assert.equal((await first.train()).stopped, 'callback');
      const second = makeTrainer(await make(), { ...options, outputDir }, data);
      const output = await second.train({ resumeFromCheckpoint: true });
      assert.equal(output.stopped, 'finished');
      assert.deepEqual(weights(second), weights(straight), `stopped at ${stopAt}`);
      const history = (trainer: Trainer): object[] =>
        trainer.state.logHistory.map((entry) => ({ ...entry, eval_runtime: 0, eval_samples_per_second: 0 }));
      assert.deepEqual(history(second), history(straight));
      assert.equal(second.state.bestMetric, straight.state.bestMetric);
      assert.equal(second.state.totalLoss, straight.state.totalLoss);
    }
  });
}

test('same seed, same bytes; another seed, other bytes', async () => {
  const run = async (seed: number): Promise<Float32Array> => {
    const trainer = makeTrainer(
      await goldenModel({ resid_pdrop: 0.3 }),
      { seed, maxSteps: 3 },
      { data: many },
    );
    await trainer.train();
    return trainer.model.weights.parameters.flat;
  };
  const [a, b, c] = [await run(1), await run(1), await run(2)];
  assert.deepEqual(a, b);
  assert.notDeepEqual(a, c);
});

test('gradient checkpointing changes nothing but memory', async () => {
  const run = async (gradientCheckpointing: boolean): Promise<number[]> => {
    const trainer = makeTrainer(await goldenModel({ resid_pdrop: 0.1 }), {
      gradientCheckpointing,
      maxSteps: 4,
    });
    await trainer.train();
    return lossesOf(trainer);
  };
  const [kept, again] = [await run(false), await run(true)];
  kept.forEach((loss, i) => assert.ok(Math.abs(loss - again[i]) < 1e-5));
});

test('the best model comes back at the end, and the limit never deletes it', async () => {
  const outputDir = folder();
  const model = await goldenModel();
  // A rate that is too high from step 4 on: evaluation gets worse, so the best model is an early one.
  const trainer = makeTrainer(
    model,
    {
      outputDir,
      learningRate: 0.2,
      lrSchedulerType: 'constant_with_warmup',
      warmupSteps: 100,
      maxSteps: 40,
      evalStrategy: 'steps',
      evalSteps: 2,
      saveStrategy: 'steps',
      saveSteps: 2,
      saveTotalLimit: 1,
      loadBestModelAtEnd: true,
      maxGradNorm: 0,
    },
    { evalData: many.slice(0, 4) },
  );
  await trainer.train();
  const evaluations = trainer.state.logHistory.filter((entry) => entry.eval_loss !== undefined);
  const best = evaluations.reduce((a, b) => (b.eval_loss < a.eval_loss ? b : a));
  assert.ok(best.step < 40, 'expected the best evaluation before the end');
  assert.equal(trainer.state.bestMetric, best.eval_loss);
  assert.equal(path.basename(trainer.state.bestModelCheckpoint ?? ''), `checkpoint-${best.step}`);
  const left = (await listCheckpoints(outputDir)).map(({ step }) => step);
  assert.deepEqual(left, [best.step, 40]);
  const { eval_loss: now } = await trainer.evaluate();
  assert.ok(Math.abs(now - best.eval_loss) < 1e-6);
});

test('a damaged checkpoint is named and the one before it is used; a changed run is refused', async () => {
  const outputDir = folder();
  const options: Partial<ArgumentOptions> = { outputDir, maxSteps: 4, saveStrategy: 'steps', saveSteps: 2 };
  await makeTrainer(await goldenModel(), options).train();
  const file = path.join(outputDir, 'checkpoint-4', 'model.safetensors');
  const bytes = fs.readFileSync(file);
  bytes[bytes.length - 3] ^= 1;
  fs.writeFileSync(file, bytes);
  assert.match((await checkpointFault(path.dirname(file))) ?? '', /model\.safetensors has changed/);
  const warnings: string[] = [];
  assert.equal(
    await newestWhole(outputDir, (text) => warnings.push(text)),
    path.join(outputDir, 'checkpoint-2'),
  );
  assert.match(warnings[0], /checkpoint-4: damaged/);
  const other = makeTrainer(await goldenModel(), { ...options, learningRate: 5e-4 });
  await assert.rejects(
    other.train({ resumeFromCheckpoint: path.join(outputDir, 'checkpoint-2') }),
    /learningRate: 0.001 then, 0.0005 now/,
  );
  const otherData = makeTrainer(await goldenModel(), options, { data: many });
  await assert.rejects(
    otherData.train({ resumeFromCheckpoint: path.join(outputDir, 'checkpoint-2') }),
    /data: /,
  );
});

test('a new run sets the checkpoints of an earlier one aside', async () => {
  const outputDir = folder();
  const options: Partial<ArgumentOptions> = { outputDir, maxSteps: 3, saveStrategy: 'steps', saveSteps: 3 };
  await makeTrainer(await goldenModel(), { ...options, maxSteps: 6 }).train();
  await makeTrainer(await goldenModel(), options).train();
  assert.deepEqual(
    (await listCheckpoints(outputDir)).map(({ step }) => step),
    [3],
  );
  assert.deepEqual(
    (await listCheckpoints(path.join(outputDir, 'replaced'))).map(({ step }) => step),
    [3, 6],
  );
});

test('a loss that is not finite stops the run, names the examples and keeps the last checkpoint', async () => {
  const outputDir = folder();
  const model = await goldenModel();
  const poison: TrainerCallback = {
    onStepEnd: ({ state }) => {
      if (state.globalStep === 3) model.weights.parameter('ln_f.bias').data[0] = Number.NaN;
    },
  };
  const trainer = makeTrainer(
    model,
    { outputDir, saveStrategy: 'steps', saveSteps: 2 },
    { callbacks: [poison] },
  );
  await assert.rejects(
    trainer.train(),
    /expected a finite loss, got NaN at step 4 .*examples .*checkpoint-2/s,
  );
  assert.equal(await checkpointFault(path.join(outputDir, 'checkpoint-2')), undefined);
  assert.deepEqual(
    (await listCheckpoints(outputDir)).map(({ step }) => step),
    [2],
  );
});

test('a time limit and a signal each stop cleanly with a checkpoint', async () => {
  const listeners = [process.listenerCount('SIGINT'), process.listenerCount('SIGTERM')];
  const ends: number[] = [];
  const clock: TrainerCallback = { onStepEnd: ({ progress }) => void ends.push(progress.elapsedMs) };
  const limit = { maxSteps: 100000, maxTimeMs: 300 };
  const limited = makeTrainer(await goldenModel(), limit, { callbacks: [clock] });
  const output = await limited.train();
  // The step in progress is finished, and no other begun.
  assert.ok((ends.at(-1) ?? 0) >= 299.9);
  assert.ok(ends.slice(0, -1).every((end) => end < 300));
  assert.equal(output.stopped, 'time limit');
  assert.equal(await checkpointFault(output.checkpoint ?? 'none'), undefined);
  const signalled = makeTrainer(
    await goldenModel(),
    { maxSteps: 100000 },
    {
      callbacks: [
        { onStepEnd: ({ state }) => void (state.globalStep === 2 && process.kill(process.pid, 'SIGINT')) },
      ],
    },
  );
  const stopped = await signalled.train();
  assert.equal(stopped.stopped, 'interrupted');
  assert.equal(await checkpointFault(stopped.checkpoint ?? 'none'), undefined);
  assert.deepEqual([process.listenerCount('SIGINT'), process.listenerCount('SIGTERM')], listeners);
});
