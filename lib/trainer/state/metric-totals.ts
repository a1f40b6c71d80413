/**
 * Measures that a loss of sequences gives, summed over batches until they are logged; and the two kinds of losses.
 */
import type {
  LossFunction,
  MetricSum,
  MetricSums,
  SequenceLoss,
  TokenLogProbabilities,
  TokenLoss,
  TokenLossResult,
} from '../../models';
import type { Ranks } from '../parallel/ranks';
import type { TrainerState } from './state';

/** A run's loss, where it is one of sequences. */
export function sequenceLoss(loss: LossFunction | SequenceLoss | undefined): SequenceLoss | undefined {
  return loss !== undefined && 'over' in loss ? loss : undefined;
}

/** A run's loss, where it is one of logits. */
export function logitsLoss(loss: LossFunction | SequenceLoss | undefined): LossFunction | undefined {
  return loss !== undefined && 'value' in loss ? loss : undefined;
}

/** The same loss; its measures are added to `totals`. */
export function counted(
  loss: (tokens: TokenLogProbabilities) => TokenLossResult & { readonly metrics: MetricSums },
  totals: Record<string, MetricSum>,
): TokenLoss {
  return (tokens) => {
    const { metrics, ...result } = loss(tokens);
    addMetrics(totals, metrics);
    return result;
  };
}

export function addMetrics(totals: Record<string, MetricSum>, metrics: MetricSums): void {
  for (const [name, { sum, count }] of Object.entries(metrics)) {
    const before = totals[name] ?? { sum: 0, count: 0 };
    totals[name] = { sum: before.sum + sum, count: before.count + count };
  }
}

/** Counts a step that was done. */
export function countStep(
  state: TrainerState,
  step: { loss: number; metrics: MetricSums; tokens: number; microBatchSize: number },
  samples: number,
): void {
  state.globalStep++;
  state.numInputTokensSeen += step.tokens;
  state.lossSinceLog += step.loss;
  state.stepsSinceLog++;
  addMetrics(state.metricsSinceLog, step.metrics);
  state.totalLoss += step.loss;
  state.samplesSeen += samples;
  state.microBatchSize = step.microBatchSize;
}

/** The measures of all ranks: rank 0 has the first batch of each step, and with it all their names. */
export async function metricsOfAll(ranks: Ranks, own: MetricSums, purpose: string): Promise<MetricSums> {
  if (ranks.group === undefined) return own;
  const names = await ranks.share(Object.keys(own), purpose);
  const numbers = names.flatMap((name) => [own[name]?.sum ?? 0, own[name]?.count ?? 0]);
  const sums = await ranks.reduce(numbers, 'sum', purpose);
  return Object.fromEntries(names.map((name, i) => [name, { sum: sums[2 * i], count: sums[2 * i + 1] }]));
}

/** @param prefix of the names in the result */
export function metricMeans(totals: MetricSums, prefix = ''): Record<string, number> {
  return Object.fromEntries(
    Object.entries(totals).map(([name, { sum, count }]) => [`${prefix}${name}`, sum / count]),
  );
}
