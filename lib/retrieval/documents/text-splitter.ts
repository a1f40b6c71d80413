/**
 * Splits long documents into chunks like LangChain.js's RecursiveCharacterTextSplitter (at paragraphs, else lines, else
 * words, else characters), with one addition: each chunk begins with its Markdown headings, without which a passage
 * does not say what it is about.
 */
import { requireOptions } from '../../options';
import { TunebookError } from '../../types';
import { locationOf } from './document';
import type { Document } from './document';
import { markdownSections } from './markdown-sections';

/** Settings of `RecursiveCharacterTextSplitter`. */
export interface TextSplitterOptions {
  /** Most characters of a chunk, headings included; 1000 by default. */
  readonly chunkSize?: number;
  /** Most characters repeated from the chunk before; 200 by default, or a fifth of a smaller chunkSize. */
  readonly chunkOverlap?: number;
  /** Separators to split at, best first; paragraphs, lines, words, characters by default. */
  readonly separators?: readonly string[];
  /** Whether each chunk begins with the headings above it; true by default. */
  readonly keepHeadings?: boolean;
}

/** A part of a text: [start, end). */
interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * Splits texts into chunks of at most a size, at the largest breaks possible.
 *
 * @example
 * ```ts
 * import { RecursiveCharacterTextSplitter } from 'tunebook/retrieval';
 *
 * const splitter = new RecursiveCharacterTextSplitter({ chunkSize: 40, chunkOverlap: 0 });
 * console.log(splitter.splitText('# Rowing\n\nLegs first, then arms.\n\nBreathe out as you pull.'));
 * // ['# Rowing\n\nLegs first, then arms.', '# Rowing\n\nBreathe out as you pull.']
 * ```
 */
export class RecursiveCharacterTextSplitter {
  readonly chunkSize: number;
  readonly chunkOverlap: number;
  readonly separators: readonly string[];
  readonly keepHeadings: boolean;

  /** @throws {TunebookError} If sizes are not whole numbers, or the overlap is not below the size */
  constructor(options: TextSplitterOptions = {}) {
    requireOptions<TextSplitterOptions>(options, {
      where: 'RecursiveCharacterTextSplitter',
      names: { chunkSize: true, chunkOverlap: true, separators: true, keepHeadings: true },
    });
    const { chunkSize = 1000, chunkOverlap, separators, keepHeadings = true } = options;
    this.chunkSize = chunkSize;
    this.chunkOverlap = chunkOverlap ?? Math.min(200, Math.floor(chunkSize / 5));
    this.separators = separators ?? ['\n\n', '\n', ' ', ''];
    this.keepHeadings = keepHeadings;
    const isWhole = Number.isInteger(this.chunkSize) && Number.isInteger(this.chunkOverlap);
    if (!isWhole || this.chunkSize < 1 || this.chunkOverlap < 0 || this.chunkOverlap >= this.chunkSize) {
      throw new TunebookError(
        `RecursiveCharacterTextSplitter: expected a chunkOverlap below chunkSize, whole numbers both, got ${this.chunkOverlap} and ${this.chunkSize}.`,
      );
    }
  }

  /** The chunks of a text, in order. */
  splitText(text: string): string[] {
    return this.chunksOf(text).map(({ chunk }) => chunk);
  }

  /** The chunks of documents, with their metadata, the lines of each, and the document's id with the chunk's number. */
  splitDocuments(documents: readonly Document[]): Document[] {
    return documents.flatMap((document) => {
      const chunks = this.chunksOf(document.pageContent);
      const known = locationOf(document);
      const first = known?.lines.from ?? 1;
      return chunks.map(({ chunk, span }, i): Document => {
        const from = first + lineEnds(document.pageContent, 0, span.start);
        const to = from + lineEnds(document.pageContent, span.start, span.end);
        const metadata = { ...document.metadata, loc: { ...known, lines: { from, to } } };
        const suffix = chunks.length > 1 ? `#${i + 1}` : '';
        return {
          ...(document.id !== undefined && { id: `${document.id}${suffix}` }),
          ...{ pageContent: chunk, metadata },
        };
      });
    });
  }

  private chunksOf(text: string): { chunk: string; span: Span }[] {
    const sections = this.keepHeadings
      ? markdownSections(text)
      : [{ headings: [], body: { start: 0, end: text.length } }];
    return sections.flatMap(({ headings, body }) => {
      // At most half of a chunk is headings: the nearest ones that fit.
      let prefix = '';
      for (const heading of [...headings].reverse()) {
        const longer = `${heading}\n\n${prefix}`;
        if (longer.length > this.chunkSize / 2) break;
        prefix = longer;
      }
      const size = this.chunkSize - prefix.length;
      const overlap = Math.min(this.chunkOverlap, size - 1);
      const spans = cutSpan(text, body, { separators: this.separators, size, overlap });
      return spans.map((span) => ({ chunk: prefix + text.slice(span.start, span.end), span }));
    });
  }
}

interface Cut {
  readonly separators: readonly string[];
  readonly size: number;
  readonly overlap: number;
}

/** Chunks of a part: split at the first separator that occurs, pieces that are still too long at the next ones. */
function cutSpan(text: string, part: Span, { separators, ...sizes }: Cut): Span[] {
  const inside = text.slice(part.start, part.end);
  const at = separators.findIndex((separator) => separator === '' || inside.includes(separator));
  const rest = at < 0 ? [] : separators.slice(at + 1);
  const pieces = piecesOf(text, part, at < 0 ? '' : separators[at]);
  const chunks: Span[] = [];
  let short: Span[] = [];
  const flush = (): void => {
    for (const chunk of mergePieces(text, short, sizes)) chunks.push(chunk);
    short = [];
  };
  for (const piece of pieces) {
    if (piece.end - piece.start < sizes.size) short.push(piece);
    else {
      flush();
      if (rest.length === 0) chunks.push(piece);
      else for (const chunk of cutSpan(text, piece, { separators: rest, ...sizes })) chunks.push(chunk);
    }
  }
  flush();
  return chunks;
}

/** Pieces that end before each separator, which begins the next piece. */
function piecesOf(text: string, part: Span, separator: string): Span[] {
  const cuts = [part.start];
  if (separator === '') {
    // Surrogate pairs stay whole.
    for (let i = part.start + 1; i < part.end; i++) if (!/[\uDC00-\uDFFF]/.test(text[i])) cuts.push(i);
  } else {
    for (let i = text.indexOf(separator, part.start); i >= 0 && i + separator.length <= part.end;) {
      if (i > part.start) cuts.push(i);
      i = text.indexOf(separator, i + 1);
    }
  }
  return cuts.flatMap((start, i) => {
    const end = cuts[i + 1] ?? part.end;
    return end > start ? [{ start, end }] : [];
  });
}

/** Merges adjacent pieces up to the size; each chunk begins with at most `overlap` characters of the one before. */
function mergePieces(
  text: string,
  pieces: readonly Span[],
  { size, overlap }: { size: number; overlap: number },
): Span[] {
  const chunks: Span[] = [];
  let held: Span[] = [];
  let total = 0;
  const push = (): void => {
    if (held.length === 0) return;
    const [start, end] = [held[0].start, held[held.length - 1].end];
    const inside = text.slice(start, end);
    if (inside.trim() === '') return;
    chunks.push({
      start: start + inside.length - inside.trimStart().length,
      end: end - inside.length + inside.trimEnd().length,
    });
  };
  for (const piece of pieces) {
    const length = piece.end - piece.start;
    if (total + length > size) {
      push();
      while (held.length > 0 && (total > overlap || total + length > size)) {
        total -= held[0].end - held[0].start;
        held = held.slice(1);
      }
    }
    held.push(piece);
    total += length;
  }
  push();
  return chunks;
}

function lineEnds(text: string, start: number, end: number): number {
  let count = 0;
  for (let i = start; i < end; i++) if (text[i] === '\n') count++;
  return count;
}
