/**
 * A vector store in memory: an exact scan of float32 vectors, also under filters. A query over 10,000 vectors of 512
 * numbers takes about 15 ms.
 */
import path from 'node:path';
import { openSafetensors, writeSafetensors } from '../../checkpoint';
import { makeFolder, readJson, requireLocalPath, writeFileAtomic } from '../../files';
import { lazySchema } from '../../schema';
import { requireList, requireObject, requireString, TunebookError } from '../../types';
import type { Document } from '../documents/document';
import type { Embeddings } from '../embeddings/embeddings';
import { DEFAULT_K, filterFunction, requireK, topPlaces } from '../search/retriever';
import type { DocumentFilter, ScoredDocument, ScoredRetriever } from '../search/retriever';
import { requireSameEmbeddings, storeRetriever, unitVector } from './vector-store';
import type { StoreRetrieverOptions, VectorStore } from './vector-store';

const VERSION = 1;
const DOCUMENTS = 'documents.json';
const VECTORS = 'vectors.safetensors';

const savedSchema = lazySchema((z) =>
  z.object({
    version: z.literal(VERSION),
    embeddings: z.string().optional(),
    documents: z.array(
      z.object({
        id: z.string().optional(),
        pageContent: z.string(),
        metadata: z.record(z.string(), z.unknown()),
      }),
    ),
  }),
);

/**
 * Stores documents and their vectors in memory.
 *
 * @example
 * ```ts
 * import { AutoEmbeddings, MemoryVectorStore } from 'tunebook/retrieval';
 *
 * const documents = ['Pull the rope with the legs.', 'Eat a small breakfast.'].map((pageContent) => ({
 *   pageContent,
 *   metadata: {},
 * }));
 * const embeddings = await AutoEmbeddings.fromPretrained('use-lite');
 * const store = await MemoryVectorStore.fromDocuments(documents, embeddings);
 * const [[best, cosine]] = await store.similaritySearchWithScore('food before a race', 1);
 * console.log(best.pageContent, cosine > 0.4); // Eat a small breakfast. true
 * ```
 */
export class MemoryVectorStore implements VectorStore {
  private readonly documents: Document[] = [];
  /** [documents, width]: vectors of length 1. */
  private vectors: Float32Array = new Float32Array(0);
  private width = 0;

  /** An empty store; vectors come from `embeddings`. */
  constructor(readonly embeddings: Embeddings) {
    requireObject(embeddings, {
      ...{ where: 'MemoryVectorStore', what: 'embeddings (embedDocuments, embedQuery)' },
      fields: ['embedDocuments', 'embedQuery'],
    });
  }

  /** A store with documents. */
  static async fromDocuments(
    documents: readonly Document[],
    embeddings: Embeddings,
  ): Promise<MemoryVectorStore> {
    const store = new MemoryVectorStore(embeddings);
    await store.addDocuments(documents);
    return store;
  }

  /** Number of documents in the store. */
  get size(): number {
    return this.documents.length;
  }

  /** @throws {TunebookError} If the embeddings give vectors of another width, or none */
  async addDocuments(documents: readonly Document[]): Promise<void> {
    requireList(documents, { where: 'addDocuments', what: 'a list of documents' });
    if (documents.length === 0) return;
    const vectors = await this.embeddings.embedDocuments(documents.map(({ pageContent }) => pageContent));
    const width = this.width === 0 ? (vectors[0]?.length ?? 0) : this.width;
    const isWhole = width > 0 && vectors.length === documents.length;
    if (!isWhole || vectors.some((vector) => vector.length !== width))
      throw new TunebookError(
        `addDocuments: expected ${documents.length} vectors of ${width} numbers from the embeddings, got ${vectors.length} of ${[...new Set(vectors.map(({ length }) => length))].join(', ')}.`,
      );
    const all = new Float32Array((this.size + documents.length) * width);
    all.set(this.vectors);
    vectors.forEach((vector, i) => all.set(unitVector(vector, 'MemoryVectorStore'), (this.size + i) * width));
    this.vectors = all;
    this.width = width;
    for (const document of documents) this.documents.push(document); // too many for the arguments of a call
  }

  async similaritySearch(query: string, k?: number, filter?: DocumentFilter): Promise<Document[]> {
    return (await this.similaritySearchWithScore(query, k, filter)).map(([document]) => document);
  }

  async similaritySearchWithScore(
    query: string,
    k: number = DEFAULT_K,
    filter?: DocumentFilter,
  ): Promise<ScoredDocument[]> {
    requireString(query, { where: 'similaritySearch', what: 'a query' });
    requireK(k, 'similaritySearch');
    if (this.size === 0) return [];
    return this.similaritySearchVectorWithScore(await this.embeddings.embedQuery(query), k, filter);
  }

  /** The documents nearest to a vector. @throws {TunebookError} If its width is not the store's */
  async similaritySearchVectorWithScore(
    vector: readonly number[],
    k: number = DEFAULT_K,
    filter?: DocumentFilter,
  ): Promise<ScoredDocument[]> {
    const { documents, vectors, width } = this;
    if (this.size > 0 && vector.length !== width)
      throw new TunebookError(
        `similaritySearch: expected a vector of ${width} numbers, got ${vector.length}. Use the embeddings that the store was made with.`,
      );
    // Normalized like the stored ones, so that a text has cosine 1 with itself.
    const wanted = Float32Array.from(unitVector(vector, 'MemoryVectorStore'));
    const isWanted = filterFunction(filter);
    const scores = new Float64Array(documents.length);
    for (let place = 0, at = 0; place < scores.length; place++) {
      let sum = 0;
      for (let i = 0; i < width; i++, at++) sum += vectors[at] * wanted[i];
      scores[place] = sum;
    }
    const counts = (place: number): boolean => isWanted(documents[place]);
    return topPlaces(scores, { k, counts }).map((place) => [documents[place], scores[place]]);
  }

  asRetriever(options: StoreRetrieverOptions = {}): ScoredRetriever {
    return storeRetriever(this, options);
  }

  /** Writes documents and vectors to a folder. @throws {TunebookError} If the store is empty, or the folder a URL */
  async save(folder: string): Promise<void> {
    requireLocalPath(folder, 'MemoryVectorStore.save');
    if (this.size === 0)
      throw new TunebookError('MemoryVectorStore.save: expected documents in the store, got none.');
    await makeFolder(folder);
    const { documents, vectors, width } = this;
    const tensor = { name: 'vectors', shape: [this.size, width], values: vectors };
    await writeSafetensors(path.join(folder, VECTORS), [tensor]);
    const content = { version: VERSION, embeddings: this.embeddings.name, documents };
    await writeFileAtomic(path.join(folder, DOCUMENTS), `${JSON.stringify(content, undefined, 1)}\n`);
  }

  /**
   * Reads a store that `save` wrote; the embeddings are for queries and further documents.
   *
   * @throws {TunebookError} If files are missing, damaged or of another version, or of embeddings of another name.
   */
  static async load(folder: string, embeddings: Embeddings): Promise<MemoryVectorStore> {
    const store = new MemoryVectorStore(embeddings);
    const file = path.join(folder, DOCUMENTS);
    const remedy = 'Make the store again with fromDocuments.';
    const saved = await readJson(file, {
      ...{ schema: savedSchema(), expected: `a store of version ${VERSION}`, remedy },
    });
    requireSameEmbeddings(
      { made: saved.embeddings, own: embeddings.name },
      { where: file, what: 'it', remedy: 'make the store again' },
    );
    const vectors = await openSafetensors(path.join(folder, VECTORS));
    try {
      const { shape } = vectors.info('vectors');
      if (shape.length !== 2 || shape[0] !== saved.documents.length)
        throw new TunebookError(
          `${folder}: expected vectors for ${saved.documents.length} documents, got ${shape.join(' x ')}. ${remedy}`,
        );
      store.width = shape[1];
      store.vectors = await vectors.read('vectors');
      for (const document of saved.documents) store.documents.push(document);
    } finally {
      await vectors.close();
    }
    return store;
  }
}
