/** What a format reads. */

/** Anything that JSON can hold. */
export type JsonValue =
  string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** One row of a data file. CSV gives strings; Parquet's dates become ISO strings, its big integers numbers. */
export type DataRecord = { readonly [field: string]: JsonValue };

/** A row as a format reads it: a record, or why there is none; lines count from 1. */
export type Row =
  { readonly line: number; readonly record: DataRecord } | { readonly line: number; readonly reason: string };

/** The built-in formats. */
export type RecordFormat = 'jsonl' | 'json' | 'csv' | 'parquet';
