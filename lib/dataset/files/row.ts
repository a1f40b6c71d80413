/** What a format reads. */

/** Anything that JSON can hold. */
export type JsonValue =
  string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/**
 * One row of a data file. CSV gives strings. What a number cannot hold exactly is text: whole numbers beyond 2^53
 * and Parquet's decimals; its dates and times are ISO texts, its bytes base64.
 */
export type DataRecord = { readonly [field: string]: JsonValue };

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
