/** Upper, lower and title case as Python has them. Where it stands: under the methods of strings. */
import { characters } from './text';
import { raise } from './values';

const CASED_UPPER = /\p{Uppercase}/u;
const CASED_LOWER = /\p{Lowercase}/u;

export function isUpper(text: string): boolean {
  return CASED_UPPER.test(text) && !CASED_LOWER.test(text) && !/\p{Lt}/u.test(text);
}

export function isLower(text: string): boolean {
  return CASED_LOWER.test(text) && !CASED_UPPER.test(text) && !/\p{Lt}/u.test(text);
}

/** Titlecase letters: of pairs and Greek ones that JavaScript has no name for. */
const TITLES = new Map([
  ...['ǄǅǆǅǇǈǉǈǊǋǌǋǱǲǳǲ'].flatMap((all) => {
    const letters = [...all];
    return [0, 4, 8, 12].flatMap((i) =>
      letters.slice(i, i + 3).map((letter): [string, string] => [letter, letters[i + 3]]),
    );
  }),
  ['ŉ', 'ʼN'],
]);

function titleOf(letter: string): string {
  const known = TITLES.get(letter);
  if (known !== undefined) return known;
  if (/[\u10d0-\u10fa\u10fd-\u10ff]/.test(letter)) return letter;
  if (letter.normalize('NFD').includes('\u0345')) return raise(`title case of ${letter} is not supported`);
  const [first = '', ...rest] = letter.toUpperCase();
  return first + rest.join('').toLowerCase();
}

export function capitalize(text: string): string {
  const [first = '', ...rest] = characters(text);
  return titleOf(first) + lowered(rest.join(''), first);
}

/** Lower case of a text that stands after another: a final sigma depends on it. */
function lowered(text: string, before: string): string {
  return (before + text).toLowerCase().slice(before.toLowerCase().length);
}

export function title(text: string): string {
  return text.replace(/[\p{L}\p{Lt}\p{Mn}\u2160-\u217f\u24b6-\u24e9]+/gu, (word) => {
    let isFirst = true;
    let result = '';
    let before = '';
    for (const letter of word) {
      const isCased = /[\p{Uppercase}\p{Lowercase}\p{Lt}]/u.test(letter);
      result += isFirst ? titleOf(letter) : lowered(letter, before);
      before += letter;
      isFirst = !isCased;
    }
    return result;
  });
}

export function swapCase(text: string): string {
  return characters(text)
    .map((letter) => (CASED_UPPER.test(letter) ? letter.toLowerCase() : letter.toUpperCase()))
    .join('');
}

/** Case folding, where it is lower case. */
export function caseFold(text: string): string {
  const lower = text.toLowerCase();
  const other = characters(lower).find((letter) => letter.toUpperCase().toLowerCase() !== letter);
  return other === undefined ? lower : raise(`casefold of ${other} is not supported`);
}
