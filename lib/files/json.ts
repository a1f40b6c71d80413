/**
 * Reading JSON: a fault is named with its file, line and column, and what the file holds is checked against a
 * schema before anybody believes it.
 */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { messageOf, TunebookError } from '../types';
import { readTextIfPresent } from './presence';

/** A JSON object whose members are not known yet. */
export type JsonObject = { readonly [key: string]: unknown };

/** True for `{...}`, false for arrays, null and plain values. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A schema for any JSON object. */
export const jsonObjectSchema = z.custom<JsonObject>(isJsonObject, {
  error: ({ input }) =>
    `expected a JSON object, got ${Array.isArray(input) ? 'a list' : input === null ? 'null' : typeof input}`,
});

/** How a file is read. */
export interface ReadJsonOptions<T> {
  /** What the file has to hold. */
  readonly schema: z.ZodType<T>;
  /** The same in words, for the errors: `{ "a": [...] }`, "an adapter's configuration". */
  readonly expected?: string;
  /** The end of every error: what to do about it, as a sentence. */
  readonly remedy?: string;
}

/**
 * Parses JSON.
 *
 * @param options `where`: the file's path, or what else the error should name; `remedy`: as in `ReadJsonOptions`.
 * @throws {TunebookError} If it is no JSON, with line and column, from 1.
 */
export function parseJson(text: string, options: { where: string; remedy?: string }): unknown {
  const { where, remedy } = options;
  const json = text.replace(/^\uFEFF/, '');
  try {
    return JSON.parse(json);
  } catch (error) {
    const before = json.slice(0, faultPosition(json, error)).split('\n');
    const place = `line ${before.length}, column ${(before.at(-1) ?? '').length + 1}`;
    throw new TunebookError(
      withRemedy(
        `${where}: expected JSON, got ${json.length} characters that are not (${place}: ${messageOf(error)}).`,
        remedy,
      ),
      { cause: error },
    );
  }
}

/**
 * Reads a JSON file.
 *
 * @throws {TunebookError} If it is missing, unreadable, no JSON, or holds something else than the schema says.
 */
export async function readJson<T>(file: string, options: ReadJsonOptions<T>): Promise<T> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new TunebookError(
      withRemedy(`${file}: expected a readable file, got an error (${messageOf(error)}).`, options.remedy),
      { cause: error },
    );
  }
  return checked(parseJson(text, { where: file, remedy: options.remedy }), { where: file, ...options });
}

/** As `readJson`; undefined where there is no such file. */
export async function readJsonIfPresent<T>(
  file: string,
  options: ReadJsonOptions<T>,
): Promise<T | undefined> {
  const text = await readTextIfPresent(file);
  if (text === undefined) return undefined;
  return checked(parseJson(text, { where: file, remedy: options.remedy }), { where: file, ...options });
}

function checked<T>(value: unknown, check: { where: string } & ReadJsonOptions<T>): T {
  const { where, schema, expected, remedy } = check;
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const faults = z.prettifyError(parsed.error).replace(/^✖ (?![^]*✖)/, ''); // one needs no mark
  const fault = expected === undefined ? faults : `expected ${expected} (${faults})`;
  throw new TunebookError(withRemedy(`${where}: ${fault}.`, remedy));
}

/** Node names the position in some of its messages; else it is where the shortest faulty start of the text ends. */
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

/** Whether a text holds a fault other than that it ends too early. */
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
