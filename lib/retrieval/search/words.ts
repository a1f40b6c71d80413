/** Words for search: lower case, without stop words, stemmed (Porter). */
import { createRequire } from 'node:module';
import type * as Stemmer from 'stemmer';

/** Stop words. */
const STOP_WORDS = new Set(
  `a about am an and any are as at be been but by can could did do does doing for from had has have having he her hers him
  his how i if in into is it its me my of on or our ours she should so than that the their them then there these they this
  those to up us was we were what when where which while who whom whose why will with would you your yours s t d ll m re
  ve`.split(/\s+/),
);

let stem: ((word: string) => string) | undefined;

/** The search words of a text in order. */
export function searchWords(text: string): string[] {
  return plainWords(text)
    .filter((word) => !STOP_WORDS.has(word))
    .map(stemOf);
}

/** The stems of all words in order, stop words included: for phrases such as "in and out". */
export function phraseWords(text: string): string[] {
  return plainWords(text).map(stemOf);
}

/** All words in order, in lower case. */
export function plainWords(text: string): string[] {
  return (
    text
      .normalize('NFKC')
      .toLowerCase()
      .match(/[\p{L}\p{M}\p{N}]+/gu) ?? []
  );
}

function stemOf(word: string): string {
  stem ??= (createRequire(__filename)('stemmer') as typeof Stemmer).stemmer;
  return stem(word);
}
