/** The ids of a text that goes on. Where it stands: between a prompt and what learns from it or answers it. */
import type { Tokenizer } from '../types';

const endsTexts = new WeakMap<Tokenizer, boolean>();

/**
 * Token ids of a prompt, with the tokenizer's own first token and without its last: one that ends every text in its
 * end-of-text token (`add_eos_token`) would end the prompt before the answer.
 */
export function promptIds(tokenizer: Tokenizer, text: string): number[] {
  const ids = tokenizer.encode(text);
  let ends = endsTexts.get(tokenizer);
  if (ends === undefined) {
    const { eosTokenId } = tokenizer;
    const last = (addSpecialTokens: boolean): number | undefined =>
      tokenizer.encode('a', { addSpecialTokens }).at(-1);
    ends = eosTokenId !== undefined && last(true) === eosTokenId && last(false) !== eosTokenId;
    endsTexts.set(tokenizer, ends);
  }
  return ends ? ids.slice(0, -1) : ids;
}
