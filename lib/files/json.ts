/**
 * Reads JSON: errors name the file, line and column, and content is validated against a schema.
 */
import { readFile } from 'node:fs/promises';
import type { z } from 'zod';
import { prettifyError } from '../schema';
import { kindOf, messageOf, TunebookError } from '../types';
import { readTextIfPresent } from './presence';

/** A JSON object with members not validated yet. */
export type JsonObject = { readonly [key: string]: unknown };

/** Whether a value is `{...}`, not a list, null or a primitive. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Fields that are set and that nobody reads. One that is null, false or empty is a feature that is off. */
export function unreadFields(object: JsonObject, isRead: (name: string) => boolean): [string, unknown][] {
  return Object.entries(object).filter(([name, value]) => {
    const isEmpty = typeof value === 'object' && value !== null && Object.keys(value).length === 0;
    return value !== null && value !== undefined && value !== false && !isEmpty && !isRead(name);
  });
}

/** What a file must contain, and what its errors say. */
export interface ReadJsonOptions<T> {
  /** Validates the content. */
  readonly schema: z.ZodType<T>;
  /** The content in words, for errors: `{ "a": [...] }`, "an adapter's configuration". */
  readonly expected?: string;
  /** What to do about an error, as a sentence. */
  readonly remedy?: string;
}

/**
 * Parses JSON.
 *
 * @param options `where`: the file's path, or what else the error should name; the others as in `ReadJsonOptions`.
 * @throws {TunebookError} If it is not JSON; names line and column, from 1.
 */
export function parseJson(
  text: string,
  options: { where: string; expected?: string; remedy?: string },
): unknown {
  const { where, expected = 'JSON', remedy } = options;
  const json = text.replace(/^\uFEFF/, '');
  try {
    return JSON.parse(json);
  } catch (error) {
    const before = json.slice(0, faultPosition(json, error)).split('\n');
    const place = `line ${before.length}, column ${(before.at(-1) ?? '').length + 1}`;
    throw new TunebookError(
      withRemedy(
        `${where}: expected ${expected}, got ${json.length} characters that are none (${place}: ${messageOf(error)}).`,
        remedy,
      ),
      { cause: error },
    );
  }
}

/**
 * Reads a JSON file.
 *
 * @throws {TunebookError} If it is missing, unreadable, not JSON, or does not fit the schema.
 */
export async function readJson<T>(file: string, options: ReadJsonOptions<T>): Promise<T> {
  const value = parseJson(await readText(file, options), { where: file, remedy: options.remedy });
  return checked(value, { where: file, ...options });
}

/**
 * Reads a JSON object with any members.
 *
 * @throws {TunebookError} If it is missing, unreadable, or holds anything else.
 */
export async function readJsonObject(file: string, { remedy = '' } = {}): Promise<JsonObject> {
  return parseObject(await readText(file, { expected: 'a JSON object', remedy }), { where: file, remedy });
}

/** Like `readJsonObject`; undefined if there is no such file. */
export async function readJsonObjectIfPresent(
  file: string,
  { remedy = '' } = {},
): Promise<JsonObject | undefined> {
  const text = await readTextIfPresent(file);
  return text === undefined ? undefined : parseObject(text, { where: file, remedy });
}

function parseObject(text: string, { where, remedy }: { where: string; remedy: string }): JsonObject {
  const value = parseJson(text, { where, expected: 'a JSON object', remedy });
  if (isJsonObject(value)) return value;
  throw new TunebookError(withRemedy(`${where}: expected a JSON object, got ${kindOf(value)}.`, remedy));
}

async function readText(file: string, words: { expected?: string; remedy?: string }): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const { expected = 'a readable file', remedy } = words;
    throw new TunebookError(
      withRemedy(`${file}: expected ${expected}, but the file cannot be read (${messageOf(error)}).`, remedy),
      { cause: error },
    );
  }
}

function checked<T>(value: unknown, check: { where: string } & ReadJsonOptions<T>): T {
  const { where, schema, expected, remedy } = check;
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const faults = prettifyError(parsed.error).replace(/^✖ (?![^]*✖)/, ''); // a single fault needs no mark
  const fault = expected === undefined ? faults : `expected ${expected} (${faults})`;
  throw new TunebookError(withRemedy(`${where}: ${fault}.`, remedy));
}

/** Node names the position in some of its messages; else it is the end of the shortest prefix that is an error. */
function faultPosition(json: string, error: unknown): number {
  const named = /at position (\d+)/.exec(messageOf(error));
  if (named !== null) return Number(named[1]);
  if (!isWrong(json)) return json.length;
  let [good, bad] = [0, json.length];
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (isWrong(json.slice(0, middle))) bad = middle;
    else good = middle;
  }
  return good;
}

/** Whether a text has an error other than ending too early. */
function isWrong(json: string): boolean {
  try {
    JSON.parse(json);
    return false;
  } catch (error) {
    return /^Unexpected (?!end)/.test(messageOf(error));
  }
}

function withRemedy(message: string, remedy = ''): string {
  return remedy === '' ? message : `${message} ${remedy}`;
}
