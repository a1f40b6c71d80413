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

/** @param prefix of the names in the result */
export function metricMeans(totals: MetricSums, prefix = ''): Record<string, number> {
  return Object.fromEntries(
    Object.entries(totals).map(([name, { sum, count }]) => [`${prefix}${name}`, sum / count]),
  );
}
