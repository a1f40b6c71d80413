/**
 * Finds passages to quote advice from. The package's own name their segment; chunks of other documents are searched for
 * the segment's name.
 */
import { RecursiveCharacterTextSplitter } from '../../retrieval';
import type { Document } from '../../retrieval';
import type { RaceEvidence } from '../evidence/types';

/** Characters per chunk: a paragraph or two. */
const CHUNK = 600;
/** Chunks per segment. */
const BEST = 4;

/**
 * Makes a function that finds the passages for a race: documents with `metadata.segment` unchanged, and chunks of the
 * others that match the segments with most to win.
 */
export function passageFinder(documents: readonly Document[]): (race: RaceEvidence) => readonly Document[] {
  const isMarked = ({ metadata }: Document): boolean => typeof metadata.segment === 'string';
  const marked = documents.filter(isMarked);
  const others = documents.filter((document) => !isMarked(document));
  if (others.length === 0) return () => marked;
  const chunks = new RecursiveCharacterTextSplitter({ chunkSize: CHUNK }).splitDocuments(others);
  return ({ chosen, segments }) => {
    const names = segments.filter(({ column }) => chosen.includes(column)).map(({ name }) => name);
    return [...marked, ...names.flatMap((name) => chunksAbout(name, chunks))];
  };
}

/** The chunks that name a segment most often, each from its first mention on. */
function chunksAbout(name: string, chunks: readonly Document[]): Document[] {
  // All words of a name must occur: "pull" alone is not about the sled pull.
  const words = name.toLowerCase().split(/\s+/);
  const stems = words.map((word) => word.replace(/(?:ning|s)$/, ''));
  const times = ({ pageContent }: Document): number =>
    Math.min(...stems.map((stem) => pageContent.toLowerCase().split(stem).length - 1));
  return chunks
    .map((document) => ({ document, count: times(document) }))
    .filter(({ count }) => count > 0)
    .sort((a, b) => b.count - a.count)
    .slice(0, BEST)
    .map(({ document }) => ({
      ...document,
      pageContent: fromMention(document.pageContent, stems),
      metadata: { ...document.metadata, segment: name },
    }));
}

/**
 * A chunk from the sentence that names the segment on, since its first sentence is quoted; all of it if its heading
 * does.
 */
function fromMention(text: string, stems: readonly string[]): string {
  const names = (part: string): boolean => stems.every((stem) => part.toLowerCase().includes(stem));
  const headings = /^(?:#{1,6}\s.*\s*)*/.exec(text)?.[0] ?? '';
  if (names(headings)) return text;
  const sentences = text.slice(headings.length).split(/(?<=[.!?])\s+/);
  const first = sentences.findIndex(names);
  return first <= 0 ? text : `${headings}${sentences.slice(first).join(' ')}`;
}
