/** What a format reads. */

import type { DataRecord } from '../../types';

export type { DataRecord, JsonValue } from '../../types';

/** A place between two rows of a file, from which a reader may begin. */
export interface RowPlace {
  /** Lines (of Parquet: rows) before it. */
  readonly line: number;
  /** Bytes before it, where the format is read by them. */
  readonly offset?: number;
}

/**
 * A row as a format reads it: a record, or why there is none; or a note about the whole file, which counts as no
 * row. Lines count from 1. `next` is the place after the row, where the format can be taken up there.
 */
export type Row =
  | { readonly line: number; readonly record: DataRecord; readonly next?: RowPlace }
  | { readonly line: number; readonly reason: string; readonly next?: RowPlace }
  | { readonly line: number; readonly note: string };

/** The built-in formats. */
export type RecordFormat = 'jsonl' | 'json' | 'csv' | 'parquet';
