/**
 * Whether an answer's numbers occur in its prompt: a measure of invention, not of truth (see `claims.ts`).
 */
import { requireString } from '../types';

/** A clock time (1:02:33), a number with thousands (1,000), or a plain one; not part of a word (1000m, Q4). */
const NUMBER =
  /(?<![\w.:])-?(?:\d+(?::\d{2}){1,2}|\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)(?![\w:]|\.\d|,\d{3})/g;

/** "16-24" is a range of two, not 16 and minus 24. */
const RANGE = /(?<=\d)-(?=\d)/g;

/**
 * Counts the answer's numbers and how many of them occur in the context, by value: "#4.0" is supported by
 * "cluster: 4", and "1:05" by "65" seconds.
 *
 * It catches invented numbers only. Numbers that are swapped, taken from another line or given to another name pass,
 * and so do statements without numbers: `checkClaims` catches these where the answer cites.
 *
 * @param options.allowed numbers that belong to the wording, such as the 3 of "3 minutes"
 */
export function supportedNumbers(
  answer: string,
  context: string,
  { allowed = [] }: { allowed?: readonly number[] } = {},
): { supported: number; total: number; unsupported: number[] } {
  requireString(answer, { where: 'supportedNumbers', what: 'an answer, a text' });
  requireString(context, { where: 'supportedNumbers', what: 'a context, a text' });
  const known = new Set(numbersIn(context));
  const found = numbersIn(answer).filter((value) => !allowed.includes(value));
  const unsupported = found.filter((value) => !known.has(value));
  return { supported: found.length - unsupported.length, total: found.length, unsupported };
}

/** Ranges [start, end) of the answer's numbers that the context lacks, in order. */
export function unsupportedPlaces(answer: string, context: string): [start: number, end: number][] {
  const known = new Set(numbersIn(context));
  const places = [...answer.replace(RANGE, ' ').matchAll(NUMBER)];
  return places
    .filter(([text]) => !known.has(valueOf(text)))
    .map(({ 0: text, index }) => [index, index + text.length]);
}

function numbersIn(text: string): number[] {
  return (text.replace(RANGE, ' ').match(NUMBER) ?? []).map(valueOf);
}

/** Seconds for a clock time. */
function valueOf(text: string): number {
  if (!text.includes(':')) return Number(text.replaceAll(',', ''));
  const sign = text.startsWith('-') ? -1 : 1;
  return (
    sign *
    text
      .replace('-', '')
      .split(':')
      .reduce((total, part) => total * 60 + Number(part), 0)
  );
}
