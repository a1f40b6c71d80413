/**
 * Texts that end an answer.
 */
import type { Tokenizer } from '../types';

/** Says whether the new tokens, of which the last has just come, contain a stop string. */
export function stopStringMatcher(
  tokenizer: Pick<Tokenizer, 'decode'> | undefined,
  stopStrings: readonly string[],
): (newTokens: readonly number[]) => boolean {
  if (tokenizer === undefined || stopStrings.length === 0) return () => false;
  // A token holds at least one byte, so a match that the last token completes lies within that many tokens;
  // three more keep a character whole that the first one may have cut.
  const reach = Math.max(...stopStrings.map((text) => Buffer.byteLength(text))) + 3;
  return (newTokens) => {
    const text = tokenizer.decode(newTokens.slice(-reach), { skipSpecialTokens: false });
    return stopStrings.some((stop) => text.includes(stop));
  };
}

/** The text before the first of the stop strings in it. */
export function beforeStop(text: string, stopStrings: readonly string[]): string {
  const starts = stopStrings.map((stop) => text.indexOf(stop)).filter((at) => at >= 0);
  return starts.length === 0 ? text : text.slice(0, Math.min(...starts));
}
