/**
 * Hybrid search by words and meaning, with the settings that were best on the coaching queries' development half: the
 * default choice.
 */
import type { Document } from './documents/document';
import type { Embeddings } from './embeddings/embeddings';
import type { Aliases } from './search/aliases';
import { BM25Retriever } from './search/bm25-retriever';
import { EnsembleRetriever } from './search/ensemble-retriever';
import { MemoryVectorStore } from './stores/memory-vector-store';
import { requireOptions } from '../options';
import { requireList, requireObject } from '../types';

/** Settings of `hybridRetriever`. */
export interface HybridRetrieverOptions {
  /** The documents to search. */
  readonly documents: readonly Document[];
  /** Embeddings, for instance `AutoEmbeddings.fromPretrained('use-lite')`. */
  readonly embeddings: Embeddings;
  /** Users' words, and the words of the documents that they stand for. */
  readonly aliases?: Aliases;
  /** Most documents to return; 4 by default. */
  readonly k?: number;
  /**
   * Returns nothing where the best BM25 score is below `words` and the best cosine below `meaning`. BM25 scores grow
   * with the number of documents, so there is no default; `COACHING_ABSTENTION` was chosen for data/coaching with
   * use-lite.
   */
  readonly abstainBelow?: { readonly words: number; readonly meaning: number };
}

/**
 * Bounds for data/coaching with use-lite, chosen on the development half of its queries. On the held-out half they stop
 * 8 of 15 unanswerable queries, and 27 of 163 others.
 */
export const COACHING_ABSTENTION = { words: 6, meaning: 0.55 };

/** Weights of words and meanings. */
const WEIGHTS = [2 / 3, 1 / 3];
const ALIAS_WEIGHT = 0.5;

/**
 * Makes one retriever of BM25 over text, title and front matter, and of embeddings.
 *
 * @throws {TunebookError} If documents or embeddings are missing.
 * @example
 * ```ts
 * import { AutoEmbeddings, hybridRetriever } from 'tunebook/retrieval';
 *
 * const documents = [
 *   { pageContent: 'Row with long strokes.', metadata: { topic: 'technique' } },
 *   { pageContent: 'Eat a small breakfast.', metadata: { topic: 'nutrition' } },
 * ];
 * const embeddings = await AutoEmbeddings.fromPretrained('use-lite');
 * const retriever = await hybridRetriever({ documents, embeddings, aliases: { ergo: ['row'] }, k: 1 });
 * console.log((await retriever.invoke('how to sit on the ergo'))[0].pageContent); // Row with long strokes.
 * ```
 */
export async function hybridRetriever(options: HybridRetrieverOptions): Promise<EnsembleRetriever> {
  const where = 'hybridRetriever';
  requireObject(options, { where, what: 'options with documents and embeddings' });
  requireOptions<HybridRetrieverOptions>(options, {
    where,
    names: { documents: true, embeddings: true, aliases: true, k: true, abstainBelow: true },
  });
  const { documents, embeddings, aliases, k, abstainBelow } = options;
  requireList(documents, { where, what: 'a list of documents' });
  const words = BM25Retriever.fromDocuments(documents, {
    aliases,
    aliasWeight: ALIAS_WEIGHT,
    text: searchedText,
  });
  const store = await MemoryVectorStore.fromDocuments(documents, embeddings);
  return new EnsembleRetriever({
    retrievers: [words, store.asRetriever()],
    ...{ weights: WEIGHTS, k, candidates: Math.max(100, documents.length) },
    ...(abstainBelow !== undefined && { abstainBelow: [abstainBelow.words, abstainBelow.meaning] }),
  });
}

/** A text with its title and the texts of its front matter, repeated for more weight. */
function searchedText({ pageContent, metadata }: Document): string {
  const fields = Object.entries(metadata).flatMap(([name, value]) =>
    name === 'source' || typeof value !== 'string' ? [] : [value],
  );
  return [...fields, ...fields, pageContent].join('\n');
}
