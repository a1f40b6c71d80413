/** Where in a file a record stands, for errors that come later: a record itself holds its fields alone. */
import type { DataRecord } from './row';

const places = new WeakMap<DataRecord, { readonly file: string; readonly line: number }>();

/** Notes where a record was read; it gives the record back. */
export function notePlace(record: DataRecord, place: { file: string; line: number }): DataRecord {
  places.set(record, place);
  return record;
}

/** `chats.jsonl:17` where the record was read from a file, else `record 16` (counted from 0). */
export function placeOf(record: DataRecord, index: number): string {
  const place = places.get(record);
  return place === undefined ? `record ${index}` : `${place.file}:${place.line}`;
}
