/** Runs of N ranks in one process, and how they compare with a run of one. */
import assert from 'node:assert/strict';
import { fakeProcessGroups } from '../../../lib/distributed';
import type { ProcessGroup } from '../../../lib/distributed';
import { LoraConfig } from '../../../lib/models';
import { getPeftModel } from '../../../lib/pretrained';
import type { CausalLM } from '../../../lib/pretrained';
import { Trainer, TrainingArguments } from '../../../lib/trainer';
import type { ArgumentOptions, TrainerCallback, TrainResult } from '../../../lib/trainer';
import type { EncodedExample } from '../../../lib/types';
import { examples, smallModel } from '../small-model';

export interface RankRun {
  readonly trainer: Trainer;
  readonly result: TrainResult;
  readonly losses: number[];
  readonly norms: number[];
  readonly evalLosses: number[];
  readonly weights: Float32Array;
}

export interface RankRequest {
  readonly options: Partial<ArgumentOptions> & { outputDir: string };
  readonly kind?: 'full' | 'LoRA';
  /** The model's configuration, beside that of `smallModel`. */
  readonly config?: Record<string, unknown>;
  readonly data?: readonly EncodedExample[];
  readonly evalData?: readonly EncodedExample[];
  readonly callbacks?: TrainerCallback[];
  readonly resume?: boolean;
  /** Changes one rank's trainer before it trains. */
  readonly prepare?: (rank: number, trainer: Trainer, model: CausalLM) => void;
  /** One rank's own part of the setup. */
  readonly own?: (rank: number) => { data?: readonly EncodedExample[]; options?: Partial<ArgumentOptions> };
}

export async function rankRun(request: RankRequest, group?: ProcessGroup): Promise<RankRun> {
  const rank = group?.rank ?? 0;
  const { data = examples, options } = { ...request, ...request.own?.(rank) };
  const model = await smallModel(request.config);
  if (request.kind === 'LoRA') getPeftModel(model, new LoraConfig({ r: 2, loraDropout: 0.3, seed: 5 }));
  const trainer = new Trainer({
    model,
    args: new TrainingArguments({
      ...{ maxSteps: 6, perDeviceTrainBatchSize: 2, learningRate: 1e-3, lrSchedulerType: 'constant' },
      ...{ loggingSteps: 1, saveStrategy: 'no', preflight: false },
      ...request.options,
      ...options,
    }),
    trainDataset: data,
    evalDataset: request.evalData,
    callbacks: request.callbacks ?? [],
    processGroup: group,
  });
  request.prepare?.(rank, trainer, model);
  const result = await trainer.train({ resumeFromCheckpoint: request.resume });
  const logged = (name: string): number[] =>
    trainer.state.logHistory.flatMap((entry) => (entry[name] === undefined ? [] : [entry[name]]));
  const weights = Float32Array.from(model.trainableParameters().flatMap(learned));
  return {
    ...{ trainer, result, weights },
    ...{ losses: logged('loss'), norms: logged('grad_norm'), evalLosses: logged('eval_loss') },
  };
}

/** All ranks of a run; ranks that fail give their error's message. */
export function endsOfRanks(count: number, request: RankRequest): Promise<(RankRun | string)[]> {
  return Promise.all(
    fakeProcessGroups(count).map((group) =>
      rankRun(request, group).catch((error: unknown) =>
        error instanceof Error ? error.message : String(error),
      ),
    ),
  );
}

export async function ranksRun(count: number, request: RankRequest): Promise<RankRun[]> {
  return (await endsOfRanks(count, request)).map((end) => {
    assert.ok(typeof end !== 'string', String(end));
    return end;
  });
}

/**
 * A parameter's values without the biases of keys: softmax does not see them, so that their gradient is rounding alone,
 * which Adam and Adafactor blow up to whole steps.
 */
function learned({ name, data }: { name: string; data: Float32Array }): number[] {
  if (!name.endsWith('attn.c_attn.bias')) return [...data];
  const third = data.length / 3;
  return [...data.subarray(0, third), ...data.subarray(2 * third)];
}

const relative = (a: number, b: number): number => Math.abs(a - b) / Math.abs(a);

/** The promise: losses within 1e-6 relative, weights within 1e-5 in norm; ranks among themselves byte for byte. */
export function assertSameRun(one: RankRun, ranks: readonly RankRun[]): void {
  for (const { losses, norms, evalLosses, weights, trainer } of ranks) {
    assert.equal(trainer.state.globalStep, one.trainer.state.globalStep);
    assert.equal(losses.length, one.losses.length);
    for (const [i, loss] of losses.entries())
      assert.ok(relative(one.losses[i], loss) < 1e-6, `loss ${i}: ${loss}, ${one.losses[i]}`);
    for (const [i, norm] of norms.entries())
      assert.ok(relative(one.norms[i], norm) < 1e-5, `norm ${i}: ${norm}, ${one.norms[i]}`);
    assert.equal(evalLosses.length, one.evalLosses.length);
    for (const [i, loss] of evalLosses.entries())
      assert.ok(relative(one.evalLosses[i], loss) < 1e-6, `eval ${i}: ${loss}, ${one.evalLosses[i]}`);
    const squares = (values: Float32Array): number => values.reduce((sum, x) => sum + x * x, 0);
    const apart = weights.map((x, i) => x - one.weights[i]);
    const distance = Math.sqrt(squares(apart) / squares(one.weights));
    assert.ok(distance < 1e-5, `weights: ${distance}`);
    assert.deepEqual(weights, ranks[0].weights);
  }
}
