/**
 * Evaluates a retriever on labelled queries, with the metric names of sentence-transformers'
 * InformationRetrievalEvaluator and bootstrap intervals (Efron 1979): a few hundred queries leave several points of
 * uncertainty.
 */
import type { Estimate } from '../display';
import { createRandom } from '../random';
import { requireOptions } from '../options';
import { requireFunction, requireList, requireObject, TunebookError } from '../types';

/** A retriever to measure: anything with `invoke`; with `invokeWithScores` it returns as many as are measured. */
export interface MeasuredRetriever {
  /** The documents that match a query, best first. */
  invoke(query: string): Promise<readonly { readonly id?: string }[]>;
  /** The same with scores, `k` at most. */
  invokeWithScores?(
    query: string,
    options: { readonly k: number },
  ): Promise<readonly (readonly [document: { readonly id?: string }, score: number])[]>;
}

/** A query and the grades of documents that answer it. */
export interface LabelledQuery {
  /** The query in a user's words. */
  readonly query: string;
  /** Document id -> grade: 0 is useless, higher is better; empty where nothing answers. */
  readonly labels: Readonly<Record<string, number>>;
}

/** Settings of `evaluateRetrieval`. */
export interface EvaluateRetrievalOptions {
  /** Queries with their labels. */
  readonly queries: readonly LabelledQuery[];
  /** Lengths of the result list to measure; 1, 3, 5 and 10 by default. */
  readonly k?: readonly number[];
  /** Lowest grade that counts as relevant, for accuracy, recall and MRR; 1 by default. */
  readonly relevantFrom?: number;
  /** Bootstrap resamples; 1000 by default. */
  readonly resamples?: number;
  /** Confidence level of the intervals; 0.95 by default. */
  readonly confidence?: number;
  /** Seed of the resamples; 42 by default. */
  readonly seed?: number;
}

/** One query's result. */
export interface RetrievedQuery {
  readonly query: string;
  /** Retrieved ids in order, at most the largest k. */
  readonly retrieved: readonly string[];
  /** The query's own value of each metric; undefined where nothing answers it. */
  readonly metrics: Readonly<Record<string, number>> | undefined;
}

/** Result of `evaluateRetrieval`. */
export interface RetrievalEvaluation {
  /** `accuracy@k`, `recall@k`, `mrr@k`, `ndcg@k` for each k, over the answerable queries. */
  readonly metrics: Readonly<Record<string, Estimate>>;
  /** Queries with an answer, and how many of them got no document. */
  readonly answerable: { readonly queries: number; readonly abstained: number };
  /** Queries without an answer, and how many of them rightly got no document. */
  readonly unanswerable: { readonly queries: number; readonly abstained: number };
  /** Each query in order. */
  readonly perQuery: readonly RetrievedQuery[];
}

/**
 * Measures a retriever on labelled queries. nDCG has gains of 2^grade - 1 (Burges et al. 2005).
 *
 * @throws {TunebookError} If there are no queries, none has labels, or documents have no ids.
 * @example
 * ```ts
 * import { evaluateRetrieval } from 'tunebook/eval';
 * import { BM25Retriever } from 'tunebook/retrieval';
 *
 * const retriever = BM25Retriever.fromDocuments([
 *   { id: 'row', pageContent: 'Row with long strokes.', metadata: {} },
 *   { id: 'sled', pageContent: 'Pull the sled with the legs.', metadata: {} },
 * ]);
 * const queries = [{ query: 'how to row', labels: { row: 2 } }];
 * const { metrics } = await evaluateRetrieval(retriever, { queries });
 * console.log(metrics['ndcg@10'].value); // 1
 * ```
 */
export async function evaluateRetrieval(
  retriever: MeasuredRetriever,
  options: EvaluateRetrievalOptions,
): Promise<RetrievalEvaluation> {
  const where = 'evaluateRetrieval';
  requireObject(retriever, { where, what: 'a retriever with invoke' });
  requireFunction(retriever.invoke, { where, what: 'a retriever with invoke' });
  requireObject(options, { where, what: 'options with queries' });
  requireOptions<EvaluateRetrievalOptions>(options, {
    where,
    names: {
      ...{ queries: true, k: true, relevantFrom: true },
      ...{ resamples: true, confidence: true, seed: true },
    },
  });
  const { queries, k: lengths = [1, 3, 5, 10], relevantFrom = 1 } = options;
  const { resamples = 1000, confidence = 0.95, seed = 42 } = options;
  requireList(queries, { where, what: 'queries: a list of { query, labels }' });
  if (lengths.length === 0 || lengths.some((k) => !Number.isInteger(k) || k < 1))
    throw new TunebookError(`${where}: expected k to be whole numbers above 0, got [${lengths.join(', ')}].`);
  if (!(confidence > 0 && confidence < 1) || !Number.isInteger(resamples) || resamples < 1)
    throw new TunebookError(
      `${where}: expected confidence between 0 and 1 and resamples above 0, got ${confidence} and ${resamples}.`,
    );
  const most = Math.max(...lengths);
  const perQuery: RetrievedQuery[] = [];
  for (const { query, labels } of queries) {
    const documents =
      retriever.invokeWithScores === undefined
        ? (await retriever.invoke(query)).slice(0, most)
        : (await retriever.invokeWithScores(query, { k: most })).map(([document]) => document);
    const retrieved = documents.map(({ id }) => {
      if (id !== undefined) return id;
      throw new TunebookError(
        `${where}: expected documents with an id, got one without for "${query}". Labels name documents by id.`,
      );
    });
    const isAnswerable = Object.values(labels).some((grade) => grade >= relevantFrom);
    const metrics = isAnswerable ? metricsOf(retrieved, { labels, lengths, relevantFrom }) : undefined;
    perQuery.push({ query, retrieved, metrics });
  }
  const measured = perQuery.flatMap(({ metrics }) => (metrics === undefined ? [] : [metrics]));
  if (measured.length === 0)
    throw new TunebookError(
      `${where}: expected queries with labels of ${relevantFrom} and more, got none among ${queries.length}.`,
    );
  const counted = (isAnswerable: boolean): { queries: number; abstained: number } => {
    const those = perQuery.filter(({ metrics }) => (metrics !== undefined) === isAnswerable);
    return {
      queries: those.length,
      abstained: those.filter(({ retrieved }) => retrieved.length === 0).length,
    };
  };
  const metrics = Object.fromEntries(
    Object.keys(measured[0]).map((name) => [
      name,
      bootstrap(
        measured.map((one) => one[name]),
        { resamples, confidence, seed },
      ),
    ]),
  );
  return { metrics, answerable: counted(true), unanswerable: counted(false), perQuery };
}

function metricsOf(
  retrieved: readonly string[],
  query: { labels: Readonly<Record<string, number>>; lengths: readonly number[]; relevantFrom: number },
): Record<string, number> {
  const { labels, lengths, relevantFrom } = query;
  const gradeOf = (id: string): number => (Object.hasOwn(labels, id) ? labels[id] : 0);
  const relevant = Object.values(labels).filter((grade) => grade >= relevantFrom).length;
  const first = retrieved.findIndex((id) => gradeOf(id) >= relevantFrom);
  const best = Object.values(labels).sort((a, b) => b - a);
  const rows = lengths.map((k): [string, number][] => {
    const top = retrieved.slice(0, k).map(gradeOf);
    const found = top.filter((grade) => grade >= relevantFrom).length;
    return [
      [`accuracy@${k}`, found > 0 ? 1 : 0],
      [`recall@${k}`, found / relevant],
      [`mrr@${k}`, first >= 0 && first < k ? 1 / (first + 1) : 0],
      [`ndcg@${k}`, gain(top) / gain(best.slice(0, k))],
    ];
  });
  return Object.fromEntries(rows.flat());
}

/** Discounted cumulative gain of grades in order. */
function gain(grades: readonly number[]): number {
  return grades.reduce((sum, grade, i) => sum + (2 ** grade - 1) / Math.log2(i + 2), 0);
}

/** The mean and its percentile interval; all metrics share the resamples, so that their intervals compare. */
function bootstrap(
  values: readonly number[],
  { resamples, confidence, seed }: { resamples: number; confidence: number; seed: number },
): Estimate {
  const random = createRandom('bootstrap', seed);
  const count = values.length;
  const means = new Float64Array(resamples);
  for (let i = 0; i < resamples; i++) {
    let sum = 0;
    for (let j = 0; j < count; j++) sum += values[random.nextInt(count)];
    means[i] = sum / count;
  }
  means.sort();
  const quantile = (share: number): number => means[Math.round(share * (resamples - 1))];
  const tail = (1 - confidence) / 2;
  const value = values.reduce((sum, one) => sum + one, 0) / count;
  return { value, low: quantile(tail), high: quantile(1 - tail) };
}
