/** The two ends of a training pass, wherever their tables are. */
import type { HostTensor } from '../../types';
import type { Gradients } from './gradients';

/** Forward and backward pass of the embeddings; `forward` comes first. */
export interface EmbeddingPass {
  /** float32 [B, T, C] */
  forward(): Promise<HostTensor>;
  /** Adds the gradient of what `forward` gave to the tables', or writes it where nothing is there yet. */
  backward(upstream: HostTensor, gradients: Gradients, accumulate: boolean): Promise<void>;
}

/** What the head has to predict: padded to a number of rows that functions are compiled for. */
export interface HeadTargets {
  /** Rows of [B * T, C] that predict a label, int32 [R]; padding names the first. */
  readonly rows: Int32Array;
  /** int32 [R] */
  readonly labels: Int32Array;
  /** float32 [R]; 0 on padding. */
  readonly rowWeights: Float32Array;
}

/** The head of one pass. @param x hidden states after the last block, float32 [B, T, C] */
export interface HeadPass {
  loss(x: HostTensor): Promise<number>;
  /** Gradients of the head's parameters go into `gradients`; dX is that of x. */
  lossAndGradients(
    x: HostTensor,
    gradients: Gradients,
    accumulate: boolean,
  ): Promise<{ loss: number; dX: HostTensor }>;
}
