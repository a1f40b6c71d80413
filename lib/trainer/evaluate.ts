/**
 * The loss of a model over a dataset, without gradients or dropout.
 */
import type { DataCollator } from '../dataset';
import { batchLoss, countLabels } from '../models';
import type { CausalLM } from '../models';
import { TunebookError } from '../types';
import type { EncodedExample } from '../types';

export interface EvaluationRequest {
  readonly model: CausalLM;
  readonly dataset: readonly EncodedExample[];
  readonly collate: DataCollator;
  readonly batchSize: number;
  readonly onBatch?: (done: number, total: number) => Promise<void>;
}

/** @returns eval_loss (nats per labelled token), eval_perplexity, eval_runtime (s), eval_samples_per_second */
export async function evaluateLoss(request: EvaluationRequest): Promise<Record<string, number>> {
  const { model, dataset, collate, batchSize } = request;
  if (dataset.length === 0) throw new TunebookError('evaluate: expected examples, got none.');
  const started = performance.now();
  // Like lengths together: the mean over tokens does not depend on the order, the time does.
  const order = dataset
    .map((_, i) => i)
    .sort((a, b) => dataset[a].inputIds.length - dataset[b].inputIds.length);
  const total = Math.ceil(order.length / batchSize);
  let [loss, count] = [0, 0];
  for (let done = 0; done < total; done++) {
    const batch = collate(order.slice(done * batchSize, (done + 1) * batchSize).map((i) => dataset[i]));
    const labels = countLabels(batch);
    if (labels > 0) loss += await batchLoss(model, batch, 1);
    count += labels;
    await request.onBatch?.(done + 1, total);
  }
  const seconds = (performance.now() - started) / 1000;
  return {
    eval_loss: loss / count,
    eval_perplexity: Math.exp(loss / count),
    eval_runtime: seconds,
    eval_samples_per_second: dataset.length / seconds,
  };
}
