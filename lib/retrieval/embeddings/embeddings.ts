/** Texts as vectors whose directions are near where meanings are; LangChain.js's embeddings fit. */

/** Turns texts into vectors. */
export interface Embeddings {
  /** Names model and settings, for caches and stores: vectors of another name are not comparable. */
  readonly name?: string;
  /** A vector for each text that is searched, in their order. */
  embedDocuments(texts: string[]): Promise<number[][]>;
  /** The vector of a query. */
  embedQuery(text: string): Promise<number[]>;
}
