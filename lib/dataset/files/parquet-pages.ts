/**
 * Where the pages of a row group are, so that some of its rows can be read without the others: by the file's page index
 * (`datasets` writes one), else by going from the header of one page to the next.
 * Where it stands: before the rows of a group are read.
 */
import type { AsyncBuffer, ColumnChunk, FileMetaData, RowGroup } from 'hyparquet';

/** As in a page index: the page with its header, and the number of its first row in the group. */
export interface PageLocation {
  readonly offset: bigint;
  readonly compressed_page_size: number;
  readonly first_row_index: bigint;
}

/** Pages by a column's path. */
export type PageLocations = Record<string, PageLocation[]>;

/** Bytes in which a page's header, with the least and the greatest of its values, is looked for. */
const HEADER_BYTES = 1 << 16;
/** `PageType` of parquet.thrift. */
const [DATA_PAGE, DATA_PAGE_V2] = [0, 3];

/** The columns of a group that are read. */
export function chunksOf(group: RowGroup, columns: readonly string[] | undefined): ColumnChunk[] {
  return group.columns.filter(
    ({ meta_data: meta }) => columns === undefined || columns.includes(meta?.path_in_schema[0] ?? ''),
  );
}

/** The pages of these columns; undefined where a column does not tell which rows its pages have (lists without an index). */
export async function pageLocations(
  file: AsyncBuffer,
  group: RowGroup,
  { schema, columns }: { schema: FileMetaData['schema']; columns: readonly string[] | undefined },
): Promise<PageLocations | undefined> {
  const repeated = new Set(
    schema.flatMap(({ name, repetition_type: type }) => (type === 'REPEATED' ? [name] : [])),
  );
  const found: PageLocations = {};
  for (const chunk of chunksOf(group, columns)) {
    const path = chunk.meta_data?.path_in_schema ?? [];
    const isFlat = path.every((name) => !repeated.has(name));
    const pages = (await indexed(file, chunk)) ?? (await walked(file, chunk, { group, isFlat }));
    if (pages === undefined) return undefined;
    found[path.join('.')] = pages;
  }
  return found;
}

async function indexed(file: AsyncBuffer, chunk: ColumnChunk): Promise<PageLocation[] | undefined> {
  const { offset_index_offset: offset, offset_index_length: length } = chunk;
  if (offset === undefined || length === undefined || length === 0) return undefined;
  const { readOffsetIndex } = await import('hyparquet');
  const view = new DataView(await file.slice(Number(offset), Number(offset) + length));
  return readOffsetIndex({ view, offset: 0 }).page_locations;
}

/** The fields of a `PageHeader` by their numbers in parquet.thrift. */
interface Header {
  readonly field_1?: unknown;
  /** Compressed size, without the header. */
  readonly field_3?: unknown;
  /** `DataPageHeader`: its first field counts values, which are rows in a flat column. */
  readonly field_5?: { readonly field_1?: unknown };
  /** `DataPageHeaderV2`: its third field counts rows. */
  readonly field_8?: { readonly field_3?: unknown };
}

async function walked(
  file: AsyncBuffer,
  { meta_data: meta }: ColumnChunk,
  { group, isFlat }: { group: RowGroup; isFlat: boolean },
): Promise<PageLocation[] | undefined> {
  if (meta === undefined) return undefined;
  const { deserializeTCompactProtocol } = await import('hyparquet/src/thrift.js');
  const pages: PageLocation[] = [];
  let at = Number(meta.dictionary_page_offset ?? meta.data_page_offset);
  const end = at + Number(meta.total_compressed_size);
  let row = 0;
  while (at < end && row < Number(group.num_rows)) {
    const reader = {
      view: new DataView(await file.slice(at, Math.min(end, at + HEADER_BYTES))),
      offset: 0,
    };
    let header: Header;
    try {
      header = deserializeTCompactProtocol(reader);
    } catch {
      return undefined; // Longer, or damaged, which reading will say.
    }
    const size = reader.offset + Number(header.field_3);
    if (header.field_1 === DATA_PAGE || header.field_1 === DATA_PAGE_V2) {
      const count = header.field_8?.field_3 ?? (isFlat ? header.field_5?.field_1 : undefined);
      if (typeof count !== 'number') return undefined;
      pages.push({ offset: BigInt(at), compressed_page_size: size, first_row_index: BigInt(row) });
      row += count;
    }
    if (!(size > 0)) return undefined;
    at += size;
  }
  return row === Number(group.num_rows) ? pages : undefined;
}
