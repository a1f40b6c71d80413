/** Reads the text of a PDF file by `unpdf` (pdf.js), a document per page. */
import { messageOf, TunebookError } from '../../types';
import type { Document } from './document';

/** Documents of a file's pages, and the pages without text. */
export interface PdfPages {
  readonly documents: readonly Document[];
  /** Numbers of pages without text, from 1. */
  readonly emptyPages: readonly number[];
}

/** @throws {TunebookError} If the file is truncated, encrypted or no PDF, or no page has text */
export async function readPdf(bytes: Uint8Array, source: string): Promise<PdfPages> {
  const { extractText, getDocumentProxy } = await import('unpdf');
  const pages = await (async () => {
    const pdf = await getDocumentProxy(new Uint8Array(bytes), { verbosity: 0 });
    try {
      return (await extractText(pdf, { mergePages: false })).text;
    } finally {
      await pdf.destroy();
    }
  })().catch((error: unknown) => {
    throw new TunebookError(reasonOf(error), { cause: error });
  });
  const documents = pages.flatMap((text, i): Document[] => {
    const pageContent = text.trim();
    if (pageContent === '') return [];
    const lines = { from: 1, to: pageContent.split('\n').length };
    const metadata = { source, loc: { pageNumber: i + 1, lines } };
    return [{ id: `${source}#page=${i + 1}`, pageContent, metadata }];
  });
  if (documents.length === 0) {
    throw new TunebookError(
      `none of its ${pages.length} pages has text: a scan? Recognize its text first, for instance with ocrmypdf`,
    );
  }
  const emptyPages = pages.flatMap((text, i) => (text.trim() === '' ? [i + 1] : []));
  return { documents, emptyPages };
}

function reasonOf(error: unknown): string {
  const name = error instanceof Error ? error.name : '';
  if (name === 'PasswordException') return 'it is locked by a password: save a copy without one';
  if (name === 'InvalidPDFException') return 'it is no PDF, or a part of it is missing: get it again';
  return `its text cannot be read (${messageOf(error)})`;
}
