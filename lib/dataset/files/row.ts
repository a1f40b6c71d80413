/** What a format reads. */

import type { DataRecord } from '../../types';

export type { DataRecord, JsonValue } from '../../types';

/**
 * A row as a format reads it: a record, or why there is none; or a note about the whole file, which counts as no
 * row. Lines count from 1.
 */
export type Row =
  | { readonly line: number; readonly record: DataRecord }
  | { readonly line: number; readonly reason: string }
  | { readonly line: number; readonly note: string };

/** The built-in formats. */
export type RecordFormat = 'jsonl' | 'json' | 'csv' | 'parquet';
