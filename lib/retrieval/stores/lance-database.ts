/** The only file that touches @lancedb/lancedb, an optional package: the part of its API that is used. */
import { createRequire } from 'node:module';
import { messageOf, TunebookError } from '../../types';

/** A document as a row; names and types are the table's columns. */
export interface LanceRow extends Record<string, unknown> {
  readonly id: string;
  readonly text: string;
  /** The metadata as JSON. */
  readonly metadata: string;
  /** `name=value` of each plain value of the metadata, for filters; the first is ''. */
  readonly tags: readonly string[];
  /** The number of the document, from 0. */
  readonly place: number;
  /** Name of the embeddings; '' if they have none. */
  readonly embeddings: string;
}

/** A search result. */
export type FoundRow = LanceRow & { readonly _distance?: number; readonly _score?: number };

/** A query builder. */
export interface LanceQuery {
  where(condition: string): LanceQuery;
  limit(count: number): LanceQuery;
  select(columns: readonly string[]): LanceQuery;
  nearestTo(vector: readonly number[]): LanceQuery;
  distanceType(kind: 'dot'): LanceQuery;
  nprobes(count: number): LanceQuery;
  fullTextSearch(text: string): LanceQuery;
  toArray(): Promise<FoundRow[]>;
}

/** A table. */
export interface LanceTable {
  add(rows: readonly object[]): Promise<unknown>;
  countRows(): Promise<number>;
  createIndex(column: string, options: { config: unknown; replace: boolean }): Promise<void>;
  optimize(): Promise<unknown>;
  query(): LanceQuery;
  close(): void;
}

/** A connection to a folder or a bucket. */
export interface LanceConnection {
  tableNames(): Promise<string[]>;
  openTable(name: string): Promise<LanceTable>;
  createTable(name: string, rows: readonly object[]): Promise<LanceTable>;
  close(): void;
}

/** The package. */
export interface Lance {
  readonly Index: {
    ivfFlat(options: { distanceType: 'dot'; numPartitions?: number }): unknown;
    fts(): unknown;
  };
  connect(
    uri: string,
    options: { storageOptions?: Readonly<Record<string, string>> },
  ): Promise<LanceConnection>;
}

/** LanceDB, loaded at its first use. @throws {TunebookError} If it is not installed */
export function lance(): Lance {
  try {
    return createRequire(__filename)('@lancedb/lancedb') as Lance;
  } catch (error) {
    const [reason] = messageOf(error).split('\n');
    throw new TunebookError(
      `LanceVectorStore: @lancedb/lancedb cannot be loaded (${reason}). Run npm install @lancedb/lancedb@0.31.0 apache-arrow@18.1.0 (newer ones need Node 22).`,
      { cause: error },
    );
  }
}
