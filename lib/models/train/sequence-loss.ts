/**
 * Losses of the log-probabilities of labelled tokens: of whole sequences, such as DPO's and ORPO's. They are computed
 * on the host, between the two halves of a pass: their gradient is the cross-entropy's with a factor for each token.
 */
import type { Batch, EncodedExample } from '../../types';

/** What a pass knows of its labelled tokens. */
export interface TokenLogProbabilities {
  readonly batch: Batch;
  /** Index in [B * T] of the position that predicts each token, ascending. */
  readonly rows: ArrayLike<number>;
  /** Of each of these tokens, in nats. */
  readonly values: Float64Array;
}

/** A loss, and its gradient with respect to each token's log-probability. */
export interface TokenLossResult {
  readonly loss: number;
  readonly gradients: Float64Array;
}

/** What is minimized in one pass. */
export type TokenLoss = (tokens: TokenLogProbabilities) => TokenLossResult;

/** A measure as a sum and what it is divided by, so that batches add up. */
export interface MetricSum {
  readonly sum: number;
  readonly count: number;
}

/** Measures by the names of their log entries. */
export type MetricSums = Readonly<Record<string, MetricSum>>;

/**
 * A loss over whole sequences, for `new Trainer({ loss })`. `DPOTrainer` and `ORPOTrainer` are made with it.
 */
export interface SequenceLoss {
  /** Named in errors; a resumed run must have the same. */
  readonly name: string;
  /**
   * The loss of a step (or an evaluation) over these examples, whose batches' losses are summed: the mean over them all.
   * @returns a function that is called once a batch; its measures go to the log
   */
  readonly over: (
    examples: readonly EncodedExample[],
  ) => (tokens: TokenLogProbabilities) => TokenLossResult & { readonly metrics: MetricSums };
}
