/** Reads a text file as a document: Markdown's front matter becomes metadata, its first heading the title. */
import { createRequire } from 'node:module';
import { TextDecoder } from 'node:util';
import type * as Yaml from 'yaml';
import { isJsonObject } from '../../files';
import { messageOf, TunebookError } from '../../types';
import { titleOf } from './document';
import type { Document } from './document';

const FRONT_MATTER = /^---[ \t]*\r?\n([\s\S]*?)(?:^---|^\.\.\.)[ \t]*(?:\r?\n|$)/m;

/** One document of a .txt file. @throws {TunebookError} If it is not UTF-8, or empty */
export function readText(bytes: Uint8Array, source: string): Document {
  const text = decode(bytes);
  return textDocument({ id: source, text, firstLine: 1, metadata: { source } });
}

/** One document of a .md file. @throws {TunebookError} If it is not UTF-8, empty, or its front matter is no YAML */
export function readMarkdown(bytes: Uint8Array, source: string): Document {
  const text = decode(bytes);
  const matter = FRONT_MATTER.exec(text.startsWith('---') ? text : '');
  const skipped = matter?.index === 0 ? matter[0] : '';
  const fields = skipped === '' ? {} : parseFrontMatter(matter?.[1] ?? '');
  const metadata = { ...fields, source };
  const document = textDocument({
    ...{ id: source.replace(/\.(md|markdown)$/i, ''), metadata },
    ...{ text: text.slice(skipped.length), firstLine: 1 + lineCount(skipped) },
  });
  const title = titleOf(document);
  return title === undefined ? document : { ...document, metadata: { title, ...document.metadata } };
}

function parseFrontMatter(text: string): Readonly<Record<string, unknown>> {
  const { parse } = createRequire(__filename)('yaml') as typeof Yaml;
  let fields: unknown;
  try {
    fields = parse(text);
  } catch (error) {
    const [reason] = messageOf(error).split('\n');
    throw new TunebookError(`its front matter is no YAML (${reason.replace(/:$/, '')})`, { cause: error });
  }
  if (fields === null || fields === undefined) return {};
  if (isJsonObject(fields)) return fields;
  throw new TunebookError('its front matter is no list of fields (`key: value`)');
}

function textDocument(parts: {
  readonly id: string;
  readonly text: string;
  readonly firstLine: number;
  readonly metadata: Readonly<Record<string, unknown>>;
}): Document {
  const { id, text, firstLine, metadata } = parts;
  const pageContent = text.trim();
  if (pageContent === '') throw new TunebookError('it has no text');
  const from = firstLine + lineCount(text.slice(0, text.length - text.trimStart().length));
  const loc = { lines: { from, to: from + lineCount(pageContent) } };
  return { id, pageContent, metadata: { ...metadata, loc } };
}

/** Number of line ends in a text. */
function lineCount(text: string): number {
  return text.split(/\r\n|\r|\n/).length - 1;
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new TunebookError('it is not UTF-8: save it as UTF-8', { cause: error });
  }
}
