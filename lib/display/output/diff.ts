/** What a text lacks of an expected one and has beyond it, word by word. */

/** One piece of a comparison of two texts, word by word. */
export interface DiffPart {
  readonly kind: 'same' | 'missing' | 'extra';
  readonly text: string;
}

/** Blanks, words of any alphabet, single signs; scripts without blanks go sign by sign. */
const WORDS =
  /\s+|[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]|(?:(?![\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}])[\p{L}\p{M}\p{N}_])+|[^\s\p{L}\p{M}\p{N}_]/gu;

/** Pairs of words that are compared at most: 100 MB for a table of their subsequences. */
const MAX_PAIRS = 25_000_000;

/**
 * What `actual` lacks of `expected` and has beyond it, word by word: a longest common subsequence behind the common
 * beginning. What differs in many thousands of words is told apart as a whole.
 * Source: the textbook dynamic programme, O(n m) in words.
 */
export function diffWords(expected: string, actual: string): DiffPart[] {
  const a = expected.match(WORDS) ?? [];
  const b = actual.match(WORDS) ?? [];
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  const pairs = (to: number): number => (a.length - head - to) * (b.length - head - to);
  let tail = 0; // where only the end is long, the first match reads better than the last
  if (pairs(0) > MAX_PAIRS)
    while (pairs(tail) > 0 && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
  const parts: { kind: DiffPart['kind']; text: string }[] = [];
  const add = (kind: DiffPart['kind'], text: string): void => {
    const last = parts.at(-1);
    if (text === '') return;
    if (last?.kind === kind) last.text += text;
    else parts.push({ kind, text });
  };
  add('same', a.slice(0, head).join(''));
  const [left, right] = [a.slice(head, a.length - tail), b.slice(head, b.length - tail)];
  if (pairs(tail) <= MAX_PAIRS) compare(left, right, add);
  else {
    add('missing', left.join(''));
    add('extra', right.join(''));
  }
  add('same', a.slice(a.length - tail).join(''));
  return joinChanges(parts);
}

function compare(
  a: readonly string[],
  b: readonly string[],
  add: (kind: DiffPart['kind'], text: string) => void,
): void {
  const width = b.length + 1;
  const common = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      common[i * width + j] =
        a[i] === b[j]
          ? common[(i + 1) * width + j + 1] + 1
          : Math.max(common[(i + 1) * width + j], common[i * width + j + 1]);
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      add('same', a[i++]);
      j++;
    } else if (j >= b.length || (i < a.length && common[(i + 1) * width + j] >= common[i * width + j + 1])) {
      add('missing', a[i++]);
    } else add('extra', b[j++]);
  }
}

/** Changes with nothing but blanks between them become one: whole phrases read better than pairs of words. */
function joinChanges(parts: readonly DiffPart[]): DiffPart[] {
  const out: DiffPart[] = [];
  for (let from = 0; from < parts.length;) {
    let end = from;
    let until = from; // behind the last change of this run
    for (; end < parts.length; end++) {
      const { kind, text } = parts[end];
      if (kind !== 'same') until = end + 1;
      else if (end === from || text.trim() !== '') break;
    }
    if (until === from) {
      out.push(parts[from++]);
      continue;
    }
    const run = parts.slice(from, until);
    for (const kind of ['missing', 'extra'] as const) {
      const text = run
        .filter((part) => part.kind === kind || part.kind === 'same')
        .map((part) => part.text)
        .join('');
      if (text !== '') out.push({ kind, text });
    }
    from = until;
  }
  return out;
}
