/**
 * The losses of direct preference optimization. With r = logp(answer) - logp(answer by the reference model) and
 * d = r(chosen) - r(rejected), per pair:
 *
 *     sigmoid  -log sigmoid(beta d)                                     Rafailov et al. 2023, eq. 7
 *     hinge    max(0, 1 - beta d)                                       Zhao et al. 2023 (SLiC)
 *     ipo      (r(chosen) / n(chosen) - r(rejected) / n(rejected) - 1 / (2 beta))^2    Azar et al. 2024, eq. 17;
 *              n are the answers' tokens, as TRL has it
 *     robust   ((1 - e) L(beta d) - e L(-beta d)) / (1 - 2 e), L the sigmoid loss and e the share of labels that are
 *              wrong                                                    Chowdhury et al. 2024
 *     sft      cross-entropy of the chosen answers, per token of the batch; beside another it keeps what the model
 *              writes (Pang et al. 2024)
 */
import type { MetricSum, SequenceLoss } from '../../models';
import { IGNORED } from '../../types';
import type { EncodedExample } from '../../types';
import { addMetrics } from '../state/metric-totals';
import { answerLogps, ofOnePair, rewardMetrics, sigmoid, softplus } from './answers';
import type { DPOLossType } from './preference-config';

export interface WeightedLoss {
  readonly lossType: DPOLossType;
  readonly weight: number;
}

export interface DPOLossOptions {
  /** Their sum is the loss. */
  readonly losses: readonly WeightedLoss[];
  readonly beta: number;
  /** 'robust' only: share of pairs whose sides are swapped. */
  readonly labelSmoothing: number;
}

/** A pair's loss, and its derivatives by the log-probabilities of both answers. */
interface PairLoss {
  readonly loss: number;
  readonly chosen: number;
  readonly rejected: number;
}

/** Of a pair: how much more probable each answer is than by the reference model, and its tokens. */
interface LogRatios {
  readonly ratios: readonly [chosen: number, rejected: number];
  readonly counts: readonly [chosen: number, rejected: number];
  /** Log-probability of the chosen answer by the model itself. */
  readonly chosenLogp: number;
  /** Tokens of the chosen answers of a batch, per pair of it. */
  readonly meanTokens: number;
}

/** @param name of the loss, which a resumed run must have in common */
export function dpoLoss(name: string, options: DPOLossOptions): SequenceLoss {
  const pairLoss = weightedSum(options);
  const learned = ({ labels }: EncodedExample): number => labels.filter((label) => label !== IGNORED).length;
  return {
    name,
    over: (examples) => (tokens) => {
      const meanTokens = examples.reduce((sum, example) => sum + learned(example), 0) / examples.length;
      const { pairs, logps, counts, rowOf, isAnswer } = answerLogps(tokens);
      const reference = tokens.batch.pairs?.referenceLogps;
      const slopes = new Float64Array(2 * pairs);
      const metrics: Record<string, MetricSum> = {};
      let loss = 0;
      for (let pair = 0; pair < pairs; pair++) {
        const other = pair + pairs;
        // In float32, as the reference is kept. Before it is known (in a preflight), the model is its own.
        const ratioOf = (row: number): number =>
          Math.fround(logps[row]) - (reference?.[row] ?? Math.fround(logps[row]));
        const ratios = [ratioOf(pair), ratioOf(other)] as const;
        const own = pairLoss({
          ...{ ratios, counts: [counts[pair], counts[other]] },
          ...{ chosenLogp: logps[pair], meanTokens },
        });
        loss += own.loss / examples.length;
        [slopes[pair], slopes[other]] = [own.chosen / examples.length, own.rejected / examples.length];
        if (reference === undefined) continue;
        const rewards = [options.beta * ratios[0], options.beta * ratios[1]] as const;
        addMetrics(metrics, ofOnePair(rewardMetrics({ rewards, logps: [logps[pair], logps[other]] })));
      }
      const gradients = tokens.values.map((_, token) => (isAnswer(token) ? slopes[rowOf(token)] : 0));
      return { loss, gradients, metrics };
    },
  };
}

function weightedSum(options: DPOLossOptions): (pair: LogRatios) => PairLoss {
  return (pair) =>
    options.losses.reduce(
      (sum, { lossType, weight }) => {
        const own = PAIR_LOSSES[lossType](pair, options);
        return {
          loss: sum.loss + weight * own.loss,
          chosen: sum.chosen + weight * own.chosen,
          rejected: sum.rejected + weight * own.rejected,
        };
      },
      { loss: 0, chosen: 0, rejected: 0 },
    );
}

const margin = ({ ratios: [chosen, rejected] }: LogRatios): number => chosen - rejected;

/** From a loss of the margin, and its slope. */
const ofMargin = (loss: number, slope: number): PairLoss => ({ loss, chosen: slope, rejected: -slope });

const PAIR_LOSSES: Readonly<Record<DPOLossType, (pair: LogRatios, options: DPOLossOptions) => PairLoss>> = {
  sigmoid: (pair, { beta }) => {
    const z = beta * margin(pair);
    return ofMargin(softplus(-z), -beta * sigmoid(-z));
  },
  hinge: (pair, { beta }) => {
    const left = 1 - beta * margin(pair);
    return ofMargin(Math.max(0, left), left > 0 ? -beta : 0);
  },
  ipo: ({ ratios, counts }, { beta }) => {
    const off = ratios[0] / counts[0] - ratios[1] / counts[1] - 1 / (2 * beta);
    return { loss: off * off, chosen: (2 * off) / counts[0], rejected: (-2 * off) / counts[1] };
  },
  robust: (pair, { beta, labelSmoothing: share }) => {
    const z = beta * margin(pair);
    const loss = (1 - share) * softplus(-z) - share * softplus(z);
    const slope = -beta * ((1 - share) * sigmoid(-z) + share * sigmoid(z));
    return ofMargin(loss / (1 - 2 * share), slope / (1 - 2 * share));
  },
  sft: ({ chosenLogp, meanTokens }) => ({
    loss: -chosenLogp / meanTokens,
    chosen: -1 / meanTokens,
    rejected: 0,
  }),
};
