/** Aliases: users' words, and the words of the documents that they stand for. */
import { requireObject, TunebookError } from '../../types';
import { phraseWords, plainWords } from './words';

/** Users' words, and the words of the documents that they stand for: `{ "ergo": ["rowing"] }`. */
export type Aliases = Readonly<Record<string, readonly string[]>>;

/**
 * Makes a function that expands a query: it returns the words that the query's words stand for. Words are compared as
 * they are, else by stem ("lunges" and "lungs" have one stem); phrases match adjacent words, the longest first: "sled
 * pull" is not "sled".
 *
 * @throws {TunebookError} If the aliases are no object of lists of texts.
 */
export function aliasExpansion(aliases: Aliases): (query: string) => string[] {
  requireObject(aliases, { where: 'aliases', what: 'an object like { "ergo": ["rowing"] }' });
  const byWords = new Map<string, readonly string[]>();
  const byStems = new Map<string, readonly string[]>();
  let longest = 0;
  for (const [said, meant] of Object.entries(aliases)) {
    if (!Array.isArray(meant) || meant.some((word) => typeof word !== 'string')) {
      throw new TunebookError(
        `aliases: expected a list of texts for '${said}', got ${JSON.stringify(meant)}.`,
      );
    }
    const stems = phraseWords(said);
    if (stems.length === 0) continue;
    longest = Math.max(longest, stems.length);
    for (const [known, words] of [
      [byWords, plainWords(said)],
      [byStems, stems],
    ] as const) {
      const key = words.join(' ');
      known.set(key, [...(known.get(key) ?? []), ...meant]);
    }
  }
  return (query) => {
    const words = plainWords(query);
    const stems = phraseWords(query);
    const at = (start: number, length: number): readonly string[] | undefined =>
      byWords.get(words.slice(start, start + length).join(' ')) ??
      byStems.get(stems.slice(start, start + length).join(' '));
    const found = new Set<string>();
    for (let start = 0; start < stems.length;) {
      let length = Math.min(longest, stems.length - start);
      while (length > 0 && at(start, length) === undefined) length--;
      for (const word of (length > 0 && at(start, length)) || []) found.add(word);
      start += Math.max(length, 1);
    }
    return [...found];
  };
}
