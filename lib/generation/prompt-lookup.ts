/**
 * Prompt lookup decoding (Saxena 2023; transformers' `prompt_lookup_num_tokens`): the last tokens are looked for earlier in
 * the context, and what followed them there is the guess of what follows now. One pass computes what would follow each
 * guess; as many are kept as are what the row takes. Answers that copy from their prompts need fewer passes.
 */
import type { Decoder } from './decoders/decoder';
import type { PromptLookup, TokenEvent } from './options';
import type { Row } from './row';

/**
 * What followed the last tokens where the context had them first, as transformers guesses.
 * @param context prompt and new tokens
 * @returns at most `numTokens` tokens, none where the last token is new
 */
export function lookedUp(
  context: readonly number[],
  { numTokens, maxMatchingNgramSize }: PromptLookup,
): readonly number[] {
  const last = context.length - 1;
  for (let size = Math.min(maxMatchingNgramSize, last); size > 0; size--)
    for (let end = size - 1; end < last; end++) {
      let same = 0;
      while (same < size && context[end - same] === context[last - same]) same++;
      if (same === size) return context.slice(end + 1, end + 1 + numTokens);
    }
  return [];
}

/** A decoder that can look ahead. */
export type AheadDecoder = Decoder & Required<Pick<Decoder, 'stepAhead'>>;

export function looksAhead(decoder: Decoder): decoder is AheadDecoder {
  return decoder.stepAhead !== undefined;
}

/**
 * Continues the only row of a decoder.
 * @param row has taken its first token
 * @returns the tokens that a pass adds, in order
 */
export async function aheadOf(row: Row, decoder: AheadDecoder, lookup: PromptLookup): Promise<TokenEvent[]> {
  const context = [...row.prompt, ...row.newTokens];
  // The pass itself gives the token after the last guess.
  const guesses = lookedUp(context, lookup).slice(0, Math.max(0, row.left - 1));
  const events: TokenEvent[] = [];
  await decoder.stepAhead([context[context.length - 1], ...guesses], (logits) => {
    const event = row.next(logits);
    if (event === undefined) throw new Error('internal: a row that has ended goes on');
    events.push(event);
    return row.finishReason === undefined ? event.token : undefined;
  });
  return events;
}
