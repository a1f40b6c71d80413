/** Loads a folder of texts as documents: Markdown, plain text and PDF. */
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { isMissing, requireLocalPath } from '../../files';
import { requireOptions } from '../../options';
import { messageOf, requireText, shortList, TunebookError } from '../../types';
import type { Document } from './document';
import { readMarkdown, readText } from './read-markdown';
import { readPdf } from './read-pdf';

/** A file that was skipped, whole or in part. */
export interface SkippedFile {
  /** Path relative to the folder. */
  readonly file: string;
  /** The reason, as text. */
  readonly reason: string;
}

/** Settings of `loadDocuments`. */
export interface LoadDocumentsOptions {
  /** Called for each unreadable file, and for pages without text; by default prints a line. */
  readonly onSkip?: (skipped: SkippedFile) => void;
}

/**
 * Reads all .md, .txt and .pdf files in a folder and its subfolders, sorted by path; Markdown's front matter becomes
 * metadata, and each page of a PDF is a document. Unreadable files are reported and skipped; hidden files are ignored.
 *
 * @throws {TunebookError} If the folder does not exist, has no such files, or none of them can be read.
 * @example
 * ```ts
 * import { mkdirSync, writeFileSync } from 'node:fs';
 * import { loadDocuments } from 'tunebook/retrieval';
 *
 * mkdirSync('texts', { recursive: true });
 * writeFileSync('texts/row.md', '---\ntopic: pacing\n---\n# Rowing\n\nHold an even pace.');
 * const [document] = await loadDocuments('texts');
 * console.log(document.id, document.metadata.title, document.metadata.topic); // row Rowing pacing
 * ```
 */
export async function loadDocuments(folder: string, options: LoadDocumentsOptions = {}): Promise<Document[]> {
  requireText(folder, { where: 'loadDocuments', what: 'the path of a folder' });
  requireOptions<LoadDocumentsOptions>(options, { where: 'loadDocuments', names: { onSkip: true } });
  const { onSkip = sayOnConsole } = options;
  requireLocalPath(folder, 'loadDocuments');
  const names = await filesBelow(folder);
  const wanted = names.filter((name) => /\.(md|markdown|txt|pdf)$/i.test(name));
  if (wanted.length === 0) {
    const found = names.length === 0 ? 'an empty folder' : `only ${shortList(names, 5)}`;
    throw new TunebookError(
      `loadDocuments: expected .md, .txt or .pdf files in ${folder}, got ${found}. Put texts there, or name another folder.`,
    );
  }
  const documents: Document[] = [];
  const skipped: SkippedFile[] = [];
  for (const file of wanted) {
    try {
      const read = await readFile(path.join(folder, file), file);
      for (const document of read.documents) documents.push(document);
      if (read.emptyPages.length > 0) onSkip({ file, reason: emptyPagesText(read.emptyPages) });
    } catch (error) {
      const one = { file, reason: messageOf(error) };
      skipped.push(one);
      onSkip(one);
    }
  }
  if (documents.length > 0) return documents;
  const reasons = skipped.slice(0, 5).map(({ file, reason }) => `${file}: ${reason}`);
  throw new TunebookError(
    `loadDocuments: none of the ${wanted.length} files in ${folder} can be read. ${reasons.join('. ')}.`,
  );
}

async function readFile(
  file: string,
  source: string,
): Promise<{ documents: readonly Document[]; emptyPages: readonly number[] }> {
  const bytes = await fs.readFile(file).catch((error: unknown) => {
    throw new TunebookError(`it cannot be read (${messageOf(error)})`, { cause: error });
  });
  if (/\.pdf$/i.test(file)) return readPdf(bytes, source);
  const read = /\.txt$/i.test(file) ? readText : readMarkdown;
  return { documents: [read(bytes, source)], emptyPages: [] };
}

/** Relative paths of a folder's files with slashes, sorted, without hidden ones. */
async function filesBelow(folder: string): Promise<string[]> {
  const entries = await fs
    .readdir(folder, { recursive: true, withFileTypes: true })
    .catch((error: unknown) => {
      const reason = isMissing(error) ? 'there is none' : messageOf(error);
      throw new TunebookError(`loadDocuments: expected a folder, but ${folder} cannot be read (${reason}).`, {
        cause: error,
      });
    });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)).split(path.sep).join('/'))
    .filter((name) => !name.split('/').some((part) => part.startsWith('.')))
    .sort();
}

function emptyPagesText(pages: readonly number[]): string {
  return `no text on page${pages.length > 1 ? 's' : ''} ${shortList(pages, 10)} (pictures or scans?); its other pages are read`;
}

function sayOnConsole({ file, reason }: SkippedFile): void {
  console.warn(`loadDocuments: ${file}: ${reason}.`);
}
