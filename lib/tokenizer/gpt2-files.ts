/**
 * Converts the two files of the original GPT-2 tokenizer (a vocabulary and a list of merges) to `tokenizer.json`.
 * Where it stands: below the loader, for checkpoints older than tokenizer.json, and for the script that builds
 * data/tokenizers/gpt2.
 */
import { isJsonObject } from '../files';
import type { JsonObject } from '../files';
import { TunebookError } from '../types';

/** GPT-2's only special token: it ends a document, and begins one. */
export const GPT2_END_OF_TEXT = '<|endoftext|>';

/**
 * Parses a `merges.txt` or `vocab.bpe`: one "left right" pair a line, most frequent first.
 *
 * @throws {TunebookError} Naming the first line that is not a pair.
 */
export function parseMerges(text: string, file: string): string[] {
  const merges: string[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line === '' || (index === 0 && line.startsWith('#version'))) continue;
    if (line.split(' ').length !== 2) {
      throw new TunebookError(
        `${file}, line ${index + 1}: expected two symbols with a space between, got ${JSON.stringify(line)}. ` +
          'Fetch the file again.',
      );
    }
    merges.push(line);
  }
  return merges;
}

/**
 * Checks that a parsed vocabulary maps tokens to ids.
 *
 * @throws {TunebookError} If a value is not a token id.
 */
export function parseVocabulary(value: unknown, file: string): Record<string, number> {
  if (!isJsonObject(value)) {
    throw new TunebookError(`${file}: expected an object of token -> id. Fetch the file again.`);
  }
  const vocabulary: Record<string, number> = {};
  for (const [token, id] of Object.entries(value)) {
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0) {
      throw new TunebookError(
        `${file}: expected a token id for ${JSON.stringify(token)}, got ${JSON.stringify(id)}. Fetch the file again.`,
      );
    }
    vocabulary[token] = id;
  }
  return vocabulary;
}

/** The `tokenizer.json` of a byte-level BPE tokenizer such as GPT-2's. */
export function byteLevelTokenizerJson(
  vocabulary: Readonly<Record<string, number>>,
  merges: readonly string[],
): JsonObject {
  const endOfText = vocabulary[GPT2_END_OF_TEXT];
  const addedTokens =
    endOfText === undefined
      ? []
      : [
          {
            id: endOfText,
            content: GPT2_END_OF_TEXT,
            single_word: false,
            lstrip: false,
            rstrip: false,
            normalized: false,
            special: true,
          },
        ];
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: addedTokens,
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: false, use_regex: true },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: '',
      end_of_word_suffix: '',
      fuse_unk: false,
      byte_fallback: false,
      vocab: vocabulary,
      merges,
    },
  };
}

/** The `tokenizer_config.json` that goes with it. */
export function gpt2TokenizerConfig(): JsonObject {
  return {
    add_bos_token: false,
    add_prefix_space: false,
    bos_token: GPT2_END_OF_TEXT,
    clean_up_tokenization_spaces: false,
    eos_token: GPT2_END_OF_TEXT,
    model_max_length: 1024,
    tokenizer_class: 'GPT2Tokenizer',
    unk_token: GPT2_END_OF_TEXT,
  };
}
