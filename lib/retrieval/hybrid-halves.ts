/** The two halves of hybrid search, words and meanings: each searches texts with the questions that they answer. */
import type { Document } from './documents/document';
import type { Embeddings } from './embeddings/embeddings';
import type { Aliases } from './search/aliases';
import { BM25Retriever } from './search/bm25-retriever';
import { DEFAULT_K, filterFunction } from './search/retriever';
import type { ScoredDocument, ScoredRetriever, SearchOptions } from './search/retriever';
import { MemoryVectorStore } from './stores/memory-vector-store';

const ALIAS_WEIGHT = 0.5;

/** Finds documents by the words of their text, title, front matter and questions. */
export function wordRetriever(documents: readonly Document[], aliases?: Aliases): BM25Retriever {
  return BM25Retriever.fromDocuments(documents, { aliases, aliasWeight: ALIAS_WEIGHT, text: searchedText });
}

/** Finds documents by the nearest of their text and their questions. */
export async function meaningRetriever(
  documents: readonly Document[],
  embeddings: Embeddings,
): Promise<ScoredRetriever> {
  const texts = documents.flatMap((document, place) =>
    [document.pageContent, ...questionsOf(document)].map((pageContent): Document => ({
      pageContent,
      metadata: { place },
    })),
  );
  const store = await MemoryVectorStore.fromDocuments(texts, embeddings);
  const invokeWithScores = async (query: string, search: SearchOptions = {}): Promise<ScoredDocument[]> => {
    const isWanted = filterFunction(search.filter);
    const nearest = new Map<Document, number>();
    const scored = texts.length === 0 ? [] : await store.similaritySearchWithScore(query, texts.length);
    for (const [{ metadata }, cosine] of scored) {
      const document = documents[metadata.place as number];
      if (!nearest.has(document) && isWanted(document)) nearest.set(document, cosine);
    }
    return [...nearest].slice(0, search.k ?? DEFAULT_K);
  };
  return {
    invokeWithScores,
    invoke: async (query) => (await invokeWithScores(query)).map(([document]) => document),
  };
}

/** The questions that a document answers, by its front matter: a list, or one. */
function questionsOf({ metadata: { questions } }: Document): string[] {
  const listed: readonly unknown[] = Array.isArray(questions) ? questions : [questions];
  return listed.filter((question): question is string => typeof question === 'string');
}

/** A text with its questions, and with the texts of its front matter, which are repeated for more weight. */
function searchedText(document: Document): string {
  const { pageContent, metadata } = document;
  const fields = Object.entries(metadata).flatMap(([name, value]) =>
    ['source', 'questions'].includes(name) || typeof value !== 'string' ? [] : [value],
  );
  return [...fields, ...fields, pageContent, ...questionsOf(document)].join('\n');
}
