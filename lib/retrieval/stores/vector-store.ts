/** The interface of vector stores; a store of your own is a class with these methods. */
import type { Document } from '../documents/document';
import type { DocumentFilter, ScoredDocument, ScoredRetriever, SearchOptions } from '../search/retriever';
import { DEFAULT_K, requireK, requireSearch } from '../search/retriever';
import { requireOptions } from '../../options';
import { TunebookError } from '../../types';

/**
 * A store of documents by their vectors. Scores are cosines; 1 is the same direction.
 *
 * @example Postgres with pgvector by the same four methods, in your own code (Qdrant's `upsert` and `query` likewise):
 * ```text
 * class PgVectorStore implements VectorStore {
 *   constructor(readonly embeddings: Embeddings, readonly db: Pool) {}
 *   async addDocuments(docs: Document[]) {
 *     const vectors = await this.embeddings.embedDocuments(docs.map((doc) => doc.pageContent));
 *     for (const [i, doc] of docs.entries())
 *       await this.db.query('insert into docs (doc, v) values ($1, $2)', [doc, JSON.stringify(vectors[i])]);
 *   }
 *   async similaritySearchWithScore(query: string, k = 4, filter: object = {}) {
 *     const v = JSON.stringify(await this.embeddings.embedQuery(query));
 *     const sql = `select doc, 1 - (v <=> $1) as score from docs where doc->'metadata' @> $2 order by v <=> $1 limit $3`;
 *     return (await this.db.query(sql, [v, filter, k])).rows.map((row) => [row.doc, row.score]);
 *   }
 *   async similaritySearch(query: string, k?: number, filter?: object) {
 *     return (await this.similaritySearchWithScore(query, k, filter)).map(([doc]) => doc);
 *   }
 *   asRetriever = (options = {}) => storeRetriever(this, options);
 * }
 * ```
 */
export interface VectorStore {
  /** Embeds and stores documents. */
  addDocuments(documents: readonly Document[]): Promise<void>;
  /** The documents nearest to a query, nearest first. */
  similaritySearch(query: string, k?: number, filter?: DocumentFilter): Promise<Document[]>;
  /** The same, each with its cosine. */
  similaritySearchWithScore(query: string, k?: number, filter?: DocumentFilter): Promise<ScoredDocument[]>;
  /** The store as a retriever. */
  asRetriever(options?: StoreRetrieverOptions): ScoredRetriever;
}

/** Settings of a store's retriever. */
export interface StoreRetrieverOptions extends SearchOptions {
  /** Lowest cosine to return; all by default. */
  readonly scoreThreshold?: number;
}

/** Makes a retriever of a store, for `asRetriever`. */
export function storeRetriever(
  store: Pick<VectorStore, 'similaritySearchWithScore'>,
  options: StoreRetrieverOptions = {},
): ScoredRetriever {
  requireOptions<StoreRetrieverOptions>(options, {
    where: 'asRetriever',
    names: { k: true, filter: true, scoreThreshold: true },
  });
  const { scoreThreshold = -Infinity } = options;
  const own = requireK(options.k ?? DEFAULT_K, 'asRetriever');
  const invokeWithScores = async (query: string, search: SearchOptions = {}): Promise<ScoredDocument[]> => {
    requireSearch(search, 'asRetriever');
    const filter = search.filter ?? options.filter;
    const found = await store.similaritySearchWithScore(query, search.k ?? own, filter);
    return found.filter(([, score]) => score >= scoreThreshold);
  };
  return {
    invokeWithScores,
    invoke: async (query) => (await invokeWithScores(query)).map(([document]) => document),
  };
}

/**
 * Refuses embeddings of another name than those that made a store; a name that is missing fits any.
 *
 * @throws {TunebookError} If the names differ
 */
export function requireSameEmbeddings(
  { made, own }: { readonly made?: string; readonly own?: string },
  { where, what, remedy }: { where: string; what: string; remedy: string },
): void {
  if (made === own || !made || !own) return;
  throw new TunebookError(
    `${where}: expected embeddings of ${made}, with which ${what} was made, got ${own}. Load those, or ${remedy}.`,
  );
}

/** A vector scaled to length 1; zeros stay. @throws {TunebookError} If a number is not finite */
export function unitVector(vector: readonly number[], where: string): number[] {
  const length = Math.hypot(...vector);
  if (!Number.isFinite(length))
    throw new TunebookError(`${where}: expected finite numbers from the embeddings, got others.`);
  return vector.map((value) => (length > 0 ? value / length : 0));
}
