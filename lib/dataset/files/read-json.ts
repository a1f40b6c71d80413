/**
 * JSONL (one object a line) and JSON (a list of objects, alone or in a field; columns, as pandas writes them; many
 * data sets call JSONL ".json", so that is read too).
 */
import { isJsonObject } from '../../files';
import { TunebookError } from '../../types';
import type { DataFile } from './data-file';
import { parseExactJson } from './exact-json';
import type { ExactJson, JsonFault } from './exact-json';
import { columnsToRows, listFields } from './json-tables';
import { linesOf } from './text-lines';
import type { DataRecord, Row, RowPlace } from './row';

/** How a file is read. */
interface JsonRequest {
  readonly format: 'json' | 'jsonl';
  /** The member of a JSON object that holds the records. */
  readonly field: string | undefined;
  /** JSONL: where to begin. */
  readonly from?: RowPlace;
}

/** The rows of a JSON or JSONL file. */
export async function* readJson(file: DataFile, { format, field, from }: JsonRequest): AsyncGenerator<Row> {
  if (format === 'json' && (field !== undefined || (await isOneDocument(file)))) {
    yield* readDocument(file, field);
    return;
  }
  if (field !== undefined) {
    throw new TunebookError(
      `${file.path}: expected JSONL without the option field, got field: '${field}'. Set format: 'json' too, or leave it out.`,
    );
  }
  for await (const { number: line, text, fault, note, next } of linesOf(file, from)) {
    if (note !== undefined) yield { line, note };
    if (fault !== undefined) {
      yield { line, reason: fault, next };
    } else if (text.trim() !== '') {
      yield { ...rowOf(line, parseLine(text.replace(/^\ufeff/, ''))), next };
    }
  }
}

function parseLine(text: string): ExactJson {
  const parsed = parseExactJson(text);
  if ('value' in parsed || !text.trimEnd().endsWith(',')) return parsed;
  const without = parseExactJson(text.trimEnd().slice(0, -1));
  return 'value' in without
    ? { reason: 'a comma follows the record; JSONL has records and line ends only' }
    : parsed;
}

/** A list, an object that goes on in the next line, or one object in one line: not JSONL. */
async function isOneDocument(file: DataFile): Promise<boolean> {
  let records = 0;
  for await (const { text } of linesOf(file)) {
    const line = text.trim();
    if (line === '') continue;
    if (records > 0) return false;
    if (line.startsWith('[') || 'reason' in parseExactJson(line)) return true;
    records++;
  }
  return true;
}

async function* readDocument(file: DataFile, field: string | undefined): AsyncGenerator<Row> {
  const pieces: string[] = [];
  for await (const { number: line, text, end, fault, note } of linesOf(file)) {
    if (note !== undefined) yield { line, note };
    if (fault !== undefined) throw new TunebookError(`${file.path}:${line}: ${fault}. Set its encoding.`);
    pieces.push(text, end);
  }
  const parsed = parseExactJson(pieces.join(''));
  if ('reason' in parsed) {
    throw new TunebookError(
      `${file.path}: expected a JSON list of records, got ${parsed.reason}. ` +
        'The file is damaged or cut short; as JSONL (one record a line) the whole lines could be used.',
    );
  }
  const isOneLine = pieces.slice(2).every((piece) => piece.trim() === '');
  const root = field === undefined ? parsed.value : memberOf(file, parsed.value, field);
  const depth = field === undefined ? 0 : 1;
  const faults = field === undefined ? parsed.faults : parsed.faults.filter(({ path }) => path[0] === field);
  if (Array.isArray(root)) {
    const byRow = new Map(faults.map((fault) => [fault.path[depth], fault]));
    for (const [index, value] of root.entries()) {
      const fault = byRow.get(index);
      yield rowOf(index + 1, {
        value,
        faults: fault === undefined ? [] : [{ ...fault, path: fault.path.slice(depth + 1) }],
      });
    }
    return;
  }
  const rows = columnsToRows(root);
  if (rows !== undefined) {
    if (faults.length > 0) throw new TunebookError(`${file.path}: ${inWords(faults[0])}. Fix it.`);
    for (const [index, record] of rows.entries()) yield { line: index + 1, record };
    return;
  }
  if (isOneLine && field === undefined && isJsonObject(root) && listFields(root).length === 0) {
    yield rowOf(1, parsed);
    return;
  }
  throw noList(file, root, field);
}

function memberOf(file: DataFile, root: unknown, field: string): unknown {
  if (isJsonObject(root) && Object.hasOwn(root, field)) return root[field];
  throw noList(file, root, field);
}

function noList(file: DataFile, root: unknown, field: string | undefined): TunebookError {
  if (!isJsonObject(root)) {
    return new TunebookError(
      `${file.path}: expected a JSON list of records${field === undefined ? '' : ` in "${field}"`}, got a plain value. ` +
        'Save the list by itself.',
    );
  }
  const keys = `an object with ${Object.keys(root).join(', ') || 'nothing'}`;
  const candidates = listFields(root);
  const advice =
    candidates.length === 0
      ? 'Save the list by itself.'
      : `Set ${candidates.map(({ name, count }) => `field: '${name}' (${count} records)`).join(' or ')}.`;
  const wanted = field === undefined ? 'a JSON list of records' : `a list of records in the field "${field}"`;
  return new TunebookError(`${file.path}: expected ${wanted}, got ${keys}. ${advice}`);
}

function rowOf(line: number, parsed: ExactJson): Row {
  if ('reason' in parsed) return { line, reason: parsed.reason };
  const { value, faults } = parsed;
  if (!isRecord(value)) {
    const kind = Array.isArray(value) ? 'a list' : value === null ? 'null' : typeof value;
    return { line, reason: `expected an object, got ${kind}` };
  }
  return faults.length > 0 ? { line, reason: inWords(faults[0]) } : { line, record: value };
}

function inWords({ path, reason }: JsonFault): string {
  const place = path.filter((part) => part !== '').join('.');
  return reason.startsWith('the field') || place === '' ? reason : `the field "${place}" has ${reason}`;
}

/** Whatever JSON.parse gave is a JsonValue; what remains is whether it is an object. */
function isRecord(value: unknown): value is DataRecord {
  return isJsonObject(value);
}
