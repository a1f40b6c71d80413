/** Checks that a tokenizer and a model fit, before anything is computed. */
import { kindOf, TunebookError } from '../types';
import type { Tokenizer } from '../types';
import type { ModelLimits } from './types';

/**
 * Checks that the model has a row for every id of the tokenizer, and that sequences fit into its context.
 *
 * A model may have more rows than the tokenizer has tokens: many vocabularies are padded to a round number. Tokens that
 * were added to the tokenizer alone are no error, but named in a warning.
 *
 * @throws {TunebookError} If an id or a length exceeds the model's limits.
 * @example
 * ```ts
 * import { AutoTokenizer, checkTokenizerFits } from 'tunebook';
 *
 * const tokenizer = await AutoTokenizer.fromPretrained('gpt2');
 * checkTokenizerFits(tokenizer, { vocabSize: 50257, maxLength: 1024, sequenceLength: 256 }); // fits: no error
 * ```
 */
export function checkTokenizerFits(tokenizer: Tokenizer, limits: ModelLimits): void {
  const { vocabSize, maxLength, sequenceLength } = (limits as Partial<ModelLimits> | undefined) ?? {};
  if (
    vocabSize === undefined ||
    typeof (tokenizer as Partial<Tokenizer> | undefined)?.encode !== 'function'
  ) {
    throw new TunebookError(
      `checkTokenizerFits: expected a tokenizer and { vocabSize }, got ${kindOf(tokenizer)} and vocabSize ${kindOf(vocabSize)}.`,
    );
  }
  const beyond = (tokenizer.addedTokenIds ?? []).filter((id) => id >= vocabSize);
  if (tokenizer.vocabSize > vocabSize && beyond.length === tokenizer.vocabSize - vocabSize) {
    console.warn(
      `tokenizer: ${beyond.length} added tokens (ids ${beyond[0]} to ${tokenizer.vocabSize - 1}) are beyond the model's ` +
        `${vocabSize} rows; texts with them cannot be used. Call model.resizeTokenEmbeddings(${tokenizer.vocabSize}) for them.`,
    );
  } else if (tokenizer.vocabSize > vocabSize) {
    throw new TunebookError(
      `tokenizer: expected at most ${vocabSize} tokens, as the model's embedding has rows, got ${tokenizer.vocabSize}. ` +
        "Load the tokenizer from the model's own folder.",
    );
  }
  const special = { bos: tokenizer.bosTokenId, eos: tokenizer.eosTokenId, pad: tokenizer.padTokenId };
  for (const [name, id] of Object.entries(special)) {
    if (id !== undefined && (id < 0 || id >= vocabSize)) {
      throw new TunebookError(
        `tokenizer: expected the ${name} token's id below ${vocabSize}, the model's vocabulary, got ${id}.`,
      );
    }
  }
  if (maxLength !== undefined && sequenceLength !== undefined && sequenceLength > maxLength) {
    throw new TunebookError(
      `tokenizer: expected sequences of at most ${maxLength} tokens, the model's context, got ${sequenceLength}. ` +
        'Lower the maximum length, or take a model with a longer context.',
    );
  }
}
