/** Documents in LangChain.js's shape, so that both libraries' documents are interchangeable. */

/** A text with its metadata. */
export interface Document {
  /** Id for citations and stores; stable across runs for the same file. */
  readonly id?: string;
  /** The text. */
  readonly pageContent: string;
  /** Its origin (`source`, `loc.lines`, `loc.pageNumber`, `title`), and the fields of its front matter. */
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** A document's part of its file, in its metadata as `loc`. */
export interface DocumentLocation {
  /** Page, from 1; PDF files only. */
  readonly pageNumber?: number;
  /** Lines of the file, or of the page's text, from 1, inclusive. */
  readonly lines: { readonly from: number; readonly to: number };
}

/** The location in a document's metadata; undefined if there is none of this shape. */
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
