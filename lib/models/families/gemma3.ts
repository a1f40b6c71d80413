/**
 * The text half of a multimodal Gemma 3: its `text_config`, and its tensors under the names of a Gemma 3 of text alone.
 * It is saved as such a model. Vision tensors are passed over, which the loader says.
 */
import { isJsonObject } from '../../files';
import { TunebookError } from '../../types';
import type { Architecture } from './architecture';
import { describedDecoder } from './decoder-config';
import { DECODER_FAMILIES } from './decoder-families';

const TEXT = 'gemma3_text';
/** Both orders of the prefixes: transformers 5, and files before it. */
const PREFIX = /^(model\.language_model|language_model\.model)\./;

/** @throws TunebookError where there is no text_config, or one that cannot be used */
export function gemma3(config: Record<string, unknown>): Architecture {
  const { text_config: text } = config;
  const quantization = config.quantization_config ?? config.quantization;
  if (!isJsonObject(text)) {
    throw new TunebookError(
      `gemma3 config.json: expected text_config, got ${JSON.stringify(text)}. Download the model again.`,
    );
  }
  // What the two halves share stands outside.
  const tied = config.tie_word_embeddings ?? text.tie_word_embeddings ?? true;
  const own = { ...text, model_type: TEXT, tie_word_embeddings: tied };
  const whole = quantization === undefined ? own : { ...own, quantization_config: quantization };
  return {
    ...describedDecoder(TEXT, DECODER_FAMILIES[TEXT], whole),
    canonicalName: (stored) =>
      stored.replace(PREFIX, 'model.').replace(/^language_model\.lm_head\./, 'lm_head.'),
  };
}
