/** Tokenizers with further tokens. */
import { requireOptions } from '../options';
import { kindOf, requireText, TunebookError } from '../types';
import { LoadedTokenizer } from './pretrained-tokenizer';
import type { PretrainedTokenizer } from './types';

/** What kind of tokens are added. */
export interface AddTokensOptions {
  /** Whether `decode` leaves them out with `skipSpecialTokens`; default false. */
  readonly special?: boolean;
}

/**
 * The tokenizer with further tokens behind its last one, as by transformers' `add_tokens`; the given one stays. Tokens
 * that were added before are passed over. The model needs rows for them: `resizeTokenEmbeddings`.
 * @throws {TunebookError} For a token that is no text or empty.
 * @example
 * ```ts
 * import { addTokens, AutoTokenizer } from 'tunebook';
 *
 * const tokenizer = await addTokens(await AutoTokenizer.fromPretrained('gpt2'), ['<faster>', '<slower>']);
 * console.log(tokenizer.encode('<slower>'), tokenizer.vocabSize); // [50258] 50259
 * ```
 */
export async function addTokens(
  tokenizer: PretrainedTokenizer,
  tokens: readonly string[],
  options: AddTokensOptions = {},
): Promise<PretrainedTokenizer> {
  requireOptions<AddTokensOptions>(options, { where: 'addTokens', names: { special: true } });
  if (!(tokenizer instanceof LoadedTokenizer))
    throw new TunebookError(`addTokens: expected a tokenizer of AutoTokenizer, got ${kindOf(tokenizer)}.`);
  if (!Array.isArray(tokens))
    throw new TunebookError(`addTokens: expected a list of tokens, got ${kindOf(tokens)}.`);
  for (const token of tokens)
    requireText(token, { where: 'addTokens', what: 'tokens of one character or more' });
  return tokenizer.withTokens(tokens, options.special ?? false);
}
