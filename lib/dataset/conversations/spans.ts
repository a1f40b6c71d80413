/** Token ids of a text of which some pieces are learned, and where in the ids those pieces lie. */
import type { PretrainedTokenizer } from '../../tokenizer';

/** Begin and end, the end not included. */
export type Span = readonly [start: number, end: number];

/**
 * The ids are those of the whole text, as transformers gives them; where a token spans an end of a piece, the pieces are
 * encoded apart and joined, since the model never meets such a token where it begins to write.
 *
 * @param spans pieces in UTF-16 units, ascending, none within another
 */
export function encodeSpans(
  text: string,
  spans: readonly Span[],
  tokenizer: PretrainedTokenizer,
): { inputIds: number[]; ranges: Span[] } {
  const ids = (part: string): number[] => tokenizer.encode(part, { addSpecialTokens: false });
  const cuts = [0, ...spans.flat(), text.length];
  const parts = cuts.slice(1).map((end, i) => ids(text.slice(cuts[i], end)));
  const joined = parts.flat();
  const whole = ids(text);
  let sum = 0;
  const lengths = parts.slice(0, -1).map((part) => (sum += part.length));
  if (isPrefix(joined, whole) && joined.length === whole.length)
    return { inputIds: whole, ranges: pairs(lengths) };
  const prefixes = spans.flat().map((cut) => ids(text.slice(0, cut)));
  return prefixes.every((prefix) => isPrefix(prefix, whole))
    ? { inputIds: whole, ranges: pairs(prefixes.map(({ length }) => length)) }
    : { inputIds: joined, ranges: pairs(lengths) };
}

function isPrefix(prefix: readonly number[], ids: readonly number[]): boolean {
  return prefix.every((id, i) => ids[i] === id);
}

function pairs(ends: readonly number[]): Span[] {
  return ends.flatMap((start, i): Span[] => (i % 2 === 0 ? [[start, ends[i + 1]]] : []));
}
