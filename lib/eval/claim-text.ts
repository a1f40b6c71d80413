/**
 * Parses an answer into claims: sentences, their citations, and the figures and phrases in them. Used by `claims.ts`,
 * which checks each claim against what it cites.
 */

/** Kind of a figure: an amount (8:49, 37 seconds), a share (12 %), or a plain number. */
export type FigureForm = 'amount' | 'percent' | 'count';

/** A number in a claim. */
export interface Figure {
  readonly form: FigureForm;
  /** Seconds for clock times. */
  readonly value: number;
  readonly start: number;
  readonly end: number;
  /** End of its unit, to measure the distance to what follows. */
  readonly unitEnd: number;
}

/** A sentence. */
export interface Sentence {
  /** Without its citations. */
  readonly text: string;
  /** The numbers it cites, in order. */
  readonly citations: readonly number[];
  /** Range in the answer: [start, end). */
  readonly start: number;
  readonly end: number;
}

/** A citation with the blanks before it: one number in brackets, or several. */
export const CITATION = /\s*\[(\d+(?:\s*,\s*\d+)*)\]/g;
/**
 * Up to a full stop with closing quotes and citations, before the end or anything but a lower-case letter; or a line.
 */
const SENTENCE = /[^\n]+?(?:[.!?]+["”’')]*(?:\s*\[\d+(?:\s*,\s*\d+)*\])*(?=\s+\P{Ll}|\s*$)|(?=\n|$))/gu;

/** Sentences of an answer; headings (`#`) without a figure do not count. */
export function sentencesOf(answer: string): Sentence[] {
  return [...answer.matchAll(SENTENCE)].flatMap(({ 0: whole, index }) => {
    const lead = whole.length - whole.trimStart().length;
    const trimmed = whole.trim();
    if (trimmed === '' || (/^#+\s/.test(trimmed) && !/\d/.test(trimmed))) return [];
    const citations = [...trimmed.matchAll(CITATION)].flatMap(([, ids]) => ids.split(',').map(Number));
    const start = index + lead;
    return [{ text: trimmed.replace(CITATION, '').trim(), citations, start, end: start + trimmed.length }];
  });
}

const NUMBER =
  /(?<![\w.:])(?:(?<clock>\d+(?::\d{2}){1,2})|(?<plain>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?))(?![\w:]|\.\d|,\d{3})(?<after>\s*(?:%|per ?cent\b|[a-z]+\b)?)/gi;

/** Figures of a claim; units are words after a number that make it an amount. */
export function figuresIn(text: string, units: readonly string[]): Figure[] {
  return [...text.matchAll(NUMBER)].map(({ index, groups = {} }): Figure => {
    const { clock, plain = '', after = '' } = groups;
    const written = clock ?? plain;
    const word = after.trim().toLowerCase();
    const form: FigureForm =
      clock !== undefined
        ? 'amount'
        : /^(%|per ?cent)$/.test(word)
          ? 'percent'
          : units.some((unit) => unit === word || unit === `${word}s`)
            ? 'amount'
            : 'count';
    const end = index + written.length;
    const unitEnd = form === 'count' ? end : end + after.length;
    return { form, value: valueOf(written), start: index, end, unitEnd: clock === undefined ? unitEnd : end };
  });
}

function valueOf(written: string): number {
  if (!written.includes(':')) return Number(written.replaceAll(',', ''));
  return written.split(':').reduce((total, part) => total * 60 + Number(part), 0);
}

/** A match of a phrase. */
export interface Found<Meaning> {
  readonly meaning: Meaning;
  readonly start: number;
  readonly end: number;
}

/** A phrase to find, and its meaning. */
export interface Phrase<Meaning> {
  readonly words: string;
  readonly meaning: Meaning;
}

/** Phrases in lower case, longest first, as `phrasesIn` requires. */
export function longestFirst<Meaning>(phrases: readonly Phrase<Meaning>[]): Phrase<Meaning>[] {
  return phrases
    .map(({ words, meaning }) => ({ words: words.toLowerCase(), meaning }))
    .sort((a, b) => b.words.length - a.words.length);
}

/** Matches of phrases in a text: whole words, any case, none within another. */
export function phrasesIn<Meaning>(text: string, phrases: readonly Phrase<Meaning>[]): Found<Meaning>[] {
  const lower = text.toLowerCase();
  const taken = new Uint8Array(text.length);
  const found: Found<Meaning>[] = [];
  for (const { words: wanted, meaning } of phrases) {
    for (let at = lower.indexOf(wanted); at >= 0; at = lower.indexOf(wanted, at + 1)) {
      const end = at + wanted.length;
      if (isWordCharacter(lower[at - 1]) || isWordCharacter(lower[end]) || taken.slice(at, end).includes(1))
        continue;
      taken.fill(1, at, end);
      found.push({ meaning, start: at, end });
    }
  }
  return found.sort((a, b) => a.start - b.start);
}

function isWordCharacter(character: string | undefined): boolean {
  return character !== undefined && /[\p{L}\p{N}]/u.test(character);
}

/** Words in lower case, without punctuation. */
export function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}]+(?:[’':.-][\p{L}\p{N}]+)*/gu) ?? [];
}

/** Share of a text's word trigrams found in a source, 0 to 1; of its words where it has fewer than three. */
export function trigramShare(text: string, source: string): number {
  const [own, theirs] = [wordsOf(text), wordsOf(source)];
  const size = Math.min(3, own.length);
  if (size === 0) return 0;
  const grams = (words: readonly string[]): string[] =>
    Array.from({ length: Math.max(0, words.length - size + 1) }, (_, i) =>
      words.slice(i, i + size).join(' '),
    );
  const known = new Set(grams(theirs));
  const wanted = grams(own);
  return wanted.filter((gram) => known.has(gram)).length / wanted.length;
}
