/**
 * The door of `retrieval`: nearest neighbours of numbers, and search of texts by words and meaning. Nothing here knows
 * a domain.
 */
export { NearestNeighbors } from './numbers/nearest-neighbors';
export type { Neighbors, NeighborsQuery } from './numbers/nearest-neighbors';
export { StandardScaler } from './numbers/standard-scaler';
export type { Rows } from './numbers/standard-scaler';
export { locationOf, titleOf } from './documents/document';
export type { Document, DocumentLocation } from './documents/document';
export { loadDocuments } from './documents/load-documents';
export type { LoadDocumentsOptions, SkippedFile } from './documents/load-documents';
export { RecursiveCharacterTextSplitter } from './documents/text-splitter';
export type { TextSplitterOptions } from './documents/text-splitter';
export { givesScores } from './search/retriever';
export type {
  DocumentFilter,
  FilterValue,
  Retriever,
  ScoredDocument,
  ScoredRetriever,
  SearchOptions,
} from './search/retriever';
export { searchWords } from './search/words';
export { aliasExpansion } from './search/aliases';
export type { Aliases } from './search/aliases';
export { BM25Retriever } from './search/bm25-retriever';
export type { BM25Options } from './search/bm25-retriever';
export { EnsembleRetriever } from './search/ensemble-retriever';
export type { EnsembleOptions } from './search/ensemble-retriever';
export type { Embeddings } from './embeddings/embeddings';
export { AutoEmbeddings } from './embeddings/auto-embeddings';
export type { AutoEmbeddingsOptions } from './embeddings/auto-embeddings';
export { CachedEmbeddings } from './embeddings/cached-embeddings';
export type { EncoderOptions, Pooling } from './embeddings/hub-embeddings';
export { storeRetriever } from './stores/vector-store';
export type { StoreRetrieverOptions, VectorStore } from './stores/vector-store';
export { MemoryVectorStore } from './stores/memory-vector-store';
export { LanceVectorStore } from './stores/lance-vector-store';
export type { LanceStoreOptions } from './stores/lance-vector-store';
export { COACHING_ABSTENTION, hybridRetriever } from './hybrid-retriever';
export type { Abstention, HybridRetriever, HybridRetrieverOptions } from './hybrid-retriever';
