/** The trainer's door. */
export { TrainingArguments } from './arguments/arguments';
export type { ArgumentOptions, CheckedArguments } from './arguments/schema';
export { checkpointFault, listCheckpoints, newestWhole } from './checkpoints/checkpoint-folders';
export type { EvaluationData } from './state/evaluate';
export type { Prediction } from './state/predict';
export { gradientNorm } from './optimizers/gradient-norm';
export type { AdafactorOptions } from './optimizers/adafactor';
export { dynamicMap } from './optimizers/blockwise-state';
export { createFlatOptimizer } from './optimizers/flat-optimizer';
export { createOptimizer, OPTIMIZERS, optimizerStateBytes, registerOptimizer } from './optimizers/optimizers';
export type { OptimizerFactory, OptimizerFactoryOptions, OptimizerName } from './optimizers/optimizers';
export type { ElementwiseRule, Optimizer, OptimizerSetup } from './optimizers/optimizer-types';
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
export { DPOTrainer } from './dpo-trainer';
export { ORPOTrainer } from './orpo-trainer';
export { DPOConfig, ORPOConfig } from './preferences/preference-config';
export type {
  DPOArguments,
  DPOLossType,
  DPOOptions,
  DPOValues,
  ORPOArguments,
  ORPOOptions,
  ORPOValues,
} from './preferences/preference-config';
export type { DPOTrainerSetup, ORPOTrainerSetup } from './preferences/preference-setup';
export type { PairData } from './preferences/pair-examples';
export { Trainer } from './trainer';
export type { TrainResult } from './train-result';
export type { TrainerSetup } from './trainer-setup';
export type { TrainCall } from './checkpoints/resume';
