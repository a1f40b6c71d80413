/**
 * Parquet by hyparquet, some pages of a row group at a time; gzip and brotli by Node's own zlib, the other codecs by
 * hyparquet-compressors.
 */
import { open } from 'node:fs/promises';
import zlib from 'node:zlib';
import type { AsyncBuffer, Compressors, ParquetReadOptions, RowGroup } from 'hyparquet';
import { messageOf, TunebookError } from '../../types';
import type { DataFile } from './data-file';
import { chunksOf, pageLocations } from './parquet-pages';
import type { PageLocations } from './parquet-pages';
import { ParquetFault, parquetValues } from './parquet-values';
import type { ParquetValues } from './parquet-values';
import type { JsonValue, Row } from './row';

/** What is read of a Parquet file. */
export interface ReadParquetOptions {
  /** All if undefined. */
  readonly columns?: readonly string[];
  /** Rows that are left out. Default 0. */
  readonly from?: number;
  /** Bytes of pages that are read together, about. Default 8 MB. */
  readonly sliceBytes?: number;
}

/**
 * The rows of a Parquet file.
 * @throws TunebookError where the file is damaged, or lacks a column.
 */
export async function* readParquet(
  file: DataFile,
  { columns, from = 0, sliceBytes = 8e6 }: ReadParquetOptions,
): AsyncGenerator<Row> {
  const { parquetMetadataAsync, parquetReadObjects } = await import('hyparquet');
  const buffer = bufferOf(file);
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
  const wanted = columns === undefined ? undefined : [...new Set(columns)];
  const compressors = await codecs();
  let line = 0;
  for (const [index, group] of metadata.row_groups.entries()) {
    const groupEnd = line + Number(group.num_rows);
    line = Math.max(line, Math.min(from, groupEnd));
    if (line === groupEnd) continue;
    const pages = await pageLocations(buffer, group, { schema: metadata.schema, columns: wanted }).catch(
      (error: unknown) => {
        throw damaged(file, error);
      },
    );
    const step = pages === undefined ? Infinity : rowsAtATime(group, { columns: wanted, sliceBytes });
    const pageLocationsByGroup: PageLocations[] = [];
    pageLocationsByGroup[index] = pages ?? {};
    while (line < groupEnd) {
      const request: PagedReadOptions = {
        file: buffer,
        metadata: { ...metadata, schema: values.schema },
        rowStart: line,
        rowEnd: Math.min(line + step, groupEnd),
        columns: wanted,
        compressors,
        parsers: values.parsers,
        utf8: false,
        pageLocationsByGroup,
      };
      const rows = await parquetReadObjects(request).catch((error: unknown) => {
        throw damaged(file, error);
      });
      for (const row of rows) yield { ...rowOf(++line, row, values), next: { line } };
      rows.length = 0; // the next ones are read before this scope ends
    }
  }
}

/** hyparquet's, with what it takes but does not declare: where pages are, by group. */
type PagedReadOptions = Omit<ParquetReadOptions, 'onComplete'> & {
  readonly pageLocationsByGroup: readonly PageLocations[];
};

/** The file's bytes, each piece read into memory once. */
function bufferOf({ path, sizeBytes }: DataFile): AsyncBuffer {
  return {
    byteLength: sizeBytes,
    async slice(start, end = sizeBytes) {
      const bytes = new Uint8Array(end - start);
      const handle = await open(path);
      try {
        for (let at = 0; at < bytes.length;) {
          const { bytesRead } = await handle.read(bytes, at, bytes.length - at, start + at);
          if (bytesRead === 0) throw new Error(`it ends after ${start + at} bytes`);
          at += bytesRead;
        }
      } finally {
        await handle.close();
      }
      return bytes.buffer;
    },
  };
}

/** Rows of a group that are read together. */
function rowsAtATime(
  group: RowGroup,
  { columns, sliceBytes }: { columns: readonly string[] | undefined; sliceBytes: number },
): number {
  const sizes = chunksOf(group, columns).map(({ meta_data: meta }) =>
    Number(meta?.total_compressed_size ?? 0),
  );
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  return Math.max(1, Math.ceil((Number(group.num_rows) * sliceBytes) / Math.max(sliceBytes, bytes)));
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
