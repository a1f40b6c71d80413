/**
 * Narrowing of parsed JSON, the untrusted edge of this room.
 */
import { readFile } from 'node:fs/promises';
import { TunebookError } from '../types';

/** A JSON object whose members are not known yet. */
export type JsonObject = { readonly [key: string]: unknown };

/** True for `{...}`, false for arrays, null and plain values. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Reads a file that must hold a JSON object; null where there is no such file.
 *
 * @throws TunebookError if the file cannot be read, is empty or cut short, or holds anything else.
 */
export async function readJsonObject(path: string): Promise<JsonObject | null> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return null;
    throw new TunebookError(`${path}: cannot be read (${messageOf(error)}).`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new TunebookError(
      `${path}: expected JSON, got ${text.length} characters that are not (${messageOf(error)}). ` +
        'The file is damaged or cut short: fetch it again.',
    );
  }
  if (!isJsonObject(value)) {
    throw new TunebookError(
      `${path}: expected a JSON object, got ${Array.isArray(value) ? 'a list' : typeof value}.`,
    );
  }
  return value;
}

/** True where an error says that a file or folder does not exist. */
export function isMissing(error: unknown): boolean {
  return isJsonObject(error) && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}

/** The words of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
