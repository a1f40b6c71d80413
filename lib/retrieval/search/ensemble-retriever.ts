/** Combines several retrievers: each finds what another misses. */
import { requireOptions } from '../../options';
import { requireList, requireObject, requireString, TunebookError } from '../../types';
import type { Document } from '../documents/document';
import { DEFAULT_K, givesScores, requireK, requireSearch } from './retriever';
import type { Retriever, ScoredDocument, ScoredRetriever, SearchOptions } from './retriever';

/** Settings of `EnsembleRetriever`. */
export interface EnsembleOptions {
  /** The retrievers to combine; with `fusion: 'rrf'` also LangChain.js's. */
  readonly retrievers: readonly Retriever[];
  /** Weight of each; equal by default. */
  readonly weights?: readonly number[];
  /**
   * `sum` (default) adds scores, each list's scaled to 0 to 1; `rrf` adds 1 / (c + rank), which needs no scores
   * (reciprocal rank fusion, Cormack et al. 2009).
   */
  readonly fusion?: 'sum' | 'rrf';
  /** The constant of `rrf`; 60 by default. */
  readonly c?: number;
  /** Most documents to return; 4 by default. */
  readonly k?: number;
  /** Documents requested from each retriever that takes a `k`; 100 by default. */
  readonly candidates?: number;
  /**
   * Lowest best score of each retriever, in its own unit: unless one of them reaches it, nothing is returned. No
   * abstention by default.
   */
  readonly abstainBelow?: readonly number[];
}

/**
 * Combines the results of several retrievers.
 *
 * @example
 * ```ts
 * import { BM25Retriever, EnsembleRetriever } from 'tunebook/retrieval';
 *
 * const documents = ['grip the rope', 'pull with the legs'].map((pageContent) => ({ pageContent, metadata: {} }));
 * const words = BM25Retriever.fromDocuments(documents);
 * const last = { invoke: async () => [documents[1]] };
 * const both = new EnsembleRetriever({ retrievers: [words, last], weights: [0.4, 0.6], fusion: 'rrf', k: 1 });
 * console.log((await both.invoke('rope'))[0].pageContent); // pull with the legs
 * ```
 */
export class EnsembleRetriever implements ScoredRetriever {
  private readonly weights: readonly number[];

  /** @throws {TunebookError} If lists differ in length, or `sum` is used with a retriever without scores */
  constructor(private readonly options: EnsembleOptions) {
    const where = 'EnsembleRetriever';
    requireObject(options, { where, what: 'options with retrievers' });
    requireOptions<EnsembleOptions>(options, {
      where,
      names: {
        ...{ retrievers: true, weights: true, fusion: true, c: true, k: true },
        ...{ candidates: true, abstainBelow: true },
      },
    });
    const { retrievers, weights, fusion = 'sum', abstainBelow } = options;
    requireList(retrievers, { where, what: 'a list of retrievers' });
    if (retrievers.length === 0) throw new TunebookError(`${where}: expected retrievers, got an empty list.`);
    for (const [name, list] of Object.entries({ weights, abstainBelow }))
      if (list !== undefined && (list.length !== retrievers.length || !list.every(Number.isFinite)))
        throw new TunebookError(
          `${where}: expected ${name} to have a number for each of ${retrievers.length} retrievers, got [${list.join(', ')}].`,
        );
    if (!['sum', 'rrf'].includes(fusion))
      throw new TunebookError(`${where}: expected fusion 'sum' or 'rrf', got ${JSON.stringify(fusion)}.`);
    const silent = retrievers.findIndex((retriever) => !givesScores(retriever));
    if (silent >= 0 && (fusion === 'sum' || abstainBelow !== undefined))
      throw new TunebookError(
        `${where}: expected retrievers that give scores (invokeWithScores), got one without as number ${silent}. Use fusion: 'rrf' without abstainBelow.`,
      );
    requireK(options.k ?? DEFAULT_K, where);
    this.weights = weights ?? retrievers.map(() => 1 / retrievers.length);
  }

  async invoke(query: string): Promise<Document[]> {
    return (await this.invokeWithScores(query)).map(([document]) => document);
  }

  async invokeWithScores(query: string, options: SearchOptions = {}): Promise<ScoredDocument[]> {
    requireString(query, { where: 'EnsembleRetriever', what: 'a query' });
    requireSearch(options, 'EnsembleRetriever');
    const { retrievers, fusion = 'sum', c = 60, candidates = 100, abstainBelow } = this.options;
    const k = requireK(options.k ?? this.options.k ?? DEFAULT_K, 'EnsembleRetriever');
    const lists: (readonly ScoredDocument[])[] = [];
    for (const [i, retriever] of retrievers.entries()) {
      if (givesScores(retriever))
        lists.push(
          await retriever.invokeWithScores(query, { k: Math.max(k, candidates), filter: options.filter }),
        );
      else if (options.filter === undefined)
        lists.push((await retriever.invoke(query)).map((document) => [document, NaN]));
      else
        throw new TunebookError(`EnsembleRetriever: retriever ${i} takes no filter. Filter its documents.`);
    }
    const bestOf = (list: readonly ScoredDocument[]): number => list[0]?.[1] ?? -Infinity;
    if (abstainBelow !== undefined && lists.every((list, i) => bestOf(list) < abstainBelow[i])) return [];
    const joined = new Map<string, { document: Document; score: number }>();
    lists.forEach((list, i) => {
      const lowest = list.at(-1)?.[1] ?? 0;
      const range = bestOf(list) - lowest;
      list.forEach(([document, score], rank) => {
        const share = fusion === 'rrf' ? 1 / (c + rank + 1) : range > 0 ? (score - lowest) / range : 1;
        const key = document.id ?? document.pageContent;
        const known = joined.get(key) ?? { document, score: 0 };
        joined.set(key, { document: known.document, score: known.score + this.weights[i] * share });
      });
    });
    return [...joined.values()]
      .sort((x, y) => y.score - x.score)
      .slice(0, k)
      .map(({ document, score }) => [document, score]);
  }
}
