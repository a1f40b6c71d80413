/** What is searched: the shape that LangChain.js's documents have, so that theirs and ours are each other's. */

/** A text with what is known about it. */
export interface Document {
  /** Names it in citations and stores; the same for the same file in each run. */
  readonly id?: string;
  /** The text itself. */
  readonly pageContent: string;
  /** Where it comes from (`source`, `loc.lines`, `loc.pageNumber`, `title`), and the fields of its front matter. */
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** The part of a file that a document is, in its metadata as `loc`. */
export interface DocumentLocation {
  /** Page, from 1; PDF files only. */
  readonly pageNumber?: number;
  /** Lines of the file, or of the page's text, from 1, both included. */
  readonly lines: { readonly from: number; readonly to: number };
}

/** The location in a document's metadata; undefined where there is none of this shape. */
export function locationOf({ metadata }: Document): DocumentLocation | undefined {
  const { loc } = metadata;
  if (typeof loc !== 'object' || loc === null || !('lines' in loc)) return undefined;
  const { lines } = loc;
  if (typeof lines !== 'object' || lines === null || !('from' in lines) || !('to' in lines)) return undefined;
  if (typeof lines.from !== 'number' || typeof lines.to !== 'number') return undefined;
  const pageNumber = 'pageNumber' in loc && typeof loc.pageNumber === 'number' ? loc.pageNumber : undefined;
  return { ...(pageNumber !== undefined && { pageNumber }), lines: { from: lines.from, to: lines.to } };
}

/** A document's heading: `title` in its metadata, else the first heading of Markdown in its text. */
export function titleOf({ pageContent, metadata }: Document): string | undefined {
  if (typeof metadata.title === 'string') return metadata.title;
  return /^#{1,6}[ \t]+(.+?)[ \t]*#*$/m.exec(pageContent)?.[1];
}
