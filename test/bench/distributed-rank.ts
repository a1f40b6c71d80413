/** One rank of the bench of several processes: `distributed-rank.js collectives | step MODEL ACCUMULATION`; rank 0 prints JSON. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { initProcessGroup, destroyProcessGroup, getRank } from '../../lib/distributed';
import { AutoModelForCausalLM } from '../../lib/pretrained';
import type { CausalLM } from '../../lib/pretrained';
import { Trainer, TrainingArguments } from '../../lib/trainer';
import type { TrainerCallback } from '../../lib/trainer';
import type { EncodedExample } from '../../lib/types';
import { median } from './median';

const ROUNDS = 7;
const SIZES = [1 << 20, 22 << 20];
const [TOKENS, STEPS, TURNS] = [128, 3, 3];
/** With one rank there is nothing to reduce, and one way to do it. */
const BUCKETS_MB = {
  after: Infinity,
  during: new TrainingArguments({ outputDir: 'unused' }).values.ddpBucketCapMb,
};

/** One size of an all-reduce; times are the best of several, in ms. */
export interface ReduceTimes {
  readonly floats: number;
  readonly memcpyMs: number;
  readonly reduceMs: number;
  /** JavaScript that computes for as long as a reduction takes, by itself, and beside one, its end included. */
  readonly computeMs: number;
  readonly overlappedMs: number;
}

/** Steps of a training run; medians, in ms. */
export interface StepTimes {
  readonly stepMs: number;
  /** Processor time of a rank, its waiting for others included. */
  readonly cpuMs: number;
  /** What of a step is spent waiting for the reduction. */
  readonly waitMs: number;
}

/** The same steps with the reduction after the backward pass and during it, by turns. */
export type StepKinds = Record<keyof typeof BUCKETS_MB, StepTimes>;

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

/** gpt2-mini, most of whose parameters are embeddings; or one of the same size, most of whose parameters are layers. */
async function modelNamed(name: string): Promise<{ model: CausalLM; batch: number }> {
  const engine = { provider: 'cpu' } as const;
  if (name === 'gpt2-mini')
    return { model: await AutoModelForCausalLM.fromPretrained('gpt2-mini', { engine }), batch: 4 };
  const config = {
    model_type: 'gpt2',
    vocab_size: 1000,
    n_positions: 128,
    n_embd: 384,
    n_layer: 8,
    n_head: 6,
  };
  return { model: await AutoModelForCausalLM.fromConfig(config, { seed: 1, engine }), batch: 1 };
}

async function steps(name: string, gradientAccumulationSteps: number): Promise<StepKinds> {
  const outputDir = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-bench-'));
  try {
    const { model, batch } = await modelNamed(name);
    const { vocabSize } = model.architecture;
    const data: EncodedExample[] = Array.from({ length: 256 }, (_, i) => {
      const inputIds = Array.from({ length: TOKENS }, (__, t) => (i * 131 + t * t * 7 + t) % vocabSize);
      return { inputIds, labels: inputIds };
    });
    const seen = { after: [] as StepTimes[], during: [] as StepTimes[] };
    for (let turn = 0; turn < TURNS; turn++)
      for (const kind of ['after', 'during'] as const)
        seen[kind].push(
          await someSteps(model, data, {
            ...{ outputDir, maxSteps: STEPS, perDeviceTrainBatchSize: batch, gradientAccumulationSteps },
            ...{ ddpBucketCapMb: BUCKETS_MB[kind], learningRate: 1e-4, saveStrategy: 'no', preflight: false },
          }),
        );
    const middle = (times: readonly StepTimes[]): StepTimes => ({
      stepMs: median(times.map(({ stepMs }) => stepMs)),
      cpuMs: median(times.map(({ cpuMs }) => cpuMs)),
      waitMs: median(times.map(({ waitMs }) => waitMs)),
    });
    return { after: middle(seen.after), during: middle(seen.during) };
  } finally {
    fs.rmSync(outputDir, { recursive: true, force: true });
  }
}

/** Means of the steps but the first, which compiles or allocates. */
async function someSteps(
  model: CausalLM,
  trainDataset: EncodedExample[],
  options: ConstructorParameters<typeof TrainingArguments>[0],
): Promise<StepTimes> {
  const seen: { ms: number; cpu: number; share: number }[] = [];
  const onStepEnd: TrainerCallback['onStepEnd'] = ({ progress }) => {
    const { user, system } = process.cpuUsage();
    const { elapsedMs: ms, reductionShare: share = 0 } = progress;
    seen.push({ ms, cpu: (user + system) / 1000, share });
  };
  const args = new TrainingArguments(options);
  await new Trainer({ model, args, trainDataset, callbacks: [{ onStepEnd }] }).train();
  // Callbacks are rank 0's.
  const [first = { ms: 0, cpu: 0, share: 0 }, last = first] = [seen.at(0), seen.at(-1)];
  const stepMs = (last.ms - first.ms) / (STEPS - 1);
  return { stepMs, cpuMs: (last.cpu - first.cpu) / (STEPS - 1), waitMs: last.share * stepMs };
}

async function main(): Promise<void> {
  const [what, name, accumulation] = process.argv.slice(2);
  const result = what === 'collectives' ? await collectives() : await steps(name, Number(accumulation));
  if (getRank() === 0) console.log(`result ${JSON.stringify(result)}`);
}

void main();
