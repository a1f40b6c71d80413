/**
 * The result of a training run: its steps, why it ended, and how fast it was.
 */
import type { CheckedArguments } from './arguments/schema';
import { patienceIsOver } from './state/best-model';
import type { StepClock } from './step/step-clock';
import type { TrainerState } from './state/state';

/** Result of a run: how it ended, and its metrics. */
export interface TrainResult {
  globalStep: number;
  /** Mean loss over the run's steps. */
  trainingLoss: number;
  /**
   * By Hugging Face's names: train_runtime (seconds), train_steps_per_second, train_tokens_per_second, ... Those of a
   * resumed run cover all of it, before and after the checkpoint.
   */
  metrics: Record<string, number>;
  /** Why the run ended: all steps done, early stopping, a signal, the time limit, or a callback. */
  stopped: 'finished' | 'early stopping' | 'interrupted' | 'time limit' | 'callback';
  /** The last checkpoint written by this call. */
  checkpoint?: string;
}

/** Ways to end, the weakest first: where ranks see different ones, the strongest counts. */
export const STOPS = [
  'finished',
  'callback',
  'time limit',
  'interrupted',
  'early stopping',
] as const satisfies readonly TrainResult['stopped'][];

/** Why this process ends the run. */
export function stopReason(run: {
  values: CheckedArguments;
  state: TrainerState;
  clock: StepClock;
  signal: NodeJS.Signals | undefined;
  isStopping: boolean;
}): TrainResult['stopped'] {
  const { values, state, clock, signal } = run;
  if (state.globalStep >= state.maxSteps || !run.isStopping) return 'finished';
  if (patienceIsOver(values, state)) return 'early stopping';
  if (signal !== undefined) return 'interrupted';
  return clock.timeIsUp() ? 'time limit' : 'callback';
}

export function runOutput(run: {
  state: TrainerState;
  stopped: TrainResult['stopped'];
  checkpoint: string | undefined;
  /** Size of the optimizer's state. */
  optimizerBytes: number;
  /** Metrics of the evaluation at an early end. */
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
