/**
 * The formats of data files. To add one: a file that reads it, and a line in the table, or `registerReader` from
 * outside.
 */
import { requireObject, requireText, TunebookError } from '../../types';
import type { DataFile } from './data-file';
import { readCsv } from './read-csv';
import { readJson } from './read-json';
import { readParquet } from './read-parquet';
import type { RecordFormat, Row, RowPlace } from './row';

/** What a reader may have to know. */
export interface ReaderOptions {
  /** CSV: what stands between values. Default: ',' or, for .tsv, a tab. */
  readonly delimiter?: string;
  /** Columns that will be used; others need not be read. Default: all. */
  readonly columns?: readonly string[];
  /** JSON: the member of the file's object that holds the records. */
  readonly field?: string;
  /** The `next` of an earlier row of this file: the rows after it are asked for. Only readers that give `next` get it. */
  readonly from?: RowPlace;
}

/** A format of data files. */
export interface Reader {
  /** Endings of file names in lower case, with the dot: ['.jsonl']. */
  readonly extensions: readonly string[];
  /** Whether it takes files packed with gzip too (`.jsonl.gz`). Default false: they are refused. */
  readonly unpacks?: boolean;
  /** The rows of a file in order; a malformed one is a row with a reason, so that the others can be used. */
  read(file: DataFile, options: ReaderOptions): AsyncIterable<Row>;
}

/** The built-in formats. */
export const READERS: Readonly<Record<RecordFormat, Reader>> = {
  jsonl: {
    extensions: ['.jsonl', '.ndjson'],
    unpacks: true,
    read: (file, { field, from }) => readJson(file, { format: 'jsonl', field, from }),
  },
  json: {
    extensions: ['.json'],
    unpacks: true,
    read: (file, { field, from }) => readJson(file, { format: 'json', field, from }),
  },
  csv: {
    extensions: ['.csv', '.tsv'],
    unpacks: true,
    read: (file, { delimiter }) => readCsv(file, delimiter ?? (isTsv(file.path) ? '\t' : undefined)),
  },
  parquet: {
    extensions: ['.parquet'],
    read: (file, { columns, from }) => readParquet(file, { columns, from: from?.line }),
  },
};

function isTsv(path: string): boolean {
  return /\.tsv(\.gz)?$/i.test(path);
}

const BY_NAME = new Map<string, Reader>(Object.entries(READERS));

/** The reader of a format. @throws TunebookError where there is none of that name */
export function readerOf(format: string): Reader {
  const reader = BY_NAME.get(format);
  if (reader !== undefined) return reader;
  throw new TunebookError(
    `loadRecords: expected format ${[...BY_NAME.keys()].join(', ')}, got '${format}'. Register it with registerReader.`,
  );
}

/** The format of a file name's ending, where one has it. */
export function formatOfExtension(extension: string): string | undefined {
  return [...BY_NAME].find(([, { extensions }]) => extensions.includes(extension))?.[0];
}

/** All endings that are known. */
export function knownExtensions(): string[] {
  return [...BY_NAME.values()].flatMap(({ extensions }) => extensions);
}

/**
 * Makes `loadRecords` read another format.
 * @throws TunebookError where the name or an ending is taken
 * @example
 * ```ts
 * import fs from 'node:fs';
 * import { loadRecords, registerReader } from 'tunebook';
 *
 * registerReader('lines', {
 *   extensions: ['.lines'],
 *   async *read({ path }) {
 *     const lines = fs.readFileSync(path, 'utf8').trimEnd().split('\n');
 *     for (const [i, response] of lines.entries()) yield { line: i + 1, record: { response } };
 *   },
 * });
 * fs.writeFileSync('answers.lines', 'Well run.\nKeep going.\n');
 * console.log((await loadRecords('answers.lines')).records.length); // 2
 * ```
 */
export function registerReader(format: string, reader: Reader): void {
  requireText(format, { where: 'registerReader', what: 'a name for the format' });
  requireObject(reader, {
    ...{ where: 'registerReader', what: 'a reader { extensions, read }' },
    fields: ['extensions', 'read'],
  });
  const taken = BY_NAME.has(format)
    ? `'${format}'`
    : reader.extensions.find((extension) => formatOfExtension(extension) !== undefined);
  if (taken !== undefined) {
    throw new TunebookError(
      `registerReader: expected a new format with new endings, got ${taken}, which is taken. Choose another name.`,
    );
  }
  BY_NAME.set(format, reader);
}
