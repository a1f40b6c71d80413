/**
 * Which checkpoint of a run is the best one so far, by a metric of its evaluations, and whether evaluations have
 * stopped getting better.
 */
import path from 'node:path';
import { TunebookError } from '../../types';
import type { CheckedArguments } from '../arguments/schema';
import type { TrainerState } from './state';

/**
 * Notes the step as the best one if its evaluation is better than all before it. Where several evaluation sets
 * are given and no metric is named, none is the best.
 * @throws TunebookError where the evaluation has no metric of that name
 */
export function rememberBest(
  values: CheckedArguments,
  state: TrainerState,
  metrics: Readonly<Record<string, number>>,
): void {
  const wanted = values.metricForBestModel ?? 'eval_loss';
  const name = wanted in metrics ? wanted : `eval_${wanted}`;
  const metric = metrics[name];
  if (metric === undefined) {
    if (values.metricForBestModel === undefined && !needsBest(values)) return;
    throw new TunebookError(
      `metricForBestModel: expected one of ${Object.keys(metrics).join(', ')}, got '${wanted}'.`,
    );
  }
  const { greaterIsBetter = !name.endsWith('loss') } = values;
  const best = state.bestMetric;
  const gain = best === null ? Infinity : greaterIsBetter ? metric - best : best - metric;
  state.evaluationsWithoutGain = gain > values.earlyStoppingThreshold ? 0 : state.evaluationsWithoutGain + 1;
  if (!(gain > 0)) return;
  state.bestMetric = metric;
  state.bestModelCheckpoint = path.join(values.outputDir, `checkpoint-${state.globalStep}`);
}

/** Whether something depends on which evaluation is the best. */
export function needsBest(values: CheckedArguments): boolean {
  return values.loadBestModelAtEnd || values.earlyStoppingPatience !== undefined;
}

/** Whether the step just done is the best one so far. */
export function isBest(state: TrainerState): boolean {
  return path.basename(state.bestModelCheckpoint ?? '') === `checkpoint-${state.globalStep}`;
}

/** Whether evaluations have been no better for as long as early stopping waits. */
export function patienceIsOver(values: CheckedArguments, state: TrainerState): boolean {
  return state.evaluationsWithoutGain >= (values.earlyStoppingPatience ?? Infinity);
}
