/** Log-probabilities of a batch's answers, from those of its labelled tokens. */
import type { MetricSums, TokenLogProbabilities } from '../../models';

/** Of each row of a batch of pairs: the first half chosen, the second rejected. */
export interface AnswerLogps {
  /** Pairs, half of the rows. */
  readonly pairs: number;
  /** Sum over the answer's tokens, nats, [B]. */
  readonly logps: Float64Array;
  /** Tokens of the answer, at least 1, [B]. */
  readonly counts: Float64Array;
  /** Row of each labelled token. */
  readonly rowOf: (token: number) => number;
  /** Whether a labelled token is one of the answer; the others are of its prompt. */
  readonly isAnswer: (token: number) => boolean;
}

export function answerLogps({ batch, rows, values }: TokenLogProbabilities): AnswerLogps {
  const [B, T] = batch.shape;
  const starts = batch.pairs?.answerStarts;
  if (starts === undefined) throw new Error('internal: a loss of pairs over a batch without pairs');
  const rowOf = (token: number): number => Math.floor(rows[token] / T);
  // The position after the one that predicts is the token's own.
  const isAnswer = (token: number): boolean => (rows[token] % T) + 1 >= starts[rowOf(token)];
  const logps = new Float64Array(B);
  const counts = new Float64Array(B);
  for (let token = 0; token < values.length; token++) {
    if (!isAnswer(token)) continue;
    logps[rowOf(token)] += values[token];
    counts[rowOf(token)]++;
  }
  // Nothing may be left of an answer that is cut short for a measurement of memory.
  return { pairs: B / 2, logps, counts: counts.map((count) => Math.max(1, count)), rowOf, isAnswer };
}

/** log(1 + exp(x)), without overflow. */
export function softplus(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}

/** 1 / (1 + exp(-x)), without overflow. */
export function sigmoid(x: number): number {
  return x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x));
}

/** What TRL logs of rewards and log-probabilities, by its names. */
export function rewardMetrics(pair: {
  readonly rewards: readonly [chosen: number, rejected: number];
  readonly logps: readonly [chosen: number, rejected: number];
}): Record<string, number> {
  const [chosen, rejected] = pair.rewards;
  return {
    'rewards/chosen': chosen,
    'rewards/rejected': rejected,
    'rewards/accuracies': chosen > rejected ? 1 : 0,
    'rewards/margins': chosen - rejected,
    'logps/chosen': pair.logps[0],
    'logps/rejected': pair.logps[1],
  };
}

/** The measures of one pair, as sums that batches add up. */
export function ofOnePair(measures: Readonly<Record<string, number>>): MetricSums {
  return Object.fromEntries(Object.entries(measures).map(([name, sum]) => [name, { sum, count: 1 }]));
}
