/**
 * One optimizer step: batches to a loss, gradients that are checked and clipped, and better weights.
 */
import type { DataCollator } from '../dataset';
import { countLabels, forwardBackward } from '../models';
import type { CausalLM, Gradients } from '../models';
import { TunebookError } from '../types';
import type { Batch, EncodedExample } from '../types';
import type { TrainingValues } from './arguments';
import type { CallbackList } from './callbacks';
import { gradientNorm } from './gradient-norm';
import type { Optimizer } from './optimizer-types';
import { plannedRate } from './plan';

export interface StepRequest {
  readonly model: CausalLM;
  readonly values: TrainingValues;
  readonly dataset: readonly EncodedExample[];
  readonly collate: DataCollator;
  readonly callbacks: CallbackList;
  readonly gradients: Gradients;
  readonly optimizer: Optimizer;
  /** Example numbers, per batch. */
  readonly group: readonly (readonly number[])[];
  /** Steps before this one, and of the whole run. */
  readonly step: number;
  readonly maxSteps: number;
}

export interface StepResult {
  /** Mean over the step's labelled tokens, nats. */
  readonly loss: number;
  /** Global norm of the gradients before clipping. */
  readonly gradientNorm: number;
  readonly learningRate: number;
  /** Padding not counted. */
  readonly tokens: number;
}

/** @throws NotFinite for a loss or gradients that are not finite; the weights are then as before the step */
export async function trainingStep(request: StepRequest): Promise<StepResult> {
  const { model, values, gradients, callbacks, group, step } = request;
  await callbacks.call('onStepBegin', {});
  const batches = group.map((indices) => request.collate(indices.map((i) => request.dataset[i])));
  // Known before the first backward pass, so that a step's loss is the same in one piece or in many.
  const labels = batches.reduce((total, batch) => total + countLabels(batch), 0);
  let loss = 0;
  for (const [micro, batch] of batches.entries()) {
    loss += await forwardBackward(model, gradients, {
      batch,
      lossScale: 1 / Math.max(1, labels),
      accumulate: micro > 0,
      gradientCheckpointing: values.gradientCheckpointing,
      dropout: values.dropout
        ? { seed: values.seed, step: step * values.gradientAccumulationSteps + micro }
        : undefined,
    });
    if (!Number.isFinite(loss)) throw new NotFinite('loss', loss);
    if (micro < batches.length - 1) await callbacks.call('onSubstepEnd', {});
  }
  await callbacks.call('onPreOptimizerStep', {});
  const norm = await gradientNorm(model.engine, gradients.flat);
  if (!Number.isFinite(norm)) throw new NotFinite('gradient norm', norm);
  const clip = values.maxGradNorm > 0 ? Math.min(1, values.maxGradNorm / (norm + 1e-6)) : 1;
  const learningRate = plannedRate(values, step, request.maxSteps);
  await request.optimizer.step(learningRate, clip);
  await callbacks.call('onOptimizerStep', {});
  const tokens = batches.reduce((total, batch) => total + realTokens(batch), 0);
  return { loss, gradientNorm: norm, learningRate, tokens };
}

/** What came out infinite or as no number; the trainer tells the user where and what to do. */
export class NotFinite extends TunebookError {
  constructor(
    readonly what: 'loss' | 'gradient norm',
    readonly value: number,
  ) {
    super(`trainer: expected a finite ${what}, got ${value}.`);
  }
}

/** The error of a step whose loss or gradients are not finite, with the step's examples named. */
export function notFinite(
  fault: NotFinite,
  at: {
    step: number;
    group: readonly (readonly number[])[];
    learningRate: number;
    checkpoint: string | undefined;
  },
): TunebookError {
  const kept =
    at.checkpoint === undefined ? 'There is no checkpoint yet.' : `The last checkpoint is ${at.checkpoint}.`;
  return new TunebookError(
    `trainer: expected a finite ${fault.what}, got ${fault.value} at step ${at.step} (training examples ` +
      `${at.group.flat().join(', ')}). ${kept} Lower learningRate (now ${at.learningRate}), clip harder ` +
      `(maxGradNorm), or look at these examples; then go on with resumeFromCheckpoint.`,
    { cause: fault },
  );
}

function realTokens(batch: Batch): number {
  return batch.attentionMask.reduce((total, real) => total + real, 0);
}
