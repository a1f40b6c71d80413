/**
 * The interface of embeddings, which LangChain.js's satisfy: texts of similar meaning get vectors of similar direction.
 */

/** Turns texts into vectors. */
export interface Embeddings {
  /** Name of model and settings, for caches and stores: vectors of another name are not comparable. */
  readonly name?: string;
  /** Vectors of documents, in order. */
  embedDocuments(texts: string[]): Promise<number[][]>;
  /** The vector of a query. */
  embedQuery(text: string): Promise<number[]>;
}
