/**
 * JSONL (one object a line) and JSON (a list of objects; many data sets call JSONL ".json", so that is read too).
 */
import { messageOf, TunebookError } from '../../types';
import { linesOf, textOf } from './data-file';
import type { DataFile } from './data-file';
import type { DataRecord, JsonValue, Row } from './row';

/** The rows of a JSON or JSONL file. */
export async function* readJson(file: DataFile, format: 'json' | 'jsonl'): AsyncGenerator<Row> {
  if (format === 'json' && (await isOneDocument(file))) {
    yield* readList(file);
    return;
  }
  for await (const { number: line, text, valid } of linesOf(file)) {
    if (!valid) {
      yield { line, reason: 'is not valid UTF-8' };
    } else if (text.trim() !== '') {
      yield rowOf(line, parse(text));
    }
  }
}

/** A list, or an object that goes on in the next line: not JSONL. */
async function isOneDocument(file: DataFile): Promise<boolean> {
  for await (const { text } of linesOf(file)) {
    const line = text.trim();
    if (line !== '') return line.startsWith('[') || 'reason' in parse(line);
  }
  return true;
}

async function* readList(file: DataFile): AsyncGenerator<Row> {
  const pieces: string[] = [];
  for await (const piece of textOf(file)) pieces.push(piece);
  const parsed = parse(pieces.join(''));
  if ('reason' in parsed) {
    throw new TunebookError(
      `${file.path}: expected a JSON list of records, got ${parsed.reason}. ` +
        'The file is damaged or cut short; as JSONL (one record a line) the whole lines could be used.',
    );
  }
  if (!Array.isArray(parsed.value)) {
    const keys = isRecord(parsed.value)
      ? `an object with ${Object.keys(parsed.value).join(', ')}`
      : 'a plain value';
    throw new TunebookError(
      `${file.path}: expected a JSON list of records, got ${keys}. Save the list by itself.`,
    );
  }
  for (const [index, value] of parsed.value.entries()) yield rowOf(index + 1, { value });
}

function parse(text: string): { value: unknown } | { reason: string } {
  try {
    const value: unknown = JSON.parse(text);
    return { value };
  } catch (error) {
    return { reason: `invalid JSON (${messageOf(error)})` };
  }
}

function rowOf(line: number, parsed: { value: unknown } | { reason: string }): Row {
  if ('reason' in parsed) return { line, reason: parsed.reason };
  if (isRecord(parsed.value)) return { line, record: parsed.value };
  const kind = Array.isArray(parsed.value) ? 'a list' : parsed.value === null ? 'null' : typeof parsed.value;
  return { line, reason: `expected an object, got ${kind}` };
}

/** Whatever JSON.parse gave is a JsonValue; what remains is whether it is an object. */
function isRecord(value: unknown): value is DataRecord & { [key: string]: JsonValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
