/**
 * Bench of a resume at step 1,000,000: how long the trainer takes to find the batch to go on with, in epochs of many
 * accumulated steps. The data order is a function of seed and epoch, so the steps before are not walked through.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { AutoModelForCausalLM } from '../../lib/pretrained';
import { Trainer, TrainingArguments } from '../../lib/trainer';
import type { TrainerCallback } from '../../lib/trainer';
import type { EncodedExample } from '../../lib/types';
import { setFarAlong } from '../trainer/checkpoints/far-checkpoint';

const STEP = 1_000_000;
const [BATCH, ACCUMULATION] = [4, 4];

export interface ResumeBench {
  readonly examples: number;
  readonly step: number;
  readonly epochsDone: number;
  readonly stepInEpoch: number;
  /** From the state of the run to its next batch. */
  readonly findMs: number;
  /** From train() to the next batch: checksums, weights, optimizer, 100,000 log entries, and finding the batch. */
  readonly resumeMs: number;
}

export async function benchResume(): Promise<ResumeBench[]> {
  const results: ResumeBench[] = [];
  for (const examples of [5256, 170_000]) results.push(await resume(examples));
  return results;
}

async function resume(examples: number): Promise<ResumeBench> {
  const outputDir = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-bench-'));
  const data: EncodedExample[] = Array.from({ length: examples }, (_, i) => {
    const inputIds = Array.from({ length: 4 + ((i * 7) % 28) }, (__, t) => (i + t * t) % 53);
    return { inputIds, labels: inputIds };
  });
  const train = async (callbacks: TrainerCallback[], resumeFromCheckpoint: boolean): Promise<void> => {
    const model = await AutoModelForCausalLM.fromConfig(
      { model_type: 'gpt2', vocab_size: 53, n_positions: 32, n_embd: 8, n_layer: 1, n_head: 1 },
      { seed: 3 },
    );
    const args = new TrainingArguments({
      ...{ outputDir, maxSteps: 2 * STEP, perDeviceTrainBatchSize: BATCH, groupByLength: true },
      ...{ gradientAccumulationSteps: ACCUMULATION, preflight: false },
    });
    await new Trainer({ model, args, trainDataset: data, callbacks }).train({ resumeFromCheckpoint });
    await model.dispose();
  };
  const stop: TrainerCallback = { onStepEnd: ({ control }) => void (control.shouldTrainingStop = true) };
  await train([stop], false);
  const perEpoch = Math.ceil(Math.ceil(examples / BATCH) / ACCUMULATION);
  const far = { globalStep: STEP, epochsDone: Math.floor(STEP / perEpoch), stepInEpoch: STEP % perEpoch };
  setFarAlong(path.join(outputDir, 'checkpoint-1'), { ...far, entries: STEP / 10 });

  let [called, began, stepped] = [0, 0, 0];
  const clock: TrainerCallback = {
    onTrainBegin: () => void (began = performance.now()),
    onStepBegin: ({ state }) => {
      stepped = performance.now();
      if (state.globalStep !== STEP) throw new Error(`internal: at step ${state.globalStep}`);
    },
  };
  called = performance.now();
  await train([clock, stop], true);
  fs.rmSync(outputDir, { recursive: true });
  return {
    ...{ examples, step: STEP, epochsDone: far.epochsDone, stepInEpoch: far.stepInEpoch },
    ...{ findMs: stepped - began, resumeMs: stepped - called },
  };
}
