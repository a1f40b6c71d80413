/**
 * Hybrid search by words and meaning, with the settings that were best on the coaching queries' development half: the
 * default choice.
 */
import type { Document } from './documents/document';
import type { Embeddings } from './embeddings/embeddings';
import type { Aliases } from './search/aliases';
import type { BM25Retriever } from './search/bm25-retriever';
import { EnsembleRetriever } from './search/ensemble-retriever';
import { DEFAULT_K, requireK } from './search/retriever';
import type { ScoredDocument, ScoredRetriever, SearchOptions } from './search/retriever';
import { meaningRetriever, wordRetriever } from './hybrid-halves';
import { requireOptions } from '../options';
import { requireList, requireObject, TunebookError } from '../types';

/** When to return nothing: the log odds that a document answers, from the words of the query; below 0, none does. */
export interface Abstention {
  /** Weight of the best BM25 score. Scores grow with the number of documents: weights hold for the documents of their fit. */
  readonly words: number;
  /** Weight of the largest share of the query's words that one document has, rare words counting more (`coverage`). */
  readonly coverage: number;
  /** The constant. */
  readonly bias: number;
}

/** Settings of `hybridRetriever`. */
export interface HybridRetrieverOptions {
  /**
   * The documents to search. Where `metadata.questions` (front matter) lists questions that a document answers, they
   * are searched with its text.
   */
  readonly documents: readonly Document[];
  /** Embeddings, for instance `AutoEmbeddings.fromPretrained('use-lite')`. */
  readonly embeddings: Embeddings;
  /** Users' words, and the words of the documents that they stand for. */
  readonly aliases?: Aliases;
  /** Most documents to return; 4 by default. */
  readonly k?: number;
  /** When to return nothing; never by default. `COACHING_ABSTENTION` is for data/coaching. */
  readonly abstention?: Abstention;
}

/** Hybrid search, and its two halves by themselves. */
export interface HybridRetriever extends ScoredRetriever {
  /** Search by words. */
  readonly words: BM25Retriever;
  /** Search by meaning. */
  readonly meaning: ScoredRetriever;
}

/**
 * For data/coaching: a logistic regression on the development half of its queries, which keeps 19 of 20 there. Best
 * cosine, margins and the halves' agreement were tried as well: in cross-validation they add nothing to these two.
 */
export const COACHING_ABSTENTION: Abstention = { words: 0.613, coverage: 7.208, bias: -6.727 };

/** Weights of words and meanings. */
const WEIGHTS = [0.6, 0.4];

/**
 * Makes one retriever of BM25 over text, title, front matter and questions, and of embeddings of text and questions.
 *
 * @throws {TunebookError} If documents or embeddings are missing.
 * @example
 * ```ts
 * import { AutoEmbeddings, hybridRetriever } from 'tunebook/retrieval';
 *
 * const documents = [
 *   { pageContent: 'Row with long strokes.', metadata: { topic: 'technique' } },
 *   { pageContent: 'Eat a small breakfast.', metadata: { questions: ['what should I have in the morning'] } },
 * ];
 * const embeddings = await AutoEmbeddings.fromPretrained('use-lite');
 * const retriever = await hybridRetriever({ documents, embeddings, aliases: { ergo: ['row'] }, k: 1 });
 * console.log((await retriever.invoke('how to sit on the ergo'))[0].pageContent); // Row with long strokes.
 * ```
 */
export async function hybridRetriever(options: HybridRetrieverOptions): Promise<HybridRetriever> {
  const where = 'hybridRetriever';
  requireObject(options, { where, what: 'options with documents and embeddings' });
  requireOptions<HybridRetrieverOptions>(options, {
    where,
    names: { documents: true, embeddings: true, aliases: true, k: true, abstention: true },
  });
  const { documents, embeddings, aliases, k = DEFAULT_K, abstention } = options;
  requireList(documents, { where, what: 'a list of documents' });
  requireK(k, where);
  if (abstention !== undefined) requireAbstention(abstention, where);
  const words = wordRetriever(documents, aliases);
  const meaning = await meaningRetriever(documents, embeddings);
  const both = new EnsembleRetriever({
    retrievers: [words, meaning],
    ...{ weights: WEIGHTS, k, candidates: Math.max(100, documents.length) },
  });
  const isInReach = async (query: string): Promise<boolean> => {
    if (abstention === undefined) return true;
    const [best] = await words.invokeWithScores(query, { k: 1 });
    const odds = abstention.words * (best?.[1] ?? 0) + abstention.coverage * words.coverage(query);
    return odds + abstention.bias >= 0;
  };
  const invokeWithScores = async (query: string, search?: SearchOptions): Promise<ScoredDocument[]> =>
    (await isInReach(query)) ? both.invokeWithScores(query, search) : [];
  return {
    ...{ words, meaning, invokeWithScores },
    invoke: async (query) => (await invokeWithScores(query)).map(([document]) => document),
  };
}

function requireAbstention(abstention: Abstention, where: string): void {
  requireOptions<Abstention>(abstention, {
    where: `${where}: abstention`,
    names: { words: true, coverage: true, bias: true },
  });
  const values = [abstention.words, abstention.coverage, abstention.bias];
  if (!values.every(Number.isFinite))
    throw new TunebookError(
      `${where}: expected abstention to have numbers for words, coverage and bias, got ${JSON.stringify(abstention)}.`,
    );
}
