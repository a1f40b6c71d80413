/**
 * One rank of a training run in which a rank ends in a given way before its third step: `death-rank.js FOLDER RANK HOW`.
 * The collator, which each rank calls for each batch, is where it happens.
 */
import fs from 'node:fs';
import path from 'node:path';
import { createDataCollator } from '../../lib/dataset';
import { getRank } from '../../lib/distributed';
import { Trainer, TrainingArguments } from '../../lib/trainer';
import { examples, smallModel } from '../trainer/small-model';

const [outputDir, victim, how] = process.argv.slice(2);
/** So that a signal meets a run in progress. */
const STEP_MS = 20;

const sleep = (ms: number): void => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

function end(): void {
  if (how === 'kill') process.kill(process.pid, 'SIGKILL');
  if (how === 'throw') throw new Error('this rank fell');
  if (how === 'exit') process.exit(0);
  if (how === 'hang') sleep(60_000);
  if (how === 'fill') fs.writeFileSync(path.join(outputDir, 'filler'), Buffer.alloc(1 << 26));
}

async function main(): Promise<void> {
  const isEndless = how === 'signal';
  const model = await smallModel({ n_layer: 3 });
  const collate = createDataCollator({ padTokenId: 0, maxLength: 32 });
  const trainer = new Trainer({
    model,
    args: new TrainingArguments({
      ...{ outputDir, maxSteps: isEndless ? 5000 : 6, perDeviceTrainBatchSize: 2, learningRate: 1e-3 },
      ...{ loggingSteps: 1, saveStrategy: 'steps', saveSteps: isEndless ? 10_000 : 1, preflight: false },
      // Gradients of two layers go out while the backward pass goes on.
      ddpBucketCapMb: 1e-5,
      ddpTimeout: how === 'hang' ? 3 : 60,
    }),
    trainDataset: examples,
    dataCollator: (batch) => {
      if (isEndless) sleep(STEP_MS);
      if (trainer.state.globalStep === 2 && String(getRank()) === victim)
        try {
          end();
        } catch (error) {
          if (how !== 'fill') throw error; // the disk is full now: that is what the checkpoint has to meet
        }
      return collate(batch);
    },
  });
  console.log(`pid ${process.pid}`);
  const { stopped, globalStep } = await trainer.train();
  console.log(`rank ${getRank()}: ${stopped} after ${globalStep}`);
}

void main();
