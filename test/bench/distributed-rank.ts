/** One rank of the bench of several processes: `distributed-rank.js collectives | step ACCUMULATION`; rank 0 prints JSON. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { initProcessGroup, destroyProcessGroup, getRank } from '../../lib/distributed';
import { AutoModelForCausalLM } from '../../lib/pretrained';
import { Trainer, TrainingArguments } from '../../lib/trainer';
import type { EncodedExample } from '../../lib/types';

const ROUNDS = 7;
const SIZES = [1 << 20, 22 << 20];
const [BATCH, TOKENS, STEPS] = [4, 128, 6];

/** One size of an all-reduce; times are the best of several, in ms. */
export interface ReduceTimes {
  readonly floats: number;
  readonly memcpyMs: number;
  readonly reduceMs: number;
  /** JavaScript that computes for as long as a reduction takes, by itself, and beside one, its end included. */
  readonly computeMs: number;
  readonly overlappedMs: number;
}

/** Steps of a training run; the median of the last ones, in ms. */
export interface StepTimes {
  readonly stepMs: number;
  readonly reductionShare: number;
}

async function best(work: () => unknown): Promise<number> {
  let least = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    await work();
    least = Math.min(least, performance.now() - start);
  }
  return least;
}

/** A fixed number of additions. */
function compute(count: number): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += i % 7;
  return sum;
}

async function collectives(): Promise<ReduceTimes[]> {
  const group = initProcessGroup();
  const results: ReduceTimes[] = [];
  for (const floats of SIZES) {
    const [values, copy] = [new Float32Array(floats).fill(1e-3), new Float32Array(floats)];
    const memcpyMs = await best(() => copy.set(values));
    const reduceMs = await best(() => group.allReduce(values));
    const perMs = 1e6 / (await best(() => compute(1e6)));
    // The same on all ranks, or one would wait for the other.
    const shared = Float64Array.of(perMs * reduceMs);
    await group.allReduce(shared, { op: 'max' });
    const count = Math.round(shared[0]);
    const computeMs = await best(() => compute(count));
    const overlappedMs = await best(async () => {
      const reduced = group.allReduce(values);
      await new Promise(setImmediate); // the reduction begins
      compute(count);
      await reduced;
    });
    results.push({ floats, memcpyMs, reduceMs, computeMs, overlappedMs });
  }
  await destroyProcessGroup();
  return results;
}

async function step(gradientAccumulationSteps: number): Promise<StepTimes> {
  const outputDir = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-bench-'));
  try {
    const model = await AutoModelForCausalLM.fromPretrained('gpt2-mini', { engine: { provider: 'cpu' } });
    const { vocabSize } = model.architecture;
    const data: EncodedExample[] = Array.from({ length: 256 }, (_, i) => {
      const inputIds = Array.from({ length: TOKENS }, (__, t) => (i * 131 + t * t * 7 + t) % vocabSize);
      return { inputIds, labels: inputIds };
    });
    const times: number[] = [];
    let [last, share] = [0, 0];
    const trainer = new Trainer({
      model,
      args: new TrainingArguments({
        ...{ outputDir, maxSteps: STEPS, perDeviceTrainBatchSize: BATCH, gradientAccumulationSteps },
        ...{ learningRate: 1e-4, saveStrategy: 'no', preflight: false, loggingSteps: STEPS },
      }),
      trainDataset: data,
      callbacks: [
        {
          onStepEnd: ({ progress }) => {
            times.push(progress.elapsedMs - last);
            last = progress.elapsedMs;
            share = progress.reductionShare ?? 0;
          },
        },
      ],
    });
    await trainer.train();
    // The first steps compile.
    const late = times.slice(2).sort((a, b) => a - b);
    return { stepMs: late[late.length >> 1], reductionShare: share };
  } finally {
    fs.rmSync(outputDir, { recursive: true, force: true });
  }
}

async function main(): Promise<void> {
  const [what, accumulation] = process.argv.slice(2);
  const result = what === 'collectives' ? await collectives() : await step(Number(accumulation));
  if (getRank() === 0) console.log(`result ${JSON.stringify(result)}`);
}

void main();
