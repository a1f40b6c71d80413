/** A text as the words that a search compares: lower case, without the commonest ones, cut to their stems (Porter). */
import { createRequire } from 'node:module';
import type * as Stemmer from 'stemmer';

/** Words of questions that say nothing about their subject. */
const STOP_WORDS = new Set(
  `a about am an and any are as at be been but by can could did do does doing for from had has have having he her hers him
  his how i if in into is it its me my of on or our ours she should so than that the their them then there these they this
  those to up us was we were what when where which while who whom whose why will with would you your yours s t d ll m re
  ve`.split(/\s+/),
);

let stem: ((word: string) => string) | undefined;

/** The words of a text in order. */
export function searchWords(text: string): string[] {
  stem ??= (createRequire(__filename)('stemmer') as typeof Stemmer).stemmer;
  const words: string[] = [];
  for (const [word] of text
    .normalize('NFKC')
    .toLowerCase()
    .matchAll(/[\p{L}\p{M}\p{N}]+/gu)) {
    if (!STOP_WORDS.has(word)) words.push(stem(word));
  }
  return words;
}
