/** The trainer's door. */
export { TrainingArguments } from './arguments/arguments';
export type { TrainingOptions, TrainingValues } from './arguments/arguments';
export { checkpointFault, listCheckpoints, newestWhole } from './checkpoints/checkpoint-folders';
export type { EvaluationData, Prediction } from './state/evaluate';
export { gradientNorm } from './optimizers/gradient-norm';
export type { AdafactorOptions } from './optimizers/adafactor';
export { dynamicMap } from './optimizers/blockwise-state';
export { createOptimizer, OPTIMIZERS, optimizerStateBytes } from './optimizers/optimizers';
export type { OptimizerName, OptimizerOptions } from './optimizers/optimizers';
export type { Optimizer } from './optimizers/optimizer-types';
export { preflightRows, preflightText } from './state/preflight-report';
export type { PreflightReport } from './state/preflight-report';
export { consoleProgress, progressText } from './reports/progress';
export { learningRateAt, SCHEDULES } from './optimizers/schedules';
export type { ScheduleName, ScheduleOptions, ScheduleSettings } from './optimizers/schedules';
export type {
  CallbackContext,
  LogEntry,
  Progress,
  TrainerCallback,
  TrainerControl,
  TrainerState,
} from './state/state';
export { Trainer } from './trainer';
export type { TrainOutput } from './run-output';
export type { TrainerOptions } from './trainer-options';
export type { TrainOptions } from './checkpoints/resume';
