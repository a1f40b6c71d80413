/**
 * Training over a stream: the same bytes whether the run is resumed or not, the same run on ranks as on one process, and
 * what a stream cannot do is said.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { it } from 'node:test';
import { encodePairs, streamExamples, streamRecords } from '../../lib/dataset';
import type { EncodedPair, ExampleStream } from '../../lib/dataset';
import { fakeProcessGroups } from '../../lib/distributed';
import type { ProcessGroup } from '../../lib/distributed';
import {
  DPOConfig,
  DPOTrainer,
  ORPOConfig,
  ORPOTrainer,
  Trainer,
  TrainingArguments,
} from '../../lib/trainer';
import type { ArgumentOptions, TrainerCallback } from '../../lib/trainer';
import type { Tokenizer } from '../../lib/types';
import { temporaryFolder } from '../support/temporary-folder';
import { smallModel } from './small-model';

/** A token for each letter, below the model's 53. */
const LETTERS: Tokenizer = {
  ...{ vocabSize: 53, bosTokenId: undefined, eosTokenId: 0, padTokenId: 0, modelMaxLength: 32 },
  encode: (text) => [...text].map((letter) => letter.charCodeAt(0) % 53),
  decode: (ids) => String(ids),
};

function streamIn(folder: string, seed = 42): ExampleStream {
  const file = path.join(folder, 'texts.jsonl');
  const lines = Array.from({ length: 13 }, (_, n) => JSON.stringify({ text: `record ${n * 7} of ${n}` }));
  fs.writeFileSync(file, lines.join('\n'));
  return streamExamples(streamRecords(file, { shuffleBuffer: 5, seed }), { tokenizer: LETTERS });
}

type Options = Partial<ArgumentOptions> & { outputDir: string };

async function trainerOf(
  trainDataset: ExampleStream,
  options: Options,
  more: { callbacks?: TrainerCallback[]; processGroup?: ProcessGroup } = {},
): Promise<Trainer> {
  const args = new TrainingArguments({
    ...{ maxSteps: 6, perDeviceTrainBatchSize: 2, gradientAccumulationSteps: 2, learningRate: 1e-3 },
    ...{ loggingSteps: 1, saveStrategy: 'steps', saveSteps: 3, preflight: false },
    ...options,
  });
  const { callbacks = [], processGroup } = more;
  return new Trainer({ model: await smallModel(), args, trainDataset, callbacks, processGroup });
}

const weightsOf = ({ model }: Trainer): number[] =>
  model.trainableParameters().flatMap(({ data }) => [...data]);
const positionOf = ({ state }: Trainer): unknown => {
  const { epoch, record, example } = state.dataPosition ?? {};
  return { epoch, record, example };
};
const lossesOf = ({ state }: Trainer): unknown[] => state.logHistory.map(({ loss }) => loss);
const stopAt = (step: number): TrainerCallback => ({
  onStepEnd: ({ state, control }) => void (control.shouldTrainingStop ||= state.globalStep === step),
});

it('a run over two passes, stopped and resumed, gives the same bytes as one that never stopped', async (t) => {
  const folder = await temporaryFolder(t);
  const calls: string[] = [];
  const passes: TrainerCallback = {
    onEpochBegin: ({ state }) => void calls.push(`begin at ${state.globalStep}`),
    onEpochEnd: ({ state }) => void calls.push(`end at ${state.globalStep}`),
  };
  const options = { outputDir: path.join(folder, 'whole'), preflight: true };
  const whole = await trainerOf(streamIn(folder), options, { callbacks: [passes] });
  await whole.train();
  assert.deepEqual(positionOf(whole), { epoch: 1, record: 11, example: 0 });
  assert.deepEqual([whole.state.samplesSeen, whole.state.epoch], [24, 1]);
  // The fourth step of four examples takes the thirteenth record of the first pass, and three of the second.
  assert.deepEqual(calls, ['begin at 0', 'end at 4', 'begin at 4', 'end at 6']);
  const outputDir = path.join(folder, 'parts');
  const first = await trainerOf(streamIn(folder), { outputDir }, { callbacks: [stopAt(4)] });
  assert.equal((await first.train()).globalStep, 4);
  const second = await trainerOf(streamIn(folder), { outputDir });
  await second.train({ resumeFromCheckpoint: true });
  assert.deepEqual(weightsOf(second), weightsOf(whole));
  assert.deepEqual(lossesOf(second), lossesOf(whole));
  const other = await trainerOf(streamIn(folder, 7), { outputDir });
  await assert.rejects(other.train({ resumeFromCheckpoint: true }), /stream/);
});

it('shouldEpochStop leaves the rest of a pass out, resumed or not', async (t) => {
  const folder = await temporaryFolder(t);
  const skip: TrainerCallback = {
    onStepEnd: ({ state, control }) => void (control.shouldEpochStop = state.globalStep === 2),
  };
  const whole = await trainerOf(
    streamIn(folder),
    { outputDir: path.join(folder, 'a') },
    { callbacks: [skip] },
  );
  await whole.train();
  assert.deepEqual(positionOf(whole), { epoch: 2, record: 3, example: 0 });
  const outputDir = path.join(folder, 'b');
  const first = await trainerOf(streamIn(folder), { outputDir }, { callbacks: [skip, stopAt(2)] });
  await first.train();
  const second = await trainerOf(streamIn(folder), { outputDir });
  await second.train({ resumeFromCheckpoint: true });
  assert.deepEqual(weightsOf(second), weightsOf(whole));
});

it('two ranks share the batches of a stream: the run of one process', async (t) => {
  const folder = await temporaryFolder(t);
  const one = await trainerOf(streamIn(folder), { outputDir: path.join(folder, 'one') });
  await one.train();
  const outputDir = path.join(folder, 'ranks');
  const part = (resume: boolean, callbacks: TrainerCallback[]): Promise<Trainer[]> =>
    Promise.all(
      fakeProcessGroups(2).map(async (processGroup) => {
        const options = { outputDir, gradientAccumulationSteps: 1 };
        const trainer = await trainerOf(streamIn(folder), options, { processGroup, callbacks });
        await trainer.train({ resumeFromCheckpoint: resume });
        return trainer;
      }),
    );
  await part(false, [stopAt(3)]);
  const ranks = await part(true, []);
  // Without biases of keys, whose gradients are rounding alone (ranks/runs.ts).
  const learned = ({ model }: Trainer): number[] =>
    model.trainableParameters().flatMap(({ name, data }) => (name.endsWith('c_attn.bias') ? [] : [...data]));
  const expected = learned(one);
  for (const rank of ranks) {
    assert.deepEqual(rank.state.dataPosition, one.state.dataPosition);
    const apart = Math.max(...learned(rank).map((x, i) => Math.abs(x - expected[i])));
    assert.ok(apart < 1e-5, String(apart));
  }
  assert.deepEqual(weightsOf(ranks[0]), weightsOf(ranks[1]));
});

it('a stream needs maxSteps, is neither packed nor sorted, and is no set of pairs', async (t) => {
  const folder = await temporaryFolder(t);
  const options = { outputDir: folder, maxSteps: -1, numTrainEpochs: 1, packing: true, groupByLength: true };
  await assert.rejects(trainerOf(streamIn(folder), options), (error: Error) => {
    assert.match(error.message, /expected maxSteps for a stream/);
    assert.match(error.message, /packing: false .*encodeRecords/);
    assert.match(error.message, /groupByLength: false/);
    return true;
  });
  const { pairs } = encodePairs([{ prompt: 'a', chosen: 'b', rejected: 'c' }], { tokenizer: LETTERS });
  assert.equal(pairs.length, 1);
  const trainDataset = streamIn(folder) as unknown as readonly EncodedPair[];
  const model = await smallModel();
  const config = { outputDir: folder, maxSteps: 1 };
  assert.throws(
    () => new DPOTrainer({ model, args: new DPOConfig(config), trainDataset }),
    /DPOTrainer: expected a list of pairs in trainDataset, got a stream of examples/,
  );
  assert.throws(
    () => new ORPOTrainer({ model, args: new ORPOConfig(config), trainDataset }),
    /ORPOTrainer: expected a list of pairs in trainDataset, got a stream of examples/,
  );
});
