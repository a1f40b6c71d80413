/** The trainer's door. */
export { TrainingArguments } from './arguments';
export type { TrainingOptions, TrainingValues } from './arguments';
export { checkpointFault, listCheckpoints, newestWhole } from './checkpoint-folders';
export type { EvaluationData, Prediction } from './evaluate';
export { gradientNorm } from './gradient-norm';
export type { AdafactorOptions } from './adafactor';
export { dynamicMap } from './blockwise-state';
export { createOptimizer, OPTIMIZERS, optimizerStateBytes } from './optimizers';
export type { OptimizerName, OptimizerOptions } from './optimizers';
export type { Optimizer } from './optimizer-types';
export { preflightRows, preflightText } from './preflight-report';
export type { PreflightReport } from './preflight-report';
export { formatDuration } from './duration';
export { consoleProgress, progressText } from './progress';
export { learningRateAt, SCHEDULES } from './schedules';
export type { ScheduleName, ScheduleOptions, ScheduleSettings } from './schedules';
export type {
  CallbackContext,
  LogEntry,
  Progress,
  TrainerCallback,
  TrainerControl,
  TrainerState,
} from './state';
export { Trainer } from './trainer';
export type { TrainOutput } from './run-output';
export type { TrainerOptions } from './trainer-options';
export type { TrainOptions } from './resume';
