/**
 * Progress of a run as text: one line rewritten in place on a terminal, a line per log entry elsewhere.
 */
import { requireObject } from '../../types';
import { clockTime } from '../../display';
import { preflightText } from '../state/preflight-report';
import type { Progress, TrainerCallback } from '../state/state';

/** 'step 20/100  loss 1.234  950 tokens/s  0:21 elapsed, 1:35 left' */
export function progressText(
  state: { globalStep: number; maxSteps: number },
  progress: Progress,
  loss?: number,
): string {
  requireObject(state, { where: 'progressText', what: 'a state { globalStep, maxSteps }' });
  requireObject(progress, { where: 'progressText', what: 'progress', fields: ['elapsedMs'] });
  const parts = [`step ${state.globalStep}/${state.maxSteps}`];
  if (loss !== undefined) parts.push(`loss ${loss.toFixed(4)}`);
  if (progress.tokensPerSecond !== undefined) parts.push(`${Math.round(progress.tokensPerSecond)} tokens/s`);
  if (progress.reductionShare !== undefined) parts.push(reductionText(progress.reductionShare));
  const left = progress.remainingMs === undefined ? '' : `, ${clockTime(progress.remainingMs)} left`;
  parts.push(`${clockTime(progress.elapsedMs)} elapsed${left}`);
  return parts.join('  ');
}

/** From this share on a user should do something about it. */
const LARGE_SHARE = 0.25;

function reductionText(share: number): string {
  const advice = share < LARGE_SHARE ? '' : ' (raise gradientAccumulationSteps)';
  return `reduction ${Math.round(100 * share)} %${advice}`;
}

/** The message after a run that ended early. */
export function howToGoOn(run: { stopped: string; globalStep: number; checkpoint?: string }): string {
  return (
    `Training stopped (${run.stopped}) after step ${run.globalStep}; ${run.checkpoint} is whole. ` +
    `Resume with train({ resumeFromCheckpoint: true }).`
  );
}

/** A callback that shows preflight, steps and losses on the console. */
export function consoleProgress(stream: NodeJS.WriteStream = process.stdout): TrainerCallback {
  // Open MPI gives ranks a terminal without columns, whatever it writes their output to itself.
  const live = stream.isTTY && stream.columns !== 0;
  let loss: number | undefined;
  return {
    onPreflight({ report }) {
      stream.write(`${preflightText(report)}\n`);
    },
    onStepEnd({ state, progress }) {
      if (live) stream.write(`\r\x1b[K${progressText(state, progress, loss)}`);
    },
    onLog({ state, entry, progress }) {
      if (entry.eval_loss !== undefined) {
        stream.write(
          `${live ? '\r\x1b[K' : ''}step ${state.globalStep}  eval_loss ${entry.eval_loss.toFixed(4)}\n`,
        );
        return;
      }
      loss = entry.loss;
      if (!live) stream.write(`${progressText(state, progress, loss)}\n`);
    },
    onSave({ folder }) {
      stream.write(`${live ? '\r\x1b[K' : ''}saved ${folder}\n`);
    },
    onTrainEnd() {
      if (live) stream.write('\n');
    },
  };
}
