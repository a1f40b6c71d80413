/** What a trainer promises holds for pairs: accumulation, exact resume, interrupts, preflight, early stopping, saving. */
import assert from 'node:assert/strict';
import fs from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import type { EncodedPair } from '../../../lib/dataset';
import { LoraConfig } from '../../../lib/models';
import { AutoModelForCausalLM, getPeftModel, loadAdapter } from '../../../lib/pretrained';
import type { CausalLM } from '../../../lib/pretrained';
import { DPOConfig, DPOTrainer, ORPOConfig, ORPOTrainer } from '../../../lib/trainer';
import type { DPOOptions, TrainerCallback } from '../../../lib/trainer';
import { temporaryFolder } from '../../support/temporary-folder';
import { smallModel } from '../small-model';

/** Pairs of uneven lengths. */
const pairs: EncodedPair[] = Array.from({ length: 10 }, (_, i) => {
  const draw = (salt: number, count: number): number[] =>
    Array.from({ length: count }, (__, t) => (i * 13 + t * t * 5 + t * salt + salt) % 53);
  return {
    promptIds: draw(3, 3 + (i % 4)),
    chosenIds: draw(7, 3 + (i % 5)),
    rejectedIds: draw(11, 2 + (i % 3)),
  };
});

async function adapted(isAdapted = true): Promise<CausalLM> {
  const model = await smallModel();
  if (isAdapted) getPeftModel(model, new LoraConfig({ r: 2, seed: 5 }));
  return model;
}

interface Run {
  readonly trainer: DPOTrainer;
  readonly weights: number[];
  readonly log: unknown;
  readonly stopped: string;
}

async function run(
  model: CausalLM,
  options: Partial<DPOOptions> & { outputDir: string },
  more: { callbacks?: TrainerCallback[]; resume?: boolean } = {},
): Promise<Run> {
  const args = new DPOConfig({
    ...{ maxSteps: 6, perDeviceTrainBatchSize: 2, learningRate: 3e-3, loggingSteps: 2, saveStrategy: 'no' },
    ...{ evalStrategy: 'steps', evalSteps: 3, preflight: false, beta: 0.5 },
    ...options,
  });
  const trainer = new DPOTrainer({
    ...{
      model,
      args,
      trainDataset: pairs.slice(0, 8),
      evalDataset: pairs.slice(8),
      callbacks: more.callbacks ?? [],
    },
  });
  const { stopped } = await trainer.train({ resumeFromCheckpoint: more.resume });
  const weights = model.trainableParameters().flatMap(({ data }) => [...data]);
  const log = trainer.state.logHistory.map((entry) =>
    Object.fromEntries(Object.entries(entry).filter(([key]) => !/runtime|per_second/.test(key))),
  );
  return { trainer, weights, log, stopped };
}

const signal: TrainerCallback = {
  onStepBegin: ({ state }) => void (state.globalStep === 2 && process.kill(process.pid, 'SIGINT')),
  onStepEnd: () => new Promise((done) => setTimeout(done, 20)), // the signal comes by the event loop
};

async function resumes(t: TestContext, isAdapted: boolean): Promise<void> {
  const straight = await run(await adapted(isAdapted), { outputDir: await temporaryFolder(t) });
  const outputDir = await temporaryFolder(t);
  const first = await run(await adapted(isAdapted), { outputDir }, { callbacks: [signal] });
  assert.equal(first.stopped, 'interrupted');
  assert.equal(first.trainer.state.globalStep, 3);
  // A fresh process: the start weights again.
  const again = await run(await adapted(isAdapted), { outputDir }, { resume: true });
  assert.deepEqual(again.weights, straight.weights);
  assert.deepEqual(again.log, straight.log);
  // The same process: the model is trained already, and the reference comes from the run's folder.
  const { trainer } = first;
  await trainer.train({ resumeFromCheckpoint: path.join(outputDir, 'checkpoint-3') });
  assert.deepEqual(
    trainer.model.trainableParameters().flatMap(({ data }) => [...data]),
    straight.weights,
  );
}

test('an adapter: Ctrl-C leaves a checkpoint, and resumed or not the bytes are the same', (t) =>
  resumes(t, true));
test('all weights: Ctrl-C leaves a checkpoint, and resumed or not the bytes are the same', (t) =>
  resumes(t, false));

test('a resumed run of all weights whose reference is lost says so', async (t) => {
  const outputDir = await temporaryFolder(t);
  await run(await adapted(false), { outputDir }, { callbacks: [signal] });
  await fs.rm(path.join(outputDir, 'reference_logps.safetensors'));
  await assert.rejects(
    run(await adapted(false), { outputDir }, { resume: true }),
    /expected the reference's log-probabilities of this run in .*reference_logps\.safetensors.*start anew/s,
  );
});

test('accumulated pairs have the loss, the measures and the update of one batch, for DPO and ORPO', async (t) => {
  const once = await run(await adapted(), {
    outputDir: await temporaryFolder(t),
    perDeviceTrainBatchSize: 4,
    dataloaderDropLast: true,
  });
  const twice = await run(await adapted(), {
    ...{ outputDir: await temporaryFolder(t), perDeviceTrainBatchSize: 2, gradientAccumulationSteps: 2 },
    dataloaderDropLast: true,
  });
  const worst = once.weights.reduce((most, x, i) => Math.max(most, Math.abs(x - twice.weights[i])), 0);
  assert.ok(worst < 1e-5, `${worst}`);
  const orpo = async (size: number, accumulation: number): Promise<number[]> => {
    const model = await adapted();
    const args = new ORPOConfig({
      ...{ outputDir: await temporaryFolder(t), maxSteps: 2, perDeviceTrainBatchSize: size, loggingSteps: 1 },
      ...{
        gradientAccumulationSteps: accumulation,
        learningRate: 3e-3,
        saveStrategy: 'no',
        preflight: false,
      },
    });
    const trainer = new ORPOTrainer({ model, args, trainDataset: pairs.slice(0, 8), callbacks: [] });
    await trainer.train();
    return trainer.state.logHistory.flatMap((entry) => [
      entry.loss,
      entry.nll_loss,
      entry['rewards/margins'],
    ]);
  };
  const [whole, parts] = [await orpo(4, 1), await orpo(2, 2)];
  assert.equal(whole.length, 6);
  for (const [i, value] of whole.entries())
    assert.ok(Math.abs(value - parts[i]) < 1e-5, `${i}: ${value} ${parts[i]}`);
});

test('preflight counts a pair as two rows, early stopping and the best checkpoint work, the adapter loads elsewhere', async (t) => {
  const outputDir = await temporaryFolder(t);
  const model = await adapted();
  let longest: readonly number[] = [];
  const { stopped, trainer } = await run(
    model,
    {
      ...{ outputDir, preflight: true, evalSteps: 1, saveSteps: 1, saveStrategy: 'steps', maxSteps: 8 },
      ...{ earlyStoppingPatience: 2, earlyStoppingThreshold: 10, loadBestModelAtEnd: true, reportTo: 'all' },
    },
    { callbacks: [{ onPreflight: ({ report }) => void (longest = report.longestBatch) }] },
  );
  assert.equal(longest[0], 4);
  assert.equal(stopped, 'early stopping');
  const metrics = await trainer.evaluate();
  const best = trainer.state.logHistory.find((entry) => entry.eval_loss === trainer.state.bestMetric);
  assert.ok(Math.abs(metrics.eval_loss - (trainer.state.bestMetric ?? NaN)) < 1e-6);
  assert.equal(metrics['eval_rewards/accuracies'], best?.['eval_rewards/accuracies']);
  await assert.rejects(trainer.evaluate(pairs.slice(0, 1).map((pair) => ({ ...pair }))), /refModel/);
  const page = await fs.readFile(path.join(outputDir, 'runs/report.html'), 'utf8');
  assert.ok(page.includes('rewards/margins') && page.includes('Reward accuracy'));

  const folder = path.join(outputDir, 'saved');
  await trainer.saveModel(folder);
  const card = await fs.readFile(path.join(folder, 'README.md'), 'utf8');
  assert.match(
    card,
    /## Training\n\nDirect preference optimization \(DPO, loss sigmoid, beta 0\.5\) on 8 pairs\./,
  );
  assert.match(card, /^- dpo$/m);
  const again = await loadAdapter(await smallModel(), folder);
  const ids = [pairs[0].promptIds.slice()];
  assert.deepEqual(
    (await again.forward({ inputIds: ids })).logits.data,
    (await model.forward({ inputIds: ids })).logits.data,
  );
});

test('refuses contradictory options with a reason', async () => {
  const model = await adapted(false);
  const wrong = {
    outputDir: 'o',
    packing: true,
    lossType: 'sigmoidal',
    labelSmoothing: 0.1,
    bta: 1,
    maxLength: 9,
  };
  assert.throws(
    () => new DPOConfig(wrong as unknown as DPOOptions),
    /- packing: .*- maxLength: .*encodePairs.*- lossType: .*- bta: .*Did you mean beta/s,
  );
  assert.throws(
    () => new DPOConfig({ outputDir: 'o', labelSmoothing: 0.1 }),
    /expected lossType 'robust' with it/,
  );
  assert.throws(
    () => new DPOConfig({ outputDir: 'o', lossType: ['sigmoid', 'sft'], lossWeights: [1] }),
    /lossWeights: expected one for each of 'sigmoid', 'sft', got 1/,
  );
  assert.throws(
    () => new DPOConfig({ outputDir: 'o', lossType: ['sft', 'sft'] }),
    /lossType: expected each loss once/,
  );
  const args = new DPOConfig({ outputDir: 'o' });
  assert.throws(
    () => new DPOTrainer({ model, args, trainDataset: [] }),
    /expected examples in trainDataset, got none/,
  );
  assert.throws(
    () => new DPOTrainer({ model, args, trainDataset: pairs, refModel: 'base' }),
    /expected a model with an adapter for refModel 'base'/,
  );
  assert.throws(
    () => new DPOTrainer({ model, args, trainDataset: pairs, refModel: model }),
    /got the one that is trained/,
  );
  const records = [{ prompt: 'A', chosen: 'B', rejected: 'C' }] as unknown as EncodedPair[];
  assert.throws(() => new DPOTrainer({ model, args, trainDataset: records }), /Pass encodePairs/);
  const other = await AutoModelForCausalLM.fromConfig({ ...model.config, vocab_size: 60 }, { seed: 1 });
  assert.throws(
    () => new DPOTrainer({ model, args, trainDataset: pairs, refModel: other }),
    /53 tokens, got 60/,
  );
});
