/**
 * The check before a run: what it finds, what it says, and that it leaves everything as it was.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { createDataCollator } from '../../../lib/dataset';
import { AutoModelForCausalLM, getPeftModel } from '../../../lib/pretrained';
import { LoraConfig } from '../../../lib/models';
import type { CausalLM } from '../../../lib/pretrained';
import { preflightText, Trainer, TrainingArguments } from '../../../lib/trainer';
import type { PreflightReport, TrainerCallback, ArgumentOptions } from '../../../lib/trainer';
import type { EncodedExample } from '../../../lib/types';
import { crashOptions } from '../child-run';
import { examples, smallModel } from '../small-model';

const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-preflight-'));
after(() => fs.rmSync(temporary, { recursive: true, force: true }));
let folders = 0;
const folder = (): string => path.join(temporary, `run-${folders++}`);

async function make(
  options: Partial<ArgumentOptions>,
  more: {
    model?: CausalLM;
    data?: readonly EncodedExample[];
    callbacks?: TrainerCallback[];
    generate?: (model: CausalLM) => Promise<string>;
  } = {},
): Promise<Trainer> {
  const { model = await smallModel(), data = examples, callbacks = [], generate } = more;
  const args = new TrainingArguments({ ...crashOptions(folder()), preflight: true, ...options });
  return new Trainer({
    ...{ model, args, callbacks, generate },
    trainDataset: data,
    evalDataset: examples.slice(0, 4),
  });
}

/** What a run leaves behind: weights, and the bytes of its checkpoint's optimizer state and log. */
async function leftBy(trainer: Trainer): Promise<unknown> {
  const { checkpoint = '' } = await trainer.train();
  const state = trainer.state.logHistory.map((entry) => ({
    ...entry,
    eval_runtime: 0,
    eval_samples_per_second: 0,
  }));
  return {
    weights: trainer.model.trainableParameters().map(({ data }) => data.slice()),
    optimizer: fs.readFileSync(path.join(checkpoint, 'optimizer.safetensors')),
    files: fs.readdirSync(trainer.args.values.outputDir).sort(),
    state,
  };
}

for (const kind of ['full', 'LoRA'] as const) {
  for (const optim of kind === 'full'
    ? (['adamw', 'adamw_8bit', 'adafactor'] as const)
    : (['adamw'] as const)) {
    test(`a run is the same with and without preflight: ${kind}, ${optim}`, async () => {
      const model = async (): Promise<CausalLM> => {
        const base = await smallModel();
        return kind === 'full'
          ? base
          : getPeftModel(base, new LoraConfig({ r: 2, loraDropout: 0.2, seed: 5 }));
      };
      const options = { optim, maxSteps: 6 };
      const [without, checked] = [
        await make({ ...options, preflight: false }, { model: await model() }),
        await make(options, { model: await model() }),
      ];
      assert.deepEqual(await leftBy(checked), await leftBy(without));
    });
  }
}

test('a preflight by itself changes nothing, and train does not repeat it', async () => {
  const reports: PreflightReport[] = [];
  const trainer = await make({}, { callbacks: [{ onPreflight: ({ report }) => void reports.push(report) }] });
  const before = trainer.model.weights.parameters.flat.slice();
  await trainer.preflight();
  assert.deepEqual(trainer.model.weights.parameters.flat, before);
  await trainer.train();
  assert.equal(reports.length, 1);
});

test('the table: steps and tokens as the run then has them, time, memory, disk, time limit, a sample', async () => {
  const generate = async (): Promise<string> => 'well run';
  const trainer = await make({ maxTimeMs: 60_000 }, { generate });
  const report = await trainer.preflight();
  await trainer.train();
  assert.equal(report.steps, 24);
  assert.equal(report.tokens, trainer.state.numInputTokensSeen);
  assert.ok(report.timeMs.low <= report.timeMs.expected && report.timeMs.expected <= report.timeMs.high);
  assert.equal(report.checkpointsAtATime, 3);
  const { outputDir } = trainer.args.values;
  const checkpoint = path.join(outputDir, 'checkpoint-24');
  const size = fs
    .readdirSync(checkpoint)
    .reduce((sum, name) => sum + fs.statSync(path.join(checkpoint, name)).size, 0);
  assert.ok(Math.abs(report.checkpointBytes - size) < 0.05 * size);
  const text = preflightText(report);
  for (const part of [
    '24 of',
    'tokens',
    'peak memory',
    'disk for checkpoints',
    '1:00, after the expected end',
    ': well run',
  ])
    assert.ok(text.includes(part), `expected ${part} in\n${text}`);
});

test('at a time limit that is too short it says where the run will stop', async () => {
  const report = await (await make({ maxSteps: 100_000, maxTimeMs: 5000, saveSteps: 1000 })).preflight();
  assert.match(
    report.timeLimit,
    /^0:05, after about \d+ of 100000 steps: .*a checkpoint written.*continues$/,
  );
});

test('folders that cannot be written, no memory: refused together, in seconds, before anything is computed', async () => {
  const readOnly = process.getuid?.() === 0 ? '/proc/self' : folder();
  if (readOnly !== '/proc/self') fs.mkdirSync(readOnly, { mode: 0o555 });
  const model = await AutoModelForCausalLM.fromConfig({
    ...{ model_type: 'gpt2', vocab_size: 53, n_positions: 65536, n_embd: 8, n_layer: 8, n_head: 8 },
  });
  const inputIds = Array.from({ length: 65536 }, (_, i) => i % 53);
  const long = { inputIds, labels: inputIds };
  const options = { outputDir: readOnly, perDeviceTrainBatchSize: 8, gradientAccumulationSteps: 1 };
  const trainer = await make(options, { model, data: Array.from({ length: 8 }, () => long) });
  const started = performance.now();
  await assert.rejects(
    trainer.train(),
    /this run cannot work[\s\S]*outputDir: .* cannot be written[\s\S]*memory: the longest batch \(8 x 65536 tokens\)[\s\S]*gradientCheckpointing: true, autoFindBatchSize: true/,
  );
  assert.ok(performance.now() - started < 30_000);
});

test('a checkpoint that does not load back to the same logits stops the run', async () => {
  const trainer = await make({});
  const { model } = trainer;
  // A weight that is written under a name that loading does not take its values from.
  const { architecture } = model;
  const parameter = model.weights.parameter('h.0.mlp.c_fc.bias');
  const turned = { ...parameter, data: parameter.data.slice().fill(3) };
  (model.weights.parameters.byName as Map<string, typeof parameter>).set(parameter.name, turned);
  const real = model.weights.feed.bind(model.weights);
  model.weights.feed = (name) =>
    name === parameter.name ? { data: parameter.data, shape: parameter.shape } : real(name);
  assert.ok(architecture.parameters.length > 0);
  await assert.rejects(trainer.train(), /checkpoint: it loads back to other logits \(by up to /);
});

test('a reloaded model that generates something else stops the run', async () => {
  let calls = 0;
  const trainer = await make({}, { generate: async () => `answer ${calls++}` });
  await assert.rejects(trainer.train(), /checkpoint: the loaded model writes something else/);
  assert.equal(calls, 2);
});

test('the first step is taken on the longest batch, wherever the run has it', async () => {
  const long = Array.from({ length: 30 }, (_, t) => (t * 7) % 53);
  const data = [...examples, { inputIds: long, labels: long }];
  const plain = createDataCollator({ padTokenId: 0, maxLength: 32, buckets: [8, 16, 24, 32] });
  const rounds: string[][] = [[]];
  const args = new TrainingArguments({
    ...crashOptions(folder()),
    ...{
      maxSteps: 3,
      gradientAccumulationSteps: 1,
      groupByLength: false,
      preflight: true,
      evalStrategy: 'no',
    },
  });
  const trainer = new Trainer({
    ...{ model: await smallModel(), args, callbacks: [], trainDataset: data },
    dataCollator: (rows) => {
      const batch = plain(rows);
      rounds.at(-1)?.push(batch.shape.join('x'));
      return batch;
    },
    // Called with the model, with its loaded copy, and with the model after the steps.
    generate: async () => {
      rounds.push([]);
      return '';
    },
  });
  // Of all six batches of an epoch the run has three; the longest has to be among them, and not at an end.
  const report = await trainer.preflight();
  const [first] = rounds[2];
  rounds.push([]);
  await trainer.train();
  const shapes = rounds.at(-1) ?? [];
  const tokens = (shape: string): number => Number(shape.split('x')[1]);
  const longest = shapes.reduce((a, b) => (tokens(b) > tokens(a) ? b : a));
  assert.equal(longest, shapes[1], `expected the longest in the middle: ${shapes.join(' ')}`);
  assert.deepEqual([first, report.longestBatch.join('x')], [longest, longest]);
});

test('an evaluation is timed twice where evaluations are much of the run, once where they are little', async () => {
  const plain = createDataCollator({ padTokenId: 0, maxLength: 32 });
  // Longer than what is trained on: its batches are known by their shape.
  const watched = Array.from({ length: 24 }, () => {
    const inputIds = Array.from({ length: 30 }, (_, t) => (t * 7) % 53);
    return { inputIds, labels: inputIds };
  });
  const passes = async (options: Partial<ArgumentOptions>): Promise<number> => {
    const model = await smallModel();
    const args = new TrainingArguments({
      ...{ ...crashOptions(folder()), gradientAccumulationSteps: 1, preflight: true },
      ...{ perDeviceEvalBatchSize: 24, ...options },
    });
    let count = 0;
    const trainer = new Trainer({
      ...{ model, args, callbacks: [], trainDataset: examples, evalDataset: watched },
      dataCollator: (rows) => {
        if (rows.length === watched.length) count++;
        return plain(rows);
      },
    });
    await trainer.preflight();
    await model.dispose();
    return count;
  };
  const often = await passes({ maxSteps: 20, evalSteps: 1 });
  const seldom = await passes({ maxSteps: 20_000, evalSteps: 20_000 });
  assert.equal(often - seldom, 1);
});

test('a disk without room for the checkpoints is refused, with what to set', async () => {
  // A checkpoint for each of 10^12 steps: no disk has room for them.
  const many = { maxSteps: 1e12, saveSteps: 1, saveTotalLimit: undefined };
  const trainer = await make(many);
  const refused =
    /outputDir: .* has (\d+) bytes free, 1000000000001 checkpoints of (\d+) bytes need (\d+)\. Set saveTotalLimit: (\d+)/;
  await assert.rejects(trainer.train(), (error: Error) => {
    const [free, bytes, need, limit] = (refused.exec(error.message) ?? []).slice(1).map(Number);
    assert.ok(need > free && Math.abs(need / (bytes * (1e12 + 1)) - 1) < 1e-9, error.message);
    // That many and the one that is being written fit.
    assert.ok((limit + 1) * bytes <= free && (limit + 2) * bytes > free, error.message);
    assert.ok(bytes > 12 * trainer.model.weights.parameters.flat.length - 1);
    return true;
  });
  const { timeMs } = await (await make({ ...many, saveTotalLimit: 2 })).preflight();
  assert.ok(timeMs.expected > 0);
});
