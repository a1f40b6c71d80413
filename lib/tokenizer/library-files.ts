/**
 * tokenizer.json as @xenova/transformers needs it: every part present, and the parts in which JavaScript's own white space
 * and word characters stand for Unicode's written out as patterns, which it reads as the Rust tokenizers do (they differ
 * on U+FEFF, U+0085, letters beyond ASCII and digits such as ²). Where it stands: before a tokenizer is built.
 */
import { isJsonObject } from '../files';
import type { JsonObject } from '../files';

/** GPT-2's pattern for splitting text into words, from its published encoder. */
const GPT2_PATTERN = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;

/** \w of Rust's regular expressions, within a class. */
const WORD = String.raw`\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}`;

export function forLibrary(tokenizerJson: JsonObject): JsonObject {
  const parts = {
    ...{ normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null, added_tokens: [] },
    ...tokenizerJson,
  };
  return {
    ...parts,
    normalizer: mended(parts.normalizer, normalizer),
    pre_tokenizer: mended(parts.pre_tokenizer, preTokenizer),
    decoder: mended(parts.decoder, decoder),
  };
}

/** A part, or each part of a sequence. */
function mended(part: unknown, mend: (part: JsonObject) => JsonObject): unknown {
  if (!isJsonObject(part)) return part;
  if (part.type !== 'Sequence') return mend(part);
  const lists = Object.entries(part).filter((entry): entry is [string, unknown[]] => Array.isArray(entry[1]));
  return {
    ...part,
    ...Object.fromEntries(lists.map(([key, list]) => [key, list.map((one) => mended(one, mend))])),
  };
}

/** A pre-tokenizer that keeps what the pattern matches. */
const matches = (pattern: string): JsonObject => ({
  ...{ type: 'Split', pattern: { Regex: pattern }, behavior: 'Removed', invert: true },
});

function preTokenizer(part: JsonObject): JsonObject {
  switch (part.type) {
    case 'ByteLevel': {
      if (part.use_regex === false || part.add_prefix_space === true) return part;
      const words = { type: 'Split', pattern: { Regex: GPT2_PATTERN }, behavior: 'Isolated', invert: false };
      return { type: 'Sequence', pretokenizers: [words, { ...part, use_regex: false }] };
    }
    case 'Digits': {
      const pattern = { Regex: part.individual_digits === true ? String.raw`\p{N}` : String.raw`\p{N}+` };
      return { type: 'Split', pattern, behavior: 'Isolated', invert: false };
    }
    case 'Whitespace':
      return matches(String.raw`[${WORD}]+|[^${WORD}\p{White_Space}]+`);
    case 'WhitespaceSplit':
      return matches(String.raw`\P{White_Space}+`);
    case 'Metaspace':
      return addsNoSpace(part) ? { ...part, prepend_scheme: 'never' } : part;
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
