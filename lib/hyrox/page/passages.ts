/**
 * Passages that advice may be quoted from. The package's own say which segment they are about; of others that is found
 * out by searching their chunks for the segment's name.
 * Where it stands: between the documents and `composeFeedback`.
 */
import { RecursiveCharacterTextSplitter } from '../../retrieval';
import type { Document } from '../../retrieval';
import type { RaceEvidence } from '../evidence/types';

/** Characters of a chunk: a paragraph or two. */
const CHUNK = 600;
/** Chunks for each segment. */
const BEST = 4;

/**
 * A function that gives the passages for a race: documents with `metadata.segment` as they are, and of the others what
 * fits the segments with most to win.
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

/** The chunks that name a segment most often, from there on. */
function chunksAbout(name: string, chunks: readonly Document[]): Document[] {
  // Each word of a name has to be there: "pull" alone is not about the sled pull.
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

/** A chunk from the sentence on that names the segment: the first one is quoted. Under a heading that does, all of it. */
function fromMention(text: string, stems: readonly string[]): string {
  const names = (part: string): boolean => stems.every((stem) => part.toLowerCase().includes(stem));
  const headings = /^(?:#{1,6}\s.*\s*)*/.exec(text)?.[0] ?? '';
  if (names(headings)) return text;
  const sentences = text.slice(headings.length).split(/(?<=[.!?])\s+/);
  const first = sentences.findIndex(names);
  return first <= 0 ? text : `${headings}${sentences.slice(first).join(' ')}`;
}
