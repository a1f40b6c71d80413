/**
 * Parquet by hyparquet, one row group at a time; gzip and brotli by Node's own zlib, the other codecs by
 * hyparquet-compressors.
 */
import zlib from 'node:zlib';
import type { Compressors } from 'hyparquet';
import { messageOf, TunebookError } from '../../types';
import type { DataFile } from './data-file';
import { ParquetFault, parquetValues } from './parquet-values';
import type { ParquetValues } from './parquet-values';
import type { JsonValue, Row } from './row';

/**
 * The rows of a Parquet file.
 *
 * @param columns those to read; all if undefined
 * @param from rows that are left out
 * @throws TunebookError where the file is damaged, or lacks a column.
 */
export async function* readParquet(
  file: DataFile,
  columns: readonly string[] | undefined,
  from = 0,
): AsyncGenerator<Row> {
  const { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } = await import('hyparquet');
  const buffer = await asyncBufferFromFile(file.path);
  const metadata = await parquetMetadataAsync(buffer).catch((error: unknown) => {
    throw damaged(file, error);
  });
  const values = parquetValues(metadata.schema);
  const has = metadata.schema.slice(1).map((element) => element.name);
  const missing = columns?.find((column) => !has.includes(column));
  if (missing !== undefined) {
    throw new TunebookError(
      `${file.path}: expected the column "${missing}", got ${has.join(', ')}. Fix fieldMapping.`,
    );
  }
  for (const column of values.bytes) {
    if (columns === undefined || columns.includes(column))
      yield { line: 1, note: `the column "${column}" holds bytes; they are given as base64` };
  }
  let line = 0;
  for (const group of metadata.row_groups) {
    const rowEnd = line + Number(group.num_rows);
    if (rowEnd <= from) {
      line = rowEnd;
      continue;
    }
    line = Math.max(line, from);
    const rows = await parquetReadObjects({
      file: buffer,
      metadata: { ...metadata, schema: values.schema },
      rowStart: line,
      rowEnd,
      columns: columns === undefined ? undefined : [...new Set(columns)],
      compressors: await codecs(),
      parsers: values.parsers,
      utf8: false,
    }).catch((error: unknown) => {
      throw damaged(file, error);
    });
    for (const row of rows) yield { ...rowOf(++line, row, values), next: { line } };
    line = rowEnd;
  }
}

function rowOf(line: number, row: Record<string, unknown>, values: ParquetValues): Row {
  const fields: [string, JsonValue][] = [];
  for (const [name, value] of Object.entries(row)) {
    try {
      fields.push([name, values.convert(name, value)]);
    } catch (error) {
      if (error instanceof ParquetFault) return { line, reason: `the field "${name}" has ${error.message}` };
      throw error;
    }
  }
  return { line, record: Object.fromEntries(fields) };
}

async function codecs(): Promise<Compressors> {
  const { compressors } = await import('hyparquet-compressors');
  return {
    ...compressors,
    GZIP: (input) => zlib.gunzipSync(input),
    BROTLI: (input) => zlib.brotliDecompressSync(input),
  };
}

function damaged(file: DataFile, error: unknown): TunebookError {
  return new TunebookError(
    `${file.path}: is damaged Parquet, or of a kind that cannot be read (${messageOf(error)}). Fetch or write it again.`,
  );
}
