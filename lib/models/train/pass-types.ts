/** The interfaces of the two ends of a training pass, on the host or on a device. */
import type { LinearCrossEntropyRequest } from '../../engine';
import type { HostTensor } from '../../types';
import type { Gradients } from './gradients';

/** Forward and backward pass of the embeddings; `forward` comes first. */
export interface EmbeddingPass {
  /** float32 [B, T, C] */
  forward(): Promise<HostTensor>;
  /** Adds the gradient of `forward`'s output to those of the tables, or writes it where there is none yet. */
  backward(upstream: HostTensor, gradients: Gradients, accumulate: boolean): Promise<void>;
}

/** Targets of the head, padded to a row count that functions are compiled for. */
export interface HeadTargets {
  /** Rows of the head's x that predict a label, int32 [R]; padded with the first. */
  readonly rows: Int32Array;
  /** int32 [R] */
  readonly labels: Int32Array;
  /** float32 [R]; 0 on padding. */
  readonly rowWeights: Float32Array;
  /** Default: the sum of the rows' losses by their weights. */
  readonly weigh?: Weigh;
}

/** A loss of the rows' losses: see `LinearCrossEntropyRequest`. */
export type Weigh = NonNullable<LinearCrossEntropyRequest['weigh']>;

/** The head of one pass. @param x hidden states after the last block, float32 [B, T, C], or [1, R, C] of `rows` */
export interface HeadPass {
  loss(x: HostTensor): Promise<number>;
  /** Writes the gradients of the head's parameters into `gradients`; dX is the gradient of x. */
  lossAndGradients(
    x: HostTensor,
    gradients: Gradients,
    accumulate: boolean,
  ): Promise<{ loss: number; dX: HostTensor }>;
}
