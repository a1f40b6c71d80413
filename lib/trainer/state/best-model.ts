/**
 * The best checkpoint of a run so far, by a metric of its evaluations, and early stopping.
 */
import path from 'node:path';
import { TunebookError } from '../../types';
import type { CheckedArguments } from '../arguments/schema';
import type { TrainerState } from './state';

/**
 * Records the step as the best one if its evaluation beats all earlier ones. With several evaluation sets and no named
 * metric there is no best one.
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
  const gain = best === undefined ? Infinity : greaterIsBetter ? metric - best : best - metric;
  state.evaluationsWithoutGain = gain > values.earlyStoppingThreshold ? 0 : state.evaluationsWithoutGain + 1;
  if (!(gain > 0)) return;
  state.bestMetric = metric;
  state.bestModelCheckpoint = path.join(values.outputDir, `checkpoint-${state.globalStep}`);
}

/** Whether any argument depends on the best evaluation. */
export function needsBest(values: CheckedArguments): boolean {
  return values.loadBestModelAtEnd || values.earlyStoppingPatience !== undefined;
}

/** Whether the step just done is the best one so far. */
export function isBest(state: TrainerState): boolean {
  return path.basename(state.bestModelCheckpoint ?? '') === `checkpoint-${state.globalStep}`;
}

/** Whether evaluations have not improved for as long as early stopping waits. */
export function patienceIsOver(values: CheckedArguments, state: TrainerState): boolean {
  return state.evaluationsWithoutGain >= (values.earlyStoppingPatience ?? Infinity);
}
