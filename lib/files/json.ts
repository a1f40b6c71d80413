/**
 * Reading JSON: a fault is named with its file, line and column, and what the file holds is checked against a
 * schema before anybody believes it.
 */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { messageOf, TunebookError } from '../types';

/** A JSON object whose members are not known yet. */
export type JsonObject = { readonly [key: string]: unknown };

/** True for `{...}`, false for arrays, null and plain values. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A schema for any JSON object. */
export const jsonObjectSchema = z.custom<JsonObject>(isJsonObject, 'expected a JSON object');

/** How a file is read. */
export interface ReadJsonOptions<T> {
  /** What the file has to hold. */
  readonly schema: z.ZodType<T>;
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
    throw new TunebookError(
      withRemedy(
        `${where}, line ${before.length}, column ${(before.at(-1) ?? '').length + 1}: expected JSON, got something ` +
          `else (${messageOf(error)}).`,
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

/** The text of a file; undefined where there is none. */
export async function readTextIfPresent(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw new TunebookError(`${file}: cannot be read (${messageOf(error)}).`, { cause: error });
  }
}

/** True where an error says that a file or folder does not exist. */
export function isMissing(error: unknown): boolean {
  return isJsonObject(error) && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}

function checked<T>(value: unknown, check: { where: string } & ReadJsonOptions<T>): T {
  const { where, schema, remedy } = check;
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new TunebookError(withRemedy(`${where}: ${z.prettifyError(parsed.error)}.`, remedy));
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
