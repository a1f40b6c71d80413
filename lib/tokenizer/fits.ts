/** Checks that a tokenizer and a model fit, before anything is computed. */
import { kindOf, TunebookError, warnOnce } from '../types';
import type { Tokenizer } from '../types';
import type { ModelLimits, ModelToFit } from './types';

/** Models have some per cent more rows than tokens (Pythia 0.8, Phi-2 1.8), seldom a tenth. */
const FEW = 0.9;

/**
 * Checks that the model has a row for every id of the tokenizer, and that sequences fit into its context.
 *
 * A model may have more rows than the tokenizer has tokens: many vocabularies are padded to a round number. Tokens that
 * were added to the tokenizer alone are no error, but named in a warning. With a model, or its `config`, another family's
 * tokenizer is recognised by the tokens that begin and end a text: the model's have to be there and special. Whatever
 * takes both, to generate, train, serve or export, checks this by itself. A warning is said once.
 *
 * @param limits a model's architecture, or its limits one by one
 * @throws {TunebookError} If an id or a length exceeds the model's limits, or the tokenizer lacks the tokens that the
 *   model begins or ends texts with.
 * @example
 * ```ts
 * import { AutoTokenizer, checkTokenizerFits } from 'tunebook';
 *
 * const tokenizer = await AutoTokenizer.fromPretrained('gpt2');
 * checkTokenizerFits(tokenizer, { vocabSize: 50257, maxLength: 1024, sequenceLength: 256 }); // fits: no error
 * ```
 */
export function checkTokenizerFits(tokenizer: Tokenizer, limits: ModelLimits | ModelToFit): void {
  const { vocabSize, maxLength, sequenceLength, config } = limitsOf(limits);
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
    warnOnce(
      tokenizer,
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
  if (config !== undefined) checkFamily(tokenizer, { vocabSize, config });
  if (tokenizer.vocabSize < FEW * vocabSize)
    warnOnce(
      tokenizer,
      `tokenizer: it has ${tokenizer.vocabSize} tokens, the model's embedding ${vocabSize} rows: far more than are ` +
        "padded. Is it another model's tokenizer?",
    );
  if (maxLength !== undefined && sequenceLength !== undefined && sequenceLength > maxLength) {
    throw new TunebookError(
      `tokenizer: expected sequences of at most ${maxLength} tokens, the model's context, got ${sequenceLength}. ` +
        'Lower the maximum length, or take a model with a longer context.',
    );
  }
}

function limitsOf(limits: ModelLimits | ModelToFit | undefined): Partial<ModelLimits> {
  if (limits === undefined || !('architecture' in limits)) return limits ?? {};
  const { architecture, sequenceLength } = limits;
  const { vocabSize, maxPositions: maxLength } = architecture;
  return { vocabSize, maxLength, sequenceLength, config: architecture.toJson() };
}

/** The model's own ids of the first and the last token of a text. */
function checkFamily(
  tokenizer: Tokenizer,
  { vocabSize, config }: Required<Pick<ModelLimits, 'vocabSize' | 'config'>>,
): void {
  const { vocabSize: tokens, addedTokenIds, bosTokenId, eosTokenId } = tokenizer;
  const ends = [
    { key: 'bos_token_id', own: bosTokenId, other: eosTokenId },
    { key: 'eos_token_id', own: eosTokenId, other: bosTokenId },
  ];
  for (const { key, own, other } of ends) {
    // An id beyond the model's own rows is a default that nobody set.
    const ids = [config[key]].flat().filter((id) => typeof id === 'number' && id >= 0 && id < vocabSize);
    if (ids.length === 0 || ids.some((id) => id === own)) continue;
    const said = `the model's config has ${key} ${ids.join(', ')}`;
    if (ids.every((id) => Number(id) >= tokens))
      throw new TunebookError(
        `tokenizer: ${said}, but the tokenizer has ${tokens} tokens: it is another model's. ` +
          "Load the tokenizer from the model's own folder.",
      );
    if (addedTokenIds?.some((id) => ids.includes(id) && id !== other) === false)
      warnOnce(
        tokenizer,
        `tokenizer: ${said}, which is an ordinary token here or stands at the other end; the tokenizer's own is ` +
          `${own ?? 'none'}. Is it another model's tokenizer?`,
      );
  }
}
