/**
 * A model's loss on data sets, without gradients or dropout.
 */
import { rowCount, rowLength } from '../../dataset';
import type { DataCollator } from '../../dataset';
import { batchLoss, countLabels, rowsOfPass } from '../../models';
import type { LossFunction, MetricSum, SequenceLoss } from '../../models';
import type { CausalLM } from '../../pretrained';
import { ranksOf } from '../parallel/ranks';
import type { Ranks } from '../parallel/ranks';
import { requireList, requireObject, TunebookError } from '../../types';
import type { EncodedExample } from '../../types';
import { counted, logitsLoss, metricMeans, metricsOfAll, sequenceLoss } from './metric-totals';

/** One evaluation set, or several by name. */
export type EvaluationData = readonly EncodedExample[] | Readonly<Record<string, readonly EncodedExample[]>>;

const EXAMPLES = 'Pass encodeRecords(records, { tokenizer }).examples.';

/** The sets with the prefix of their metrics: 'eval', or 'eval_<name>'. */
export function evaluationSets(
  data: EvaluationData | undefined,
): { prefix: string; examples: readonly EncodedExample[] }[] {
  if (data === undefined) return [];
  requireData(data);
  if (isExamples(data)) return [{ prefix: 'eval', examples: data }];
  return Object.entries(data).map(([name, examples]) => ({ prefix: `eval_${name}`, examples }));
}

/** @throws {TunebookError} Where the data are neither a list nor lists by name. */
function requireData(data: unknown): void {
  if (Array.isArray(data)) return;
  const what = 'a list of examples, or several by name';
  requireObject(data, { where: 'evaluation data', what, remedy: EXAMPLES });
}

function isExamples(data: EvaluationData): data is readonly EncodedExample[] {
  return Array.isArray(data);
}

export interface EvaluationRequest {
  readonly model: CausalLM;
  readonly dataset: readonly EncodedExample[];
  /** Prefix of the metrics' names: 'eval', 'eval_<name>' or 'test'. */
  readonly prefix: string;
  readonly collate: DataCollator;
  readonly batchSize: number;
  /** Default: cross-entropy of the next token. */
  readonly loss?: LossFunction | SequenceLoss;
  readonly onBatch?: (done: number, total: number) => Promise<void>;
  /** Default: this process alone. */
  readonly ranks?: Ranks;
}

/**
 * @returns <prefix>_loss (nats per labelled token, or the mean of a loss of sequences), _perplexity, _runtime (s),
 *   _samples_per_second, and the measures of a loss of sequences
 */
export async function evaluateLoss(request: EvaluationRequest): Promise<Record<string, number>> {
  const { model, dataset, prefix, collate, batchSize, ranks = ranksOf(undefined) } = request;
  requireList(dataset, {
    where: prefix === 'test' ? 'predict' : 'evaluate',
    what: 'a list of examples',
    remedy: EXAMPLES,
  });
  if (dataset.length === 0) throw new TunebookError(`evaluate: expected examples, got none. ${EXAMPLES}`);
  const started = performance.now();
  // Similar lengths together: the mean over tokens does not depend on the order, the time does.
  const order = dataset.map((_, i) => i).sort((a, b) => rowLength(dataset[a]) - rowLength(dataset[b]));
  const total = Math.ceil(order.length / batchSize);
  const whole = sequenceLoss(request.loss)?.over(dataset);
  const purpose = `evaluation (${prefix})`;
  const own = await ranks.together(purpose, async () => {
    const metrics: Record<string, MetricSum> = {};
    const sums = { loss: 0, count: 0, metrics };
    for (let done = ranks.rank; done < total; done += ranks.worldSize) {
      const examples = order.slice(done * batchSize, (done + 1) * batchSize).map((i) => dataset[i]);
      for (const some of passes(request, examples)) {
        const batch = collate(some);
        const labels = countLabels(batch);
        const tokenLoss = whole === undefined ? undefined : counted(whole, metrics);
        if (labels > 0)
          sums.loss += await batchLoss(model, batch, {
            lossScale: 1,
            loss: logitsLoss(request.loss),
            tokenLoss,
          });
        sums.count += labels;
      }
      await request.onBatch?.(done + 1, total);
    }
    return sums;
  });
  const [loss, count] = await ranks.reduce([own.loss, own.count], 'sum', purpose);
  const metrics = whole === undefined ? {} : await metricsOfAll(ranks, own.metrics, purpose);
  if (count === 0) {
    throw ranks.common(
      new TunebookError(
        `evaluate: expected tokens with labels, got ${dataset.length} examples without any. ` +
          'Look at the labels of the evaluation data: all are -100.',
      ),
    );
  }
  const [seconds] = await ranks.reduce([(performance.now() - started) / 1000], 'max', purpose);
  // A loss of sequences is the mean over them already.
  const mean = whole === undefined ? loss / count : loss;
  return {
    [`${prefix}_loss`]: mean,
    // The exponential of another loss means nothing.
    ...(request.loss === undefined ? { [`${prefix}_perplexity`]: Math.exp(mean) } : {}),
    ...metricMeans(metrics, `${prefix}_`),
    [`${prefix}_runtime`]: seconds,
    [`${prefix}_samples_per_second`]: dataset.length / seconds,
  };
}

/** Tokens that go through the model at a time on the host: more are no faster, and each takes memory in every layer. */
const PASS_TOKENS = 2048;

/** The parts that a batch of examples, the longest last, is computed in. */
function passes(
  { model, loss }: EvaluationRequest,
  examples: readonly EncodedExample[],
): (readonly EncodedExample[])[] {
  // A loss of somebody's own may look at the batch.
  if (model.engine.device !== undefined || logitsLoss(loss) !== undefined) return [examples];
  const longest = examples[examples.length - 1];
  const size = rowsOfPass(rowCount(longest) * rowLength(longest), PASS_TOKENS);
  const count = Math.ceil(examples.length / size);
  return Array.from({ length: count }, (_, i) => examples.slice(i * size, (i + 1) * size));
}
