/**
 * The state of a run, in the fields of Hugging Face's trainer_state.json, and the callbacks that watch it.
 */
import type { StreamPosition } from '../../dataset';
import { lazySchema } from '../../schema';
import type { CheckedArguments } from '../arguments/schema';
import type { MetricSum } from '../../models';
import type { PreflightReport } from './preflight-report';

/** One log entry: step, epoch and the measured numbers. */
export type LogEntry = { readonly step: number; readonly epoch: number } & Readonly<Record<string, number>>;

/** The state of a run, as trainer_state.json keeps it. */
export interface TrainerState {
  globalStep: number;
  /** Passes over the data so far, fractions included. */
  epoch: number;
  maxSteps: number;
  numTrainEpochs: number;
  /** Tokens seen so far, without padding. */
  numInputTokensSeen: number;
  logHistory: LogEntry[];
  bestMetric: number | undefined;
  bestModelCheckpoint: string | undefined;
  /** Evaluations in a row without improvement on the best one. */
  evaluationsWithoutGain: number;
  /** Completed passes over the data, and steps of the current one. */
  epochsDone: number;
  stepInEpoch: number;
  /** Examples per forward pass: fewer than a batch where memory ran out. */
  microBatchSize: number;
  /** Sum of step losses since the last log entry; `totalLoss` over the whole run. */
  lossSinceLog: number;
  stepsSinceLog: number;
  /** Sums of a loss's measures since the last log entry. */
  metricsSinceLog: Record<string, MetricSum>;
  totalLoss: number;
  /** Duration in ms, and examples seen, over all calls of `train` that the run was resumed in. */
  runtimeMs: number;
  samplesSeen: number;
  /** Where a stream of examples goes on; undefined for a list. */
  dataPosition: StreamPosition | undefined;
}

/** Requests of callbacks; the trainer acts on them after the step. */
export interface TrainerControl {
  shouldTrainingStop: boolean;
  /** Skip to the next pass over the data. */
  shouldEpochStop: boolean;
  shouldSave: boolean;
  shouldEvaluate: boolean;
  shouldLog: boolean;
}

/** No request of a callback. */
export function noRequests(): TrainerControl {
  return {
    ...{ shouldTrainingStop: false, shouldEpochStop: false },
    ...{ shouldSave: false, shouldEvaluate: false, shouldLog: false },
  };
}

/** Arguments of every callback: the run's arguments, state and control. */
export interface CallbackContext {
  readonly args: CheckedArguments;
  readonly state: TrainerState;
  readonly control: TrainerControl;
}

/** Progress of a run: tokens per second, elapsed and remaining time. */
export interface Progress {
  /** Milliseconds since train() began. */
  readonly elapsedMs: number;
  /** Estimate from the last steps; undefined before the second one. */
  readonly remainingMs?: number;
  readonly tokensPerSecond?: number;
  /** Share of the last steps that the reduction of gradients over the ranks took, from 0 to 1; only with several. */
  readonly reductionShare?: number;
}

/** Functions called during a run; all optional, all may be async. */
export interface TrainerCallback {
  /** After construction of the trainer; not awaited. */
  onInitEnd?(context: CallbackContext): void;
  /** After a preflight that passed. */
  onPreflight?(
    context: CallbackContext & { report: PreflightReport; rows: readonly [what: string, value: string][] },
  ): void | Promise<void>;
  onTrainBegin?(context: CallbackContext): void | Promise<void>;
  onEpochBegin?(context: CallbackContext): void | Promise<void>;
  onStepBegin?(context: CallbackContext): void | Promise<void>;
  /** After each batch of an accumulated step but the last. */
  onSubstepEnd?(context: CallbackContext): void | Promise<void>;
  onPreOptimizerStep?(context: CallbackContext): void | Promise<void>;
  onOptimizerStep?(context: CallbackContext): void | Promise<void>;
  onStepEnd?(context: CallbackContext & { progress: Progress }): void | Promise<void>;
  onLog?(context: CallbackContext & { entry: LogEntry; progress: Progress }): void | Promise<void>;
  /** After each batch of an evaluation. */
  onPredictionStep?(context: CallbackContext & { done: number; total: number }): void | Promise<void>;
  onEvaluate?(context: CallbackContext & { metrics: Readonly<Record<string, number>> }): void | Promise<void>;
  /** After `trainer.predict`. */
  onPredict?(context: CallbackContext & { metrics: Readonly<Record<string, number>> }): void | Promise<void>;
  onSave?(context: CallbackContext & { folder: string }): void | Promise<void>;
  onEpochEnd?(context: CallbackContext): void | Promise<void>;
  onTrainEnd?(context: CallbackContext): void | Promise<void>;
}

export function initialState(run: {
  maxSteps: number;
  numTrainEpochs: number;
  microBatchSize: number;
}): TrainerState {
  return {
    globalStep: 0,
    epoch: 0,
    ...run,
    numInputTokensSeen: 0,
    logHistory: [],
    bestMetric: undefined,
    bestModelCheckpoint: undefined,
    evaluationsWithoutGain: 0,
    epochsDone: 0,
    stepInEpoch: 0,
    lossSinceLog: 0,
    stepsSinceLog: 0,
    metricsSinceLog: {},
    totalLoss: 0,
    runtimeMs: 0,
    samplesSeen: 0,
    dataPosition: undefined,
  };
}

const OWN = 'tunebook';

// JSON has no infinity (a perplexity may be one): it is null there.
const loggedNumber = lazySchema((z) =>
  z
    .number()
    .nullable()
    .transform((value) => value ?? Infinity),
);

const stateSchema = lazySchema((z) =>
  z.object({
    best_metric: z.number().nullable(),
    best_model_checkpoint: z.string().nullable(),
    epoch: z.number(),
    global_step: z.int().min(0),
    log_history: z.array(z.object({ step: z.number(), epoch: z.number() }).catchall(loggedNumber())),
    num_input_tokens_seen: z.number(),
    train_batch_size: z.int().positive(),
    stateful_callbacks: z.object({
      [OWN]: z.object({
        attributes: z.object({
          loss_since_log: z.number(),
          steps_since_log: z.number(),
          total_loss: z.number(),
          evaluations_without_gain: z.number(),
          epochs_done: z.int().min(0),
          step_in_epoch: z.int().min(0),
          // Older checkpoints lack these three.
          metrics_since_log: z
            .record(z.string(), z.object({ sum: z.number(), count: z.number() }))
            .default({}),
          runtime_ms: z.number().min(0).default(0),
          samples_seen: z.int().min(0).default(0),
          // Of a stream only.
          data_position: z
            .object({
              ...{ epoch: z.int().min(0), record: z.int().min(0), example: z.int().min(0) },
              place: z
                .object({
                  ...{ record: z.int().min(0), file: z.int().min(0), line: z.int().min(0) },
                  offset: z.int().min(0).optional(),
                })
                .optional(),
            })
            .optional(),
        }),
      }),
    }),
  }),
);

/** Content of trainer_state.json, in Hugging Face's names; fields of our own go where callbacks store theirs. */
export function stateToJson(state: TrainerState): Record<string, unknown> {
  return {
    best_global_step: Number(/-(\d+)$/.exec(state.bestModelCheckpoint ?? '')?.[1] ?? Number.NaN) || null,
    best_metric: state.bestMetric ?? null,
    best_model_checkpoint: state.bestModelCheckpoint ?? null,
    epoch: state.epoch,
    global_step: state.globalStep,
    is_hyper_param_search: false,
    is_local_process_zero: true,
    is_world_process_zero: true,
    log_history: state.logHistory,
    max_steps: state.maxSteps,
    num_input_tokens_seen: state.numInputTokensSeen,
    num_train_epochs: state.numTrainEpochs,
    stateful_callbacks: {
      [OWN]: {
        args: {},
        attributes: {
          loss_since_log: state.lossSinceLog,
          steps_since_log: state.stepsSinceLog,
          metrics_since_log: state.metricsSinceLog,
          total_loss: state.totalLoss,
          evaluations_without_gain: state.evaluationsWithoutGain,
          epochs_done: state.epochsDone,
          step_in_epoch: state.stepInEpoch,
          runtime_ms: state.runtimeMs,
          samples_seen: state.samplesSeen,
          ...(state.dataPosition === undefined ? {} : { data_position: state.dataPosition }),
        },
      },
    },
    train_batch_size: state.microBatchSize,
  };
}

/** A run's progress from trainer_state.json; its length (steps, epochs) is the new run's own. */
export function progressFromJson(json: unknown): Omit<TrainerState, 'maxSteps' | 'numTrainEpochs'> {
  const read = stateSchema().parse(json);
  const own = read.stateful_callbacks[OWN].attributes;
  return {
    globalStep: read.global_step,
    epoch: read.epoch,
    numInputTokensSeen: read.num_input_tokens_seen,
    logHistory: read.log_history,
    bestMetric: read.best_metric ?? undefined,
    bestModelCheckpoint: read.best_model_checkpoint ?? undefined,
    evaluationsWithoutGain: own.evaluations_without_gain,
    epochsDone: own.epochs_done,
    stepInEpoch: own.step_in_epoch,
    microBatchSize: read.train_batch_size,
    lossSinceLog: own.loss_since_log,
    stepsSinceLog: own.steps_since_log,
    metricsSinceLog: own.metrics_since_log,
    totalLoss: own.total_loss,
    runtimeMs: own.runtime_ms,
    samplesSeen: own.samples_seen,
    dataPosition: own.data_position,
  };
}
