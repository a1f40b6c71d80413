/** Texts with `{field}` places, and a record's values in them. Where it stands: under the templates. */
import { TunebookError } from '../types';
import type { DataRecord, JsonValue } from '../types';

const PLACE = /\{([A-Za-z_]\w*)\}/g;

/** The text where a value stands for "{system}" is the template's own, so it is no field of a record. */
export const SYSTEM = 'system';

/** Names of the fields that a text has places for, each once, `system` not among them. */
export function fieldsOf(text: string): string[] {
  const names = [...text.matchAll(PLACE)].map(([, field]) => field);
  return [...new Set(names)].filter((field) => field !== SYSTEM);
}

/** A text in three parts: up to its first field, from there to the end of its last one, and the rest. */
export function aroundFields(text: string): { before: string; body: string; after: string } {
  const places = [...text.matchAll(PLACE)].filter(([, field]) => field !== SYSTEM);
  const [first, last] = [places.at(0), places.at(-1)];
  if (first === undefined || last === undefined) return { before: text, body: '', after: '' };
  const end = last.index + last[0].length;
  return { before: text.slice(0, first.index), body: text.slice(first.index, end), after: text.slice(end) };
}

/** Puts a record's values in their places, in one pass: braces inside a value stay as they are. */
export function fill(text: string, record: DataRecord, defaults: Readonly<Record<string, string>>): string {
  return text.replace(PLACE, (place, field: string) => {
    const own = Object.hasOwn(record, field) ? record[field] : undefined;
    if (own !== null && own !== undefined) return asText(own);
    if (Object.hasOwn(defaults, field)) return defaults[field] ?? '';
    throw new TunebookError(
      `prompt template: expected the field "${field}" for ${place}, got a record with ` +
        `${Object.keys(record).join(', ') || 'no field'}. Map it with fieldMapping, or give it a default.`,
    );
  });
}

function asText(value: JsonValue): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** A prompt that shows the response teaches the model to copy. */
export function refuseLeak(prompt: string, response: string): void {
  const places = new Set([...prompt.matchAll(PLACE)].map(([, field]) => field));
  for (const [place, field] of response.matchAll(PLACE)) {
    if (places.has(field)) {
      throw new TunebookError(
        `prompt template: expected ${place} in the response only, got it in the prompt too: ` +
          'the model would see what it shall learn to write.',
      );
    }
  }
}
