/**
 * The loss of odds ratio preference optimization (Hong et al. 2024, eq. 6 and 7), which needs no reference model: the
 * cross-entropy of prompt and chosen answer, and beta times -log sigmoid of the log odds ratio, where the odds of an
 * answer are p / (1 - p) and log p is its tokens' mean log-probability.
 */
import type { MetricSum, SequenceLoss } from '../../models';
import { addMetrics } from '../state/metric-totals';
import { answerLogps, ofOnePair, rewardMetrics, sigmoid, softplus } from './answers';

/** Below 0 by what float32 can resolve: a certain answer has no finite odds. */
const LARGEST = -1e-7;

/** @param options beta: weight of the odds ratio */
export function orpoLoss(name: string, { beta }: { readonly beta: number }): SequenceLoss {
  return {
    name,
    over: (examples) => {
      const chosenTokens = examples.reduce((sum, { inputIds }) => sum + inputIds.length - 1, 0);
      return (tokens) => {
        const { pairs, logps, counts, rowOf, isAnswer } = answerLogps(tokens);
        const slopes = new Float64Array(2 * pairs);
        const metrics: Record<string, MetricSum> = {};
        let loss = 0;
        for (let pair = 0; pair < pairs; pair++) {
          const other = pair + pairs;
          const [chosen, rejected] = [pair, other].map((row) => Math.min(LARGEST, logps[row] / counts[row]));
          const odds = chosen - rejected - (log1mExp(chosen) - log1mExp(rejected));
          loss += (beta * softplus(-odds)) / examples.length;
          const slope = (-beta * sigmoid(-odds)) / examples.length;
          // The log odds log(p / (1 - p)) grow by 1 / (1 - p) with log p.
          slopes[pair] = slope / -Math.expm1(chosen) / counts[pair];
          slopes[other] = -slope / -Math.expm1(rejected) / counts[other];
          const measures = {
            ...rewardMetrics({ rewards: [beta * chosen, beta * rejected], logps: [chosen, rejected] }),
            log_odds_ratio: -softplus(-odds),
            log_odds_chosen: odds,
          };
          addMetrics(metrics, ofOnePair(measures));
        }
        const gradients = tokens.values.map((_, token) => (isAnswer(token) ? slopes[rowOf(token)] : 0));
        let [nll, count] = [0, 0];
        for (let token = 0; token < gradients.length; token++) {
          if (rowOf(token) >= pairs) continue;
          nll -= tokens.values[token];
          count++;
          gradients[token] -= 1 / chosenTokens;
        }
        return {
          loss: loss + nll / chosenTokens,
          gradients,
          metrics: { ...metrics, nll_loss: { sum: nll, count } },
        };
      };
    },
  };
}

/** log(1 - exp(x)) for x < 0, without cancellation. */
function log1mExp(x: number): number {
  return x < -Math.LN2 ? Math.log1p(-Math.exp(x)) : Math.log(-Math.expm1(x));
}
