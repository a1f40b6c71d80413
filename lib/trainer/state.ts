/**
 * The state of a run, in the fields of Hugging Face's trainer_state.json, and the callbacks that watch it.
 */
import type { TrainingValues } from './arguments';

/** One entry of the log: step and epoch, and what was measured. */
export type LogEntry = { readonly step: number; readonly epoch: number } & Readonly<Record<string, number>>;

export interface TrainerState {
  globalStep: number;
  /** Passes over the data so far, with its fraction. */
  epoch: number;
  maxSteps: number;
  numTrainEpochs: number;
  /** Tokens seen so far, padding not counted. */
  numInputTokensSeen: number;
  logHistory: LogEntry[];
  bestMetric: number | null;
  bestModelCheckpoint: string | null;
  /** Sum of the steps' losses since the last log entry, and over the whole run. */
  lossSinceLog: number;
  stepsSinceLog: number;
  totalLoss: number;
}

/** What callbacks may ask for; the trainer does it after the step. */
export interface TrainerControl {
  shouldTrainingStop: boolean;
  shouldSave: boolean;
  shouldEvaluate: boolean;
  shouldLog: boolean;
}

export interface CallbackContext {
  readonly args: TrainingValues;
  readonly state: TrainerState;
  readonly control: TrainerControl;
}

export interface Progress {
  /** Milliseconds since train() began. */
  readonly elapsedMs: number;
  /** Estimate from the last steps; undefined before the second one. */
  readonly remainingMs?: number;
  readonly tokensPerSecond?: number;
}

/** Functions that are called along a run; each may be left out, each may be async. */
export interface TrainerCallback {
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
  onSave?(context: CallbackContext & { folder: string }): void | Promise<void>;
  onEpochEnd?(context: CallbackContext): void | Promise<void>;
  onTrainEnd?(context: CallbackContext): void | Promise<void>;
}

export function initialState(maxSteps: number, numTrainEpochs: number): TrainerState {
  return {
    globalStep: 0,
    epoch: 0,
    maxSteps,
    numTrainEpochs,
    numInputTokensSeen: 0,
    logHistory: [],
    bestMetric: null,
    bestModelCheckpoint: null,
    lossSinceLog: 0,
    stepsSinceLog: 0,
    totalLoss: 0,
  };
}

/** trainer_state.json's content, in Hugging Face's names. */
export function stateToJson(state: TrainerState): Record<string, unknown> {
  return {
    best_metric: state.bestMetric,
    best_model_checkpoint: state.bestModelCheckpoint,
    epoch: state.epoch,
    global_step: state.globalStep,
    log_history: state.logHistory,
    max_steps: state.maxSteps,
    num_input_tokens_seen: state.numInputTokensSeen,
    num_train_epochs: state.numTrainEpochs,
    tunebook: {
      loss_since_log: state.lossSinceLog,
      steps_since_log: state.stepsSinceLog,
      total_loss: state.totalLoss,
    },
  };
}
