/**
 * tokenizer.json as @xenova/transformers needs it: every part present, and the parts in which JavaScript's own white space
 * and word characters stand for Unicode's written out as patterns, which it reads as the Rust tokenizers do (they differ
 * on U+FEFF, U+0085, letters beyond ASCII and digits such as ²). What it would compute otherwise is refused by name.
 * Where it stands: before a tokenizer is built.
 */
import { isJsonObject } from '../../files';
import type { JsonObject } from '../../files';

/** GPT-2's pattern for splitting text into words, from its published encoder. */
const GPT2_PATTERN = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;

/** \w of Rust's regular expressions, within a class. */
export const WORD = String.raw`\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}`;

/** Punctuation of the Rust tokenizers: Unicode's and ASCII's. */
const PUNCTUATION = String.raw`[\p{P}!-/:-@\[-\x60{-~]`;

/** tokenizer_config.json as the library needs it: the unknown token of a list of words is the model's own. */
export function configForLibrary(tokenizerJson: JsonObject, config: JsonObject): JsonObject {
  const { model } = tokenizerJson;
  return isJsonObject(model) && model.type === 'WordLevel'
    ? { ...config, unk_token: model.unk_token }
    : config;
}

/**
 * @throws {Error} If the file has a setting that the library passes over, though it changes the ids.
 */
export function forLibrary(tokenizerJson: JsonObject): JsonObject {
  const parts = {
    ...{ normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null, added_tokens: [] },
    ...tokenizerJson,
  };
  refuseSettings(tokenizerJson.model);
  return {
    ...parts,
    normalizer: fixed(parts.normalizer, normalizer),
    pre_tokenizer: fixed(parts.pre_tokenizer, preTokenizer),
    decoder: fixed(parts.decoder, decoder),
  };
}

/**
 * tokenizer.json with GPT-2's words and runs of digits, which transformers.js cuts by JavaScript's white space and numerals
 * (U+FEFF and ² differ), as patterns that mean the same to every reader. For files that go to a browser.
 */
export function withPatterns(tokenizerJson: JsonObject): JsonObject {
  const written = (part: JsonObject): JsonObject =>
    part.type === 'ByteLevel' || part.type === 'Digits' ? preTokenizer(part) : part;
  return 'pre_tokenizer' in tokenizerJson
    ? { ...tokenizerJson, pre_tokenizer: fixed(tokenizerJson.pre_tokenizer, written) }
    : tokenizerJson;
}

/** A part, or each part of a sequence. */
function fixed(part: unknown, fix: (part: JsonObject) => JsonObject): unknown {
  if (!isJsonObject(part)) return part;
  if (part.type !== 'Sequence') return fix(part);
  const lists = Object.entries(part).filter((entry): entry is [string, unknown[]] => Array.isArray(entry[1]));
  return {
    ...part,
    ...Object.fromEntries(lists.map(([key, list]) => [key, list.map((one) => fixed(one, fix))])),
  };
}

/** A pre-tokenizer that keeps what the pattern matches. */
const matches = (pattern: string): JsonObject => ({
  ...{ type: 'Split', pattern: { Regex: pattern }, behavior: 'Removed', invert: true },
});

/** A pre-tokenizer that cuts at each match. */
const split = (pattern: string, behavior = 'Isolated'): JsonObject => ({
  ...{ type: 'Split', pattern: { Regex: pattern }, behavior, invert: false },
});

function preTokenizer(part: JsonObject): JsonObject {
  switch (part.type) {
    case 'ByteLevel': {
      if (part.use_regex === false || part.add_prefix_space === true) return part;
      return { type: 'Sequence', pretokenizers: [split(GPT2_PATTERN), { ...part, use_regex: false }] };
    }
    case 'Digits':
      return split(part.individual_digits === true ? String.raw`\p{N}` : String.raw`\p{N}+`);
    case 'Punctuation':
      return split(PUNCTUATION, typeof part.behavior === 'string' ? part.behavior : 'Isolated');
    case 'BertPreTokenizer': {
      const words = split(String.raw`\p{White_Space}`, 'Removed');
      return { type: 'Sequence', pretokenizers: [words, split(PUNCTUATION)] };
    }
    case 'CharDelimiterSplit':
      return { ...split('', 'Removed'), pattern: { String: part.delimiter } };
    case 'FixedLength':
      return split(String.raw`[\s\S]{1,${String(part.length)}}`);
    case 'Whitespace':
      return matches(String.raw`[${WORD}]+|[^${WORD}\p{White_Space}]+`);
    case 'WhitespaceSplit':
      return matches(String.raw`\P{White_Space}+`);
    case 'Metaspace': {
      const spaces = addsNoSpace(part) ? { ...part, prepend_scheme: 'never' } : part;
      if (part.split === false) return spaces;
      const words = { ...split('', 'MergedWithNext'), pattern: { String: part.replacement ?? '\u2581' } };
      return { type: 'Sequence', pretokenizers: [spaces, words] };
    }
  }
  return part;
}

function normalizer(part: JsonObject): JsonObject {
  if (part.type !== 'Strip') return part;
  const without = (pattern: string): JsonObject => ({
    type: 'Replace',
    pattern: { Regex: pattern },
    content: '',
  });
  const normalizers: JsonObject[] = [];
  if (part.strip_left === true) normalizers.push(without(String.raw`\A\p{White_Space}+`));
  if (part.strip_right === true) normalizers.push(without(String.raw`\p{White_Space}+\z`));
  return { type: 'Sequence', normalizers };
}

/** The library takes a blank off the text's beginning always: where none was put there, it is the text's own. */
function decoder(part: JsonObject): JsonObject {
  if (part.type !== 'Metaspace' || !addsNoSpace(part)) return part;
  const { replacement = '\u2581' } = part;
  return { type: 'Replace', pattern: { String: replacement }, content: ' ' };
}

/** Older files say it by `add_prefix_space`. */
function addsNoSpace({ prepend_scheme: scheme, add_prefix_space: adds }: JsonObject): boolean {
  return scheme === 'never' || (scheme === undefined && adds === false);
}

function refuseSettings(model: unknown): void {
  if (!isJsonObject(model)) return;
  const { continuing_subword_prefix: prefix, dropout } = model;
  const isBpe = model.type === 'BPE' || Array.isArray(model.merges);
  if (isBpe && typeof prefix === 'string' && prefix !== '')
    throw new Error(`continuing_subword_prefix ${JSON.stringify(prefix)} of a BPE model is not supported`);
  if (isBpe && typeof dropout === 'number' && dropout > 0)
    throw new Error(
      `dropout ${dropout} of a BPE model is not supported: set it to null, ids are then the same each time`,
    );
  if (model.type === 'Unigram' && model.byte_fallback === true)
    throw new Error('byte_fallback of a Unigram model is not supported');
}
