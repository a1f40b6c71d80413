/**
 * Where @xenova/transformers tokenizes otherwise than Hugging Face's own library, mended on the instance that was made:
 * bytes that stand for U+FEFF or for nothing in UTF-8, and added tokens that count as whole words only.
 * Where it stands: once, after a tokenizer is built.
 */
import { isJsonObject } from '../files';
import type { JsonObject } from '../files';

/** The parts of the library's tokenizer that are mended; each is looked for, as another version may lack it. */
interface Internals {
  readonly _tokenizer?: {
    readonly decoder?: DecoderPart | null;
    readonly added_tokens_map?: ReadonlyMap<string, { readonly single_word?: boolean }>;
    readonly splitter_unnormalized?: Splitter;
    readonly splitter_normalized?: Splitter;
  };
}

interface DecoderPart {
  readonly config?: { readonly type?: string };
  readonly decoders?: readonly DecoderPart[];
  text_decoder?: { decode(bytes: Uint8Array): string };
}

interface Splitter {
  split(text: string): string[];
}

/** Mends a tokenizer of the library in place. */
export function mendLibraryTokenizer(library: object): void {
  const inner = (library as Internals)._tokenizer;
  if (inner === undefined) return;
  mendByteFallback(inner.decoder ?? undefined);
  const tokens = inner.added_tokens_map;
  if (tokens === undefined) return;
  const kindOf = (text: string): 'token' | 'word' | 'text' => {
    const token = tokens.get(text);
    return token === undefined ? 'text' : token.single_word === true ? 'word' : 'token';
  };
  if (![...tokens.keys()].some((text) => kindOf(text) === 'word')) return;
  for (const splitter of [inner.splitter_unnormalized, inner.splitter_normalized])
    if (splitter !== undefined) mendSplitter(splitter, kindOf);
}

/** As the Rust decoder: a run of bytes is a text in UTF-8, U+FEFF included, or one U+FFFD for each of its bytes. */
function mendByteFallback(decoder: DecoderPart | undefined): void {
  decoder?.decoders?.forEach(mendByteFallback);
  if (decoder?.config?.type !== 'ByteFallback') return;
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

const WORD = String.raw`[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]`;
const ENDS_IN_WORD = new RegExp(`${WORD}$`, 'u');
const BEGINS_WITH_WORD = new RegExp(`^${WORD}`, 'u');

/** A token that counts as a whole word only is left in the text where a word's character touches it. */
function mendSplitter(splitter: Splitter, kindOf: (text: string) => 'token' | 'word' | 'text'): void {
  const split = splitter.split.bind(splitter);
  splitter.split = (text) => {
    const found = split(text);
    const parts: string[] = [];
    let wasText = false;
    found.forEach((part, i) => {
      const kind = kindOf(part);
      const touches = ENDS_IN_WORD.test(found[i - 1] ?? '') || BEGINS_WITH_WORD.test(found[i + 1] ?? '');
      const isText = kind === 'text' || (kind === 'word' && touches);
      if (isText && wasText) parts[parts.length - 1] += part;
      else parts.push(part);
      wasText = isText;
    });
    return parts;
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
