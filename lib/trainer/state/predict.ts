/**
 * A model's most likely tokens on a data set.
 */
import type { DataCollator } from '../../dataset';
import { headLogits, hiddenStates } from '../../models';
import type { CausalLM } from '../../pretrained';
import { argMax } from '../../tensor';
import { IGNORED } from '../../types';
import type { Batch, EncodedExample } from '../../types';

/** What `trainer.predict` gives. */
export interface Prediction {
  /** Per example: the most likely token at each position, given the tokens before it. */
  readonly predictions: readonly Int32Array[];
  /** Per example: the labels; -100 is ignored. */
  readonly labelIds: readonly (readonly number[])[];
}

/** The most likely tokens, and their accuracy on labelled positions. */
export async function predictTokens(
  model: CausalLM,
  dataset: readonly EncodedExample[],
  collate: DataCollator,
): Promise<Prediction & { accuracy: number }> {
  const predictions: Int32Array[] = [];
  let [right, count] = [0, 0];
  const { vocabSize } = model.architecture;
  const logits = new Float32Array(vocabSize * Math.max(1, Math.floor(LOGITS_BYTES / 4 / vocabSize)));
  for (const example of dataset) {
    const { inputIds, labels, segmentIds } = example;
    const batch = collate([example]);
    const first = batch.attentionMask.indexOf(1);
    const likely = await likelyTokens(model, batch, { end: first + inputIds.length, logits });
    // Position t predicts t + 1; nothing predicts the first one.
    const predicted = new Int32Array(inputIds.length).fill(IGNORED);
    for (let t = 0; t + 1 < inputIds.length; t++) {
      // Nor the first of the next document.
      if (segmentIds !== undefined && segmentIds[t] !== segmentIds[t + 1]) continue;
      predicted[t + 1] = likely[first + t];
      if (labels[t + 1] === IGNORED) continue;
      count++;
      if (predicted[t + 1] === labels[t + 1]) right++;
    }
    predictions.push(predicted);
  }
  return { predictions, labelIds: dataset.map(({ labels }) => labels), accuracy: right / count };
}

/** Logits that are held at a time, at most, bytes: those of a whole row may be large. */
const LOGITS_BYTES = 64e6;

/**
 * The token that the model takes to be most likely after each one of a batch's first row, [end].
 * @param logits float32 [positions, V]: as many are computed at a time
 */
async function likelyTokens(
  { runtime }: CausalLM,
  batch: Batch,
  { end, logits }: { end: number; logits: Float32Array },
): Promise<Int32Array> {
  const { width, vocabSize } = runtime.architecture;
  const likely = new Int32Array(end);
  await runtime.inWorkspace(async (workspace) => {
    const hidden = await workspace.toHost(
      await hiddenStates(runtime, { batch, ids: batch.inputIds, workspace }),
    );
    const rows = Math.min(logits.length / vocabSize, batch.shape[1]);
    const into = logits.subarray(0, rows * vocabSize);
    for (let start = 0; start < end; start += rows) {
      // The last part is filled up with zeros: one shape.
      const some = new Float32Array(rows * width);
      some.set(hidden.data.subarray(start * width, (start + rows) * width) as Float32Array);
      await headLogits(runtime, { data: some, shape: [rows, width] }, into);
      for (let at = 0; at < Math.min(rows, end - start); at++)
        likely[start + at] = argMax(logits.subarray(at * vocabSize, (at + 1) * vocabSize));
    }
  });
  return likely;
}
