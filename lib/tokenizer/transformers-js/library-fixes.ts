/**
 * Where @xenova/transformers tokenizes otherwise than Hugging Face's own library, fixed on the instance that was made:
 * letters of SentencePiece's table, bytes that stand for U+FEFF or for nothing in UTF-8, added tokens that count as whole
 * words only, those that take Unicode's white space beside them, those that a normalizer writes otherwise, what a Split
 * makes of its matches, and unknown tokens in a row.
 * Where it stands: once, after a tokenizer is built.
 */
import { isJsonObject } from '../../files';
import type { JsonObject } from '../../files';
import { WORD } from './library-files';
import { precompiledNormalizer } from './precompiled-normalizer';
import { remembered } from './remembered';
import { splitPieces } from './split-behaviors';

/** The parts of the library's tokenizer that are fixed; each is looked for, as another version may lack it. */
interface Internals {
  readonly _tokenizer?: {
    readonly normalizer?: NormalizerPart | null;
    readonly decoder?: DecoderPart | null;
    readonly pre_tokenizer?: CutterPart | null;
    readonly model?: Model;
    readonly added_tokens_map?: ReadonlyMap<string, AddedToken>;
    readonly splitter_unnormalized?: Splitter;
    readonly splitter_normalized?: Splitter;
  };
}

interface AddedToken {
  readonly id?: number;
  readonly content?: string;
  readonly normalized?: boolean;
  readonly special?: boolean;
  readonly single_word?: boolean;
  lstrip?: boolean;
  rstrip?: boolean;
}

interface NormalizerPart {
  readonly config?: { readonly type?: string; readonly precompiled_charsmap?: unknown };
  readonly normalizers?: readonly (NormalizerPart | undefined)[];
  normalize?: (text: string) => string;
}

interface DecoderPart {
  readonly config?: { readonly type?: string };
  readonly decoders?: readonly DecoderPart[];
  readonly replacement?: string;
  decode_chain?: (tokens: readonly string[]) => string[];
  text_decoder?: { decode(bytes: Uint8Array): string };
}

interface CutterPart {
  readonly config?: {
    readonly type?: string;
    readonly behavior?: unknown;
    readonly invert?: unknown;
    readonly use_regex?: unknown;
  };
  readonly tokenizers?: readonly (CutterPart | undefined)[];
  readonly pattern?: RegExp;
  pre_tokenize_text?: (text: string) => string[];
}

interface Model {
  readonly config?: { readonly type?: string };
  readonly tokens_to_ids?: { has(token: string): boolean };
  readonly vocab?: string[];
  readonly unk_token?: unknown;
  readonly byte_fallback?: boolean;
  _call?: (words: readonly string[]) => string[];
}

interface Splitter {
  split(text: string): string[];
}

/** Fixes a tokenizer of the library in place. */
export function fixLibraryTokenizer(library: object): void {
  const inner = (library as Internals)._tokenizer;
  if (inner === undefined) return;
  fixNormalizer(inner.normalizer ?? undefined);
  fixDecoder(inner.decoder ?? undefined);
  fixSplit(inner.pre_tokenizer ?? undefined);
  rememberBytes(inner.pre_tokenizer ?? undefined);
  fixWords(inner.model);
  const tokens = inner.added_tokens_map;
  if (tokens === undefined) return;
  spellAsNormalized(inner.model, tokens);
  const own = new Map([...tokens].map(([text, token]) => [text, { ...token }]));
  if (
    ![...own.values()].some(
      (token) => token.single_word === true || token.lstrip === true || token.rstrip === true,
    )
  )
    return;
  for (const token of tokens.values()) token.lstrip = token.rstrip = false; // JavaScript's trim is not Unicode's
  for (const splitter of [inner.splitter_unnormalized, inner.splitter_normalized])
    if (splitter !== undefined) fixSplitter(splitter, own);
}

function fixNormalizer(normalizer: NormalizerPart | undefined): void {
  normalizer?.normalizers?.forEach(fixNormalizer);
  if (normalizer?.config?.type === 'Precompiled')
    normalizer.normalize = precompiledNormalizer(normalizer.config.precompiled_charsmap);
}

function fixDecoder(decoder: DecoderPart | undefined): void {
  decoder?.decoders?.forEach(fixDecoder);
  if (decoder?.config?.type === 'ByteFallback') fixByteFallback(decoder);
  const { replacement } = decoder ?? {};
  if (decoder?.config?.type === 'Metaspace' && replacement !== undefined)
    // the first token loses each of its blanks
    decoder.decode_chain = (tokens) =>
      tokens.map((token, i) => token.replaceAll(replacement, i === 0 ? '' : ' '));
}

/** As the Rust decoder: a run of bytes is a text in UTF-8, U+FEFF included, or one U+FFFD for each of its bytes. */
function fixByteFallback(decoder: DecoderPart): void {
  const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  decoder.text_decoder = {
    decode(bytes) {
      try {
        return utf8.decode(bytes);
      } catch {
        return '\ufffd'.repeat(bytes.length);
      }
    },
  };
}

function fixSplit(part: CutterPart | undefined): void {
  for (const inner of part?.tokenizers ?? []) fixSplit(inner);
  const { config, pattern } = part ?? {};
  if (part === undefined || config?.type !== 'Split') return;
  if (!(pattern instanceof RegExp)) throw new Error('a Split without a pattern');
  const { behavior, invert } = config;
  const how = { pattern, behavior: String(behavior), invert: invert === true };
  splitPieces('', how);
  part.pre_tokenize_text = (text) => splitPieces(text, how);
}

/** Texts repeat their words: the bytes of each are spelled once. Only where a Split has cut the words before. */
function rememberBytes(part: CutterPart | undefined): void {
  for (const inner of part?.tokenizers ?? []) rememberBytes(inner);
  if (part?.config?.type !== 'ByteLevel' || part.config.use_regex !== false) return;
  const spell = part.pre_tokenize_text?.bind(part);
  if (spell !== undefined) part.pre_tokenize_text = remembered(spell);
}

/**
 * Unknown tokens in a row become one within a word; the library takes those of neighbouring words together. Where there is
 * no unknown token, a letter that is none is gone before the others are merged.
 */
function fixWords(model: Model | undefined): void {
  const encode = model?._call?.bind(model);
  if (model === undefined || encode === undefined) return;
  const { tokens_to_ids: ids, unk_token: unknown, byte_fallback: hasBytes = false } = model;
  const drops = model.config?.type === 'BPE' && !hasBytes && typeof unknown !== 'string';
  const known = (word: string): string =>
    Array.from(word, (letter) => (ids?.has(letter) ? letter : '')).join('');
  const tokensOf = remembered((word) => encode([drops && ids?.has(word) === false ? known(word) : word]));
  model._call = (words) => words.flatMap(tokensOf);
}

/** An added token that is looked for in normalized text is decoded as it was found there: with the blank of a `Prepend`. */
function spellAsNormalized(model: Model | undefined, tokens: ReadonlyMap<string, AddedToken>): void {
  if (model?.vocab === undefined) return;
  for (const [text, { id, content, normalized = false, special = false }] of tokens)
    if (normalized && !special && text !== content && id !== undefined) model.vocab[id] = text;
}

const ENDS_IN_WORD = new RegExp(`[${WORD}]$`, 'u');
const BEGINS_WITH_WORD = new RegExp(`^[${WORD}]`, 'u');

const BLANK_END = /\p{White_Space}+$/u;
const BLANK_START = /^\p{White_Space}+/u;

/**
 * A token that counts as a whole word only is left in the text where a word's character touches it; one that strips
 * takes the white space on that side out of the text.
 */
function fixSplitter(splitter: Splitter, tokens: ReadonlyMap<string, Readonly<AddedToken>>): void {
  const split = splitter.split.bind(splitter);
  splitter.split = (text) => {
    const found = split(text);
    const parts: { text: string; token: Readonly<AddedToken> | undefined }[] = [];
    found.forEach((part, i) => {
      const known = tokens.get(part);
      const touches = ENDS_IN_WORD.test(found[i - 1] ?? '') || BEGINS_WITH_WORD.test(found[i + 1] ?? '');
      const token = known?.single_word === true && touches ? undefined : known;
      const last = parts.at(-1);
      if (token === undefined && last !== undefined && last.token === undefined) last.text += part;
      else parts.push({ text: part, token });
    });
    parts.forEach(({ token }, i) => {
      const [before, after] = [parts[i - 1], parts[i + 1]] as (typeof parts)[number][];
      if (token?.lstrip === true && i > 0 && before.token === undefined)
        before.text = before.text.replace(BLANK_END, '');
      if (token?.rstrip === true && i < parts.length - 1 && after.token === undefined)
        after.text = after.text.replace(BLANK_START, '');
    });
    return parts.map((part) => part.text);
  };
}

/**
 * Whether decoded text has its spaces before punctuation taken out: off unless the configuration says so, and never
 * for BPE, which transformers passes over because the spaces are the text's own.
 */
export function cleansUpSpaces(tokenizerJson: JsonObject, config: JsonObject): boolean {
  const { model } = tokenizerJson;
  const isBpe = isJsonObject(model) && (model.type === 'BPE' || Array.isArray(model.merges));
  const insists = config.clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output === true;
  return config.clean_up_tokenization_spaces === true && (!isBpe || insists);
}
