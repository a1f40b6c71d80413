/**
 * Results by text, since texts repeat their words. Where it stands: around the parts of a tokenizer that take a word at a
 * time.
 */

/** Longer texts seldom come again. */
const LONGEST = 64;
/** Texts that are kept, at most; then it begins anew, which costs less than finding the oldest of them each time. */
const MOST = 20_000;

/** A function of a text that keeps its results, which nobody may change. */
export function remembered<Result>(compute: (text: string) => Result): (text: string) => Result {
  const results = new Map<string, Result>();
  return (text) => {
    if (text.length > LONGEST) return compute(text);
    const known = results.get(text);
    if (known !== undefined) return known;
    if (results.size >= MOST) results.clear();
    const result = compute(text);
    results.set(text, result);
    return result;
  };
}
