/**
 * One optimizer step: loss and gradients of its batches, checks, clipping, and the update.
 */
import type { DataCollator } from '../../dataset';
import { countLabels, forwardBackward } from '../../models';
import type { CausalLM } from '../../pretrained';
import type { Gradients, LossFunction, MetricSum, MetricSums, SequenceLoss } from '../../models';
import { isMemoryError, TunebookError } from '../../types';
import type { Batch, EncodedExample } from '../../types';
import type { CheckedArguments } from '../arguments/schema';
import type { CallbackList } from '../state/callbacks';
import { counted, logitsLoss, metricsOfAll, sequenceLoss } from '../state/metric-totals';
import { gradientReduction } from '../parallel/gradient-reduction';
import type { GradientReduction } from '../parallel/gradient-reduction';
import { ranksOf } from '../parallel/ranks';
import type { Ranks } from '../parallel/ranks';
import { gradientNorm } from '../optimizers/gradient-norm';
import type { Optimizer } from '../optimizers/optimizer-types';
import { scheduledRate } from './run-steps';

export interface StepRequest {
  readonly model: CausalLM;
  readonly values: CheckedArguments;
  readonly dataset: readonly EncodedExample[];
  readonly collate: DataCollator;
  readonly callbacks: CallbackList;
  readonly gradients: Gradients;
  readonly optimizer: Optimizer;
  /** Default: cross-entropy of the next token. */
  readonly loss?: LossFunction | SequenceLoss;
  /** Example numbers of each batch. */
  readonly group: readonly (readonly number[])[];
  /** Examples per forward pass. */
  readonly microBatchSize: number;
  /** Steps before this one; `maxSteps` is those of the whole run. */
  readonly step: number;
  readonly maxSteps: number;
  /** Ranks that share the step's batches; default: this process has all. */
  readonly ranks?: Ranks;
}

const ALONE = ranksOf(undefined);

export interface StepResult {
  /** Mean over the step's labelled tokens, nats; or that of a loss of sequences. */
  readonly loss: number;
  /** Measures of a loss of sequences. */
  readonly metrics: MetricSums;
  /** Global norm of the gradients before clipping. */
  readonly gradientNorm: number;
  readonly learningRate: number;
  /** Without padding. */
  readonly tokens: number;
  /** Smaller than given where memory ran out. */
  readonly microBatchSize: number;
  /** Time that the step waited for the reduction of the gradients over the ranks, in ms. */
  readonly reductionMs: number;
}

/** @throws NotFinite for a loss or gradients that are not finite; the weights are then as before the step */
export async function trainingStep(request: StepRequest): Promise<StepResult> {
  const { model, values, gradients, callbacks, step, ranks = ALONE } = request;
  await callbacks.call('onStepBegin', {});
  let { microBatchSize } = request;
  let sums = await gradientsOfAll(request, microBatchSize);
  while (sums === undefined) {
    microBatchSize = Math.ceil(microBatchSize / 2);
    const warn = ranks.isFirst ? console.warn : () => undefined;
    warn(
      `trainer: memory ran out; from now on each forward pass takes ${microBatchSize} examples. ` +
        'Optimizer steps keep the given batch size.',
    );
    sums = await gradientsOfAll(request, microBatchSize);
  }
  await callbacks.call('onPreOptimizerStep', {});
  const norm = await gradientNorm(model.engine, gradients);
  if (!Number.isFinite(norm)) throw ranks.common(new NotFinite('gradient norm', norm));
  const clip = values.maxGradNorm > 0 ? Math.min(1, values.maxGradNorm / (norm + 1e-6)) : 1;
  const learningRate = scheduledRate(values, step, request.maxSteps);
  await request.optimizer.step(learningRate, clip);
  await callbacks.call('onOptimizerStep', {});
  return { ...sums, gradientNorm: norm, learningRate, microBatchSize };
}

/** What all the step's batches sum up to. */
type StepSums = Pick<StepResult, 'loss' | 'metrics' | 'tokens'>;

/**
 * Loss, measures, tokens and gradients of all ranks.
 * @returns undefined where memory ran out on one, and smaller pieces may fit
 */
async function gradientsOfAll(
  request: StepRequest,
  microBatchSize: number,
): Promise<(StepSums & Pick<StepResult, 'reductionMs'>) | undefined> {
  const { model, gradients, ranks = ALONE } = request;
  if (ranks.group === undefined) {
    const alone = await gradientsOrHalf(request, microBatchSize);
    return alone && { ...alone, reductionMs: 0 };
  }
  const purpose = `step ${request.step + 1}`;
  const reduction = gradientReduction(ranks.group, {
    ...{ model, gradients, bucketMb: request.values.ddpBucketCapMb },
    purpose: `gradients of ${purpose}`,
  });
  let computedAt = 0;
  const sums = await ranks.together(purpose, async () => {
    try {
      return await gradientsOrHalf(request, microBatchSize, reduction);
    } finally {
      reduction.finish();
      computedAt = performance.now();
    }
  });
  const own = [sums?.loss ?? 0, sums?.tokens ?? 0, Number(sums === undefined)];
  const [loss, tokens, short] = await ranks.reduce(own, 'sum', purpose);
  if (short > 0) return undefined;
  // After the sum, so that all ranks throw or none.
  if (!Number.isFinite(loss)) throw ranks.common(new NotFinite('loss', loss));
  const measures = sequenceLoss(request.loss) === undefined ? {} : (sums?.metrics ?? {});
  const metrics = await metricsOfAll(ranks, measures, purpose);
  await reduction.done();
  return { loss, tokens, metrics, reductionMs: performance.now() - computedAt };
}

/** @returns undefined where memory ran out and smaller pieces may fit */
async function gradientsOrHalf(
  request: StepRequest,
  microBatchSize: number,
  reduction?: GradientReduction,
): Promise<StepSums | undefined> {
  try {
    return await stepGradients(request, microBatchSize, reduction);
  } catch (error) {
    if (!isMemoryError(error)) throw error;
    if (request.values.autoFindBatchSize && microBatchSize > 1) return undefined;
    throw new TunebookError(
      `trainer: memory ran out in step ${request.step + 1}, with ${microBatchSize} examples at a time. ` +
        'Use autoFindBatchSize: true, gradientCheckpointing: true, a smaller perDeviceTrainBatchSize with more ' +
        'gradientAccumulationSteps, or a LoRA adapter.',
      { cause: error },
    );
  }
}

/**
 * Gradients of the mean loss over the labelled tokens (or the sequences) of all the step's batches.
 * @param reduction learns of the last batch's gradients, while they are computed
 */
export async function stepGradients(
  request: StepRequest,
  microBatchSize: number,
  reduction?: GradientReduction,
): Promise<StepSums> {
  const { model, values, gradients, callbacks, step, ranks = ALONE } = request;
  const { rank, worldSize } = ranks;
  const { seed, neftuneNoiseAlpha: alpha } = values;
  const pieces = request.group.flatMap((batch) => cut(batch, microBatchSize));
  const batches = pieces.map((indices) => request.collate(indices.map((i) => request.dataset[i])));
  // Counted before the first backward pass, so that a step's loss does not depend on the number of pieces.
  const labels = batches.reduce((total, batch) => total + countLabels(batch), 0);
  const mostPieces =
    values.gradientAccumulationSteps * worldSize * Math.ceil(values.perDeviceTrainBatchSize / microBatchSize);
  const whole = sequenceLoss(request.loss)?.over(request.group.flat().map((i) => request.dataset[i]));
  const metrics: Record<string, MetricSum> = {};
  let loss = 0;
  // Batches keep their numbers, and with them their dropout and noise, whichever rank takes them.
  const own = [...batches.entries()].filter(([micro]) => micro % worldSize === rank);
  if (own.length === 0) {
    gradients.flat.fill(0);
    reduction?.onIdle();
  }
  for (const [place, [micro, batch]] of own.entries()) {
    const random = { seed, step: step * mostPieces + micro };
    loss += await forwardBackward(model, gradients, {
      batch,
      lossScale: 1 / Math.max(1, labels),
      accumulate: place > 0,
      gradientCheckpointing: values.gradientCheckpointing,
      labelSmoothing: values.labelSmoothingFactor,
      loss: logitsLoss(request.loss),
      tokenLoss: whole === undefined ? undefined : counted(whole, metrics),
      noise: alpha === undefined ? undefined : { alpha, ...random },
      dropout: values.dropout ? random : undefined,
      onStage: place === own.length - 1 ? reduction?.onStage : undefined,
    });
    if (worldSize === 1 && !Number.isFinite(loss)) throw new NotFinite('loss', loss);
    if (place < own.length - 1) await callbacks.call('onSubstepEnd', {});
  }
  return { loss, metrics, tokens: own.reduce((total, [, batch]) => total + realTokens(batch), 0) };
}

/** Pieces of at most `size` examples, as even as possible. */
export function cut(batch: readonly number[], size: number): number[][] {
  const count = Math.ceil(batch.length / size);
  return Array.from({ length: count }, (_, i) =>
    batch.slice(Math.floor((i * batch.length) / count), Math.floor(((i + 1) * batch.length) / count)),
  );
}

/** A loss, gradient norm or weight that is not finite; the trainer adds where it was and what to do. */
export class NotFinite extends TunebookError {
  constructor(
    readonly what: 'loss' | 'gradient norm' | 'weights',
    readonly value: number,
  ) {
    super(`trainer: expected finite ${what}, got ${value}.`);
  }
}

/** The first trained weight that is not finite, if any. */
export function infiniteWeight(
  parameters: readonly { readonly data: Float32Array }[],
): NotFinite | undefined {
  for (const { data } of parameters)
    for (let i = 0; i < data.length; i++)
      if (data[i] - data[i] !== 0) return new NotFinite('weights', data[i]);
  return undefined;
}

/** The error of a step whose loss or gradients are not finite, with the step's examples named. */
export function notFinite(
  fault: NotFinite,
  at: {
    step: number;
    /** Numbers of the step's examples. */
    examples: readonly number[];
    learningRate: number;
    /** A sentence about the last checkpoint. */
    lastCheckpoint: string;
  },
): TunebookError {
  return new TunebookError(
    `trainer: expected ${fault.what === 'weights' ? 'finite' : 'a finite'} ${fault.what}, got ${fault.value} at step ${at.step} (training examples ` +
      `${at.examples.join(', ')}). ${at.lastCheckpoint} Lower learningRate (now ${at.learningRate}), clip harder ` +
      `(maxGradNorm), or look at these examples; then resume with resumeFromCheckpoint.`,
    { cause: fault },
  );
}

function realTokens(batch: Batch): number {
  return batch.attentionMask.reduce((total, real) => total + real, 0);
}
