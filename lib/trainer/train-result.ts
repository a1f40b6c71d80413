/**
 * What a training run gives back: how far it came, why it ended, and how fast it was.
 */
import type { TrainerState } from './state/state';

/** How a run ended, and its figures. */
export interface TrainResult {
  globalStep: number;
  /** Mean loss over the run's steps. */
  trainingLoss: number;
  /**
   * As Hugging Face names them: train_runtime (seconds), train_steps_per_second, train_tokens_per_second, ... Of a
   * resumed run they count the whole of it, up to the checkpoint and from there.
   */
  metrics: Record<string, number>;
  /** Why the run ended: all steps done, nothing gained for long, asked to stop, or out of time. */
  stopped: 'finished' | 'early stopping' | 'interrupted' | 'time limit' | 'callback';
  /** The last checkpoint written by this call. */
  checkpoint?: string;
}

export function runOutput(run: {
  state: TrainerState;
  stopped: TrainResult['stopped'];
  checkpoint: string | undefined;
  /** What the optimizer keeps from step to step. */
  optimizerBytes: number;
  /** Figures of an evaluation at an early end. */
  evaluation: Readonly<Record<string, number>>;
}): TrainResult {
  const { state } = run;
  const seconds = state.runtimeMs / 1000;
  const trainingLoss = state.totalLoss / Math.max(1, state.globalStep);
  return {
    globalStep: state.globalStep,
    trainingLoss,
    stopped: run.stopped,
    checkpoint: run.checkpoint,
    metrics: {
      train_runtime: seconds,
      train_samples_per_second: state.samplesSeen / seconds,
      train_steps_per_second: state.globalStep / seconds,
      train_tokens_per_second: state.numInputTokensSeen / seconds,
      train_loss: trainingLoss,
      num_input_tokens_seen: state.numInputTokensSeen,
      train_samples: state.samplesSeen,
      optimizer_state_bytes: run.optimizerBytes,
      epoch: state.epoch,
      ...run.evaluation,
    },
  };
}
