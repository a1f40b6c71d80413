/** JSON objects that hold a table: as columns, or as a list of records in one of their fields. */
import { isJsonObject } from '../../files';
import type { JsonObject } from '../../files';
import type { DataRecord, JsonValue } from './row';

/**
 * The rows of a table of columns: `{a: {"0": x, "1": y}}`, as pandas' `to_json` writes, or `{a: [x, y]}`.
 * Undefined where the value is none.
 */
export function columnsToRows(value: unknown): DataRecord[] | undefined {
  if (!isJsonObject(value)) return undefined;
  const columns = Object.entries(value);
  const keys = columns.map(([, column]) => rowKeys(column));
  const [first] = keys;
  if (first === undefined || first.length === 0) return undefined;
  const same = keys.every((own) => own?.length === first.length && own.every((key, i) => key === first[i]));
  if (!same) return undefined;
  return first.map((key) =>
    Object.fromEntries(
      columns.map(([name, column]): [string, JsonValue] => [
        name,
        (column as Record<string, JsonValue>)[key],
      ]),
    ),
  );
}

/** The keys of a column's values; a list of objects is records, not a column. */
function rowKeys(column: unknown): string[] | undefined {
  if (Array.isArray(column)) return column.some(isJsonObject) ? undefined : Object.keys(column);
  // pandas' index: 0, 1, 2, ...
  if (!isJsonObject(column)) return undefined;
  const keys = Object.keys(column);
  return keys.every((key) => /^\d+$/.test(key)) ? keys : undefined;
}

/** The fields of an object that hold a list of records. */
export function listFields(value: JsonObject): { name: string; count: number }[] {
  return Object.entries(value).flatMap(([name, list]) =>
    Array.isArray(list) && list.length > 0 && list.every(isJsonObject) ? [{ name, count: list.length }] : [],
  );
}
