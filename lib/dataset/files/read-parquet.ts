/**
 * Parquet by hyparquet, one row group at a time; gzip, brotli and (where Node has it) zstd by Node's own zlib.
 */
import zlib from 'node:zlib';
import { messageOf, TunebookError } from '../../types';
import type { DataFile } from './data-file';
import type { JsonValue, Row } from './row';

/**
 * The rows of a Parquet file.
 *
 * @param columns those to read; all if undefined
 * @throws TunebookError where the file is damaged, or lacks a column.
 */
export async function* readParquet(
  file: DataFile,
  columns: readonly string[] | undefined,
): AsyncGenerator<Row> {
  const { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } = await import('hyparquet');
  const buffer = await asyncBufferFromFile(file.path);
  const metadata = await parquetMetadataAsync(buffer).catch((error: unknown) => {
    throw damaged(file, error);
  });
  const has = metadata.schema.slice(1).map((element) => element.name);
  const missing = columns?.find((column) => !has.includes(column));
  if (missing !== undefined) {
    throw new TunebookError(
      `${file.path}: expected the column "${missing}", got ${has.join(', ')}. Mend fieldMapping.`,
    );
  }
  let line = 0;
  for (const group of metadata.row_groups) {
    const rowEnd = line + Number(group.num_rows);
    const rows = await parquetReadObjects({
      file: buffer,
      metadata,
      rowStart: line,
      rowEnd,
      columns: columns === undefined ? undefined : [...new Set(columns)],
      compressors: compressors(),
    }).catch((error: unknown) => {
      throw damaged(file, error);
    });
    for (const row of rows) {
      line++;
      const fields = Object.entries(row).map(([name, value]): [string, JsonValue] => [name, plain(value)]);
      yield { line, record: Object.fromEntries(fields) };
    }
    line = rowEnd;
  }
}

type Decompress = (input: Uint8Array) => Uint8Array;

function compressors(): Record<string, Decompress> {
  const known: Record<string, Decompress> = {
    GZIP: (input) => zlib.gunzipSync(input),
    BROTLI: (input) => zlib.brotliDecompressSync(input),
  };
  // From Node 22.15 on.
  const zstd: unknown = Reflect.get(zlib, 'zstdDecompressSync');
  if (typeof zstd === 'function') known.ZSTD = (input) => zstd(input) as Uint8Array;
  return known;
}

/** Parquet's values as JSON's: big integers as numbers where exact, dates in ISO, bytes as base64. */
function plain(value: unknown): JsonValue {
  if (value === undefined || value === null) return null;
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === 'object') {
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]): [string, JsonValue] => [key, plain(inner)]),
    );
  }
  return String(value);
}

function damaged(file: DataFile, error: unknown): TunebookError {
  const reason = messageOf(error);
  const zstd = /zstd/i.test(reason)
    ? ' Node before 22.15 cannot unpack zstd: write it with snappy or gzip.'
    : '';
  return new TunebookError(
    `${file.path}: is damaged Parquet, or of a kind that cannot be read (${reason}).${zstd}`,
  );
}
