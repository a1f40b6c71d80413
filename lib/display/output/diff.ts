/** What a text lacks of an expected one and has beyond it, word by word. */
import { createRequire } from 'node:module';
import type * as Diff from 'diff';

/** One piece of a comparison of two texts, word by word. */
export interface DiffPart {
  readonly kind: 'same' | 'missing' | 'extra';
  readonly text: string;
}

/** Blanks, words of any alphabet, single signs; scripts without blanks go sign by sign. */
const WORDS =
  /\s+|[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]|(?:(?![\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}])[\p{L}\p{M}\p{N}_])+|[^\s\p{L}\p{M}\p{N}_]/gu;

/** More changed words than this are shown as one change: to compare on would take seconds. */
const MAX_CHANGES = 2000;

/**
 * What `actual` lacks of `expected` and has beyond it, word by word. Texts that differ in many thousands of words are
 * compared as a whole, between their common beginning and end.
 */
export function diffWords(expected: string, actual: string): DiffPart[] {
  const [left, right] = [expected, actual].map((text): string[] => text.match(WORDS) ?? []);
  const { diffArrays } = createRequire(__filename)('diff') as typeof Diff;
  const changes = diffArrays(left, right, { maxEditLength: MAX_CHANGES });
  if (changes === undefined) return joinChanges(wholeChange(left, right));
  return joinChanges(
    changes.map(({ value, added, removed }) => ({
      kind: added ? 'extra' : removed ? 'missing' : 'same',
      text: value.join(''),
    })),
  );
}

function wholeChange(left: readonly string[], right: readonly string[]): DiffPart[] {
  const shorter = Math.min(left.length, right.length);
  let head = 0;
  while (head < shorter && left[head] === right[head]) head++;
  let tail = 0;
  while (tail < shorter - head && left[left.length - 1 - tail] === right[right.length - 1 - tail]) tail++;
  const middle = (words: readonly string[]): string => words.slice(head, words.length - tail).join('');
  const parts: DiffPart[] = [
    { kind: 'same', text: left.slice(0, head).join('') },
    { kind: 'missing', text: middle(left) },
    { kind: 'extra', text: middle(right) },
    { kind: 'same', text: left.slice(left.length - tail).join('') },
  ];
  return parts.filter(({ text }) => text !== '');
}

/** Changes with nothing but blanks between them become one: whole phrases read better than pairs of words. */
function joinChanges(parts: readonly DiffPart[]): DiffPart[] {
  const out: DiffPart[] = [];
  const add = (kind: DiffPart['kind'], text: string): void => {
    const last = out.at(-1);
    if (text === '') return;
    if (last?.kind === kind) out[out.length - 1] = { kind, text: last.text + text };
    else out.push({ kind, text });
  };
  for (let from = 0; from < parts.length;) {
    let end = from;
    let until = from; // behind the last change of this run
    for (; end < parts.length; end++) {
      const { kind, text } = parts[end];
      if (kind !== 'same') until = end + 1;
      else if (end === from || text.trim() !== '') break;
    }
    if (until === from) {
      add('same', parts[from++].text);
      continue;
    }
    const run = parts.slice(from, until);
    const [missing, extra] = (['missing', 'extra'] as const).map((kind) =>
      run
        .filter((part) => part.kind === kind || part.kind === 'same')
        .map((part) => part.text)
        .join(''),
    );
    const [before, after] = commonBlanks(missing, extra);
    add('same', missing.slice(0, before));
    add('missing', missing.slice(before, missing.length - after));
    add('extra', extra.slice(before, extra.length - after));
    add('same', missing.slice(missing.length - after));
    from = until;
  }
  return out;
}

/** How many blanks two changed texts share at their beginning and end; none where one would be nothing else. */
function commonBlanks(left: string, right: string): [before: number, after: number] {
  if (left.trim() === '' || right.trim() === '') return [0, 0];
  const shared = (blanks: (text: string) => string): number =>
    blanks(left) === blanks(right) ? blanks(left).length : 0;
  return [
    shared((text) => text.slice(0, text.length - text.trimStart().length)),
    shared((text) => text.slice(text.trimEnd().length)),
  ];
}
