/**
 * Which checkpoint of a run is the best one so far, by a metric of its evaluations.
 */
import path from 'node:path';
import { TunebookError } from '../types';
import type { TrainingValues } from './arguments';
import type { TrainerState } from './state';

/**
 * Notes the step as the best one if its evaluation is better than all before it.
 * @throws TunebookError where the evaluation has no metric of the name that was asked for
 */
export function rememberBest(
  values: TrainingValues,
  state: TrainerState,
  metrics: Readonly<Record<string, number>>,
): void {
  const { metricForBestModel: name, greaterIsBetter = !name.endsWith('loss') } = values;
  const metric = metrics[name];
  if (metric === undefined) {
    throw new TunebookError(
      `metricForBestModel: expected one of ${Object.keys(metrics).join(', ')}, got '${name}'.`,
    );
  }
  const best = state.bestMetric;
  if (best !== null && !(greaterIsBetter ? metric > best : metric < best)) return;
  state.bestMetric = metric;
  state.bestModelCheckpoint = path.join(values.outputDir, `checkpoint-${state.globalStep}`);
}

/** Whether the step just done is the best one so far. */
export function isBest(state: TrainerState): boolean {
  return path.basename(state.bestModelCheckpoint ?? '') === `checkpoint-${state.globalStep}`;
}
