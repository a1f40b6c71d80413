/**
 * The steps of a run: how many, which examples in which batch, which learning rate; pure functions of the
 * arguments and the data.
 */
import { batchOrder, rowLength } from '../../dataset';
import { TunebookError } from '../../types';
import type { EncodedExample } from '../../types';
import type { CheckedArguments } from '../arguments/schema';
import { initialState } from '../state/state';
import type { TrainerControl, TrainerState } from '../state/state';
import { learningRateAt } from '../optimizers/schedules';

/** Optimizer steps in one pass over the data. @throws TunebookError where there is not one whole batch */
export function stepsPerEpoch(values: CheckedArguments, examples: number): number {
  const { perDeviceTrainBatchSize: size, gradientAccumulationSteps, dataloaderDropLast } = values;
  const batches = dataloaderDropLast ? Math.floor(examples / size) : Math.ceil(examples / size);
  if (batches === 0) {
    throw new TunebookError(
      `Trainer: expected at least one whole batch of ${size}, got ${examples} examples. ` +
        'Lower perDeviceTrainBatchSize, set dataloaderDropLast: false, or give more examples.',
    );
  }
  return Math.ceil(batches / gradientAccumulationSteps);
}

/** Optimizer steps of the whole run. */
export function totalSteps(values: CheckedArguments, examples: number): number {
  return values.maxSteps > 0
    ? values.maxSteps
    : Math.ceil(values.numTrainEpochs * stepsPerEpoch(values, examples));
}

/** A pass over the data, after one of its steps. */
export interface Pass {
  /** Whether it was the last one. */
  readonly ends: boolean;
  /** Leaves the rest of it out. */
  skip(): void;
}

/** The state of a run before its first step. @param examples Infinity for a stream, whose passes nobody can count */
export function stateAtStart(values: CheckedArguments, examples: number): TrainerState {
  const { perDeviceTrainBatchSize: microBatchSize } = values;
  if (examples === Infinity)
    return initialState({ maxSteps: values.maxSteps, numTrainEpochs: 1, microBatchSize });
  const maxSteps = totalSteps(values, examples);
  return initialState({
    maxSteps,
    numTrainEpochs: Math.ceil(maxSteps / stepsPerEpoch(values, examples)),
    microBatchSize,
  });
}

/** What the arguments ask for after a step. */
export function whatIsDue(
  values: CheckedArguments,
  { globalStep }: TrainerState,
  epochEnds: boolean,
): Pick<TrainerControl, 'shouldLog' | 'shouldEvaluate' | 'shouldSave'> {
  const due = (strategy: CheckedArguments['saveStrategy'], steps: number): boolean =>
    strategy === 'steps' ? globalStep % steps === 0 : strategy === 'epoch' && epochEnds;
  const isFirst = globalStep === 1 && values.loggingStrategy !== 'no';
  return {
    shouldLog: isFirst || due(values.loggingStrategy, values.loggingSteps),
    shouldEvaluate: due(values.evalStrategy, values.evalSteps ?? values.loggingSteps),
    shouldSave: due(values.saveStrategy, values.saveSteps),
  };
}

/** Example numbers of one epoch: per step, per batch. */
export function epochSteps(
  values: CheckedArguments,
  dataset: readonly EncodedExample[],
  epoch: number,
): number[][][] {
  const batches = batchOrder({
    lengths: dataset.map(rowLength),
    batchSize: values.perDeviceTrainBatchSize,
    seed: values.seed,
    epoch,
    groupByLength: values.groupByLength,
    dropLast: values.dataloaderDropLast,
  });
  const size = values.gradientAccumulationSteps;
  return Array.from({ length: Math.ceil(batches.length / size) }, (_, i) =>
    batches.slice(i * size, (i + 1) * size),
  );
}

/** Learning rate of the step after `step` steps. */
export function scheduledRate(values: CheckedArguments, step: number, steps: number): number {
  const { learningRate, lrSchedulerType: name, lrSchedulerKwargs: settings, warmupRatio } = values;
  const warmupSteps = values.warmupSteps > 0 ? values.warmupSteps : Math.ceil(steps * warmupRatio);
  return learningRateAt({ name, learningRate, warmupSteps, totalSteps: steps, ...settings }, step);
}
