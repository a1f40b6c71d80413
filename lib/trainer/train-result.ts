/**
 * What a training run gives back: how far it came, why it ended, and how fast it was.
 */
import type { CheckedArguments } from './arguments/schema';
import type { TrainerState } from './state/state';

/** How a run ended, and its figures. */
export interface TrainResult {
  globalStep: number;
  /** Mean loss over the run's steps. */
  trainingLoss: number;
  /** As Hugging Face names them: train_runtime (seconds), train_steps_per_second, train_tokens_per_second, ... */
  metrics: Record<string, number>;
  /** Why the run ended: all steps done, nothing gained for long, asked to stop, or out of time. */
  stopped: 'finished' | 'early stopping' | 'interrupted' | 'time limit' | 'callback';
  /** The last checkpoint written by this call. */
  checkpoint?: string;
}

export function runOutput(run: {
  values: CheckedArguments;
  state: TrainerState;
  stopped: TrainResult['stopped'];
  checkpoint: string | undefined;
  elapsedMs: number;
  /** Steps and tokens of this call, those before a resume not counted. */
  steps: number;
  tokens: number;
  /** What the optimizer keeps from step to step. */
  optimizerBytes: number;
  /** Figures of an evaluation at an early end. */
  evaluation: Readonly<Record<string, number>>;
}): TrainResult {
  const { state, values } = run;
  const seconds = run.elapsedMs / 1000;
  const trainingLoss = state.totalLoss / Math.max(1, state.globalStep);
  const samples = run.steps * values.perDeviceTrainBatchSize * values.gradientAccumulationSteps;
  return {
    globalStep: state.globalStep,
    trainingLoss,
    stopped: run.stopped,
    checkpoint: run.checkpoint,
    metrics: {
      train_runtime: seconds,
      train_samples_per_second: samples / seconds,
      train_steps_per_second: run.steps / seconds,
      train_tokens_per_second: run.tokens / seconds,
      train_loss: trainingLoss,
      optimizer_state_bytes: run.optimizerBytes,
      epoch: state.epoch,
      ...run.evaluation,
    },
  };
}
