/**
 * Loss of logits on the host, as Hugging Face's causal models define it: position t predicts label t + 1,
 * labels of -100 are ignored, the mean is over labelled tokens.
 */
import { IGNORED } from '../../types';

/**
 * Mean cross-entropy of logits on the host.
 * @param logits float32 [B, T, V], row-major
 * @param labels [B, T]
 * @returns mean negative log-likelihood in nats; NaN where nothing is labelled, as in PyTorch
 */
export function meanLoss(logits: Float32Array, labels: ArrayLike<number>, shape: readonly number[]): number {
  const [B, T, V] = shape;
  let [total, count] = [0, 0];
  for (let b = 0; b < B; b++) {
    for (let t = 0; t + 1 < T; t++) {
      const label = labels[b * T + t + 1];
      if (label === IGNORED) continue;
      const start = (b * T + t) * V;
      let max = -Infinity;
      for (let v = 0; v < V; v++) max = Math.max(max, logits[start + v]);
      let sum = 0;
      for (let v = 0; v < V; v++) sum += Math.exp(logits[start + v] - max);
      total += max + Math.log(sum) - logits[start + label];
      count++;
    }
  }
  return total / count;
}
