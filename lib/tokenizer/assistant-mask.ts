/**
 * Which tokens of a conversation the model wrote, as transformers marks them: token by token, where a token lies in the
 * text (the offsets of Hugging Face's tokenizers), against the pieces that the template encloses in `{% generation %}`.
 * Where it stands: under `applyChatTemplate`.
 * Source: transformers, `apply_chat_template`; tokenizers, `Encoding.char_to_token`, `ByteLevel.process_offsets`.
 */
import { isJsonObject } from '../files';
import type { JsonObject } from '../files';
import { TunebookError } from '../types';
import type { MarkedChat } from './chat-template';

/** A tokenizer's vocabulary and its tokenizer.json. */
interface Vocabulary {
  readonly tokenizerJson: JsonObject;
  tokenOf(id: number): string | undefined;
}

type Offset = readonly [start: number, end: number];

/**
 * 1 for each token that the model wrote, 0 for the others.
 * @param ids the token ids of `chat.text`, without special tokens added
 * @throws {TunebookError} If a token does not stand in the text as the vocabulary spells it.
 */
export function assistantMask(
  { text, generated }: MarkedChat,
  ids: readonly number[],
  vocabulary: Vocabulary,
): number[] {
  const offsets = tokenOffsets(text, ids, vocabulary);
  const tokenAt = (position: number): number =>
    offsets.findIndex(([start, end]) => position >= start && position < end);
  const mask = ids.map(() => 0);
  for (const [start, end] of generated) {
    const first = tokenAt(start);
    const last = tokenAt(end - 1);
    if (first < 0) break;
    // As there: where the last token is none, or the very first, the mask goes on to the end.
    mask.fill(1, first, last > 0 ? last + 1 : undefined);
  }
  return mask;
}

/** Where each token lies in the text, in UTF-16 units; a part of a character has the place of the whole. */
function tokenOffsets(
  text: string,
  ids: readonly number[],
  { tokenOf, tokenizerJson }: Vocabulary,
): Offset[] {
  const bytes = Buffer.from(text);
  const characters = characterPlaces(text);
  const added = addedById(tokenizerJson);
  const spell = speller(tokenizerJson);
  const trim = trimmer(tokenizerJson);
  const skip = (at: number): number => {
    while (at < bytes.length && /\s/.test(text.slice(...characters[at]))) at = endOf(characters, at);
    return at;
  };
  let at = 0;
  return ids.map((id) => {
    const token = tokenOf(id) ?? '';
    const begin = at;
    const { lstrip, rstrip } = added.get(id) ?? {};
    if (lstrip === true) at = skip(at);
    const spelling = (added.has(id) ? [Buffer.from(token)] : spell(token)).find(
      (one) => at + one.length <= bytes.length && one.compare(bytes, at, at + one.length) === 0,
    );
    if (spelling === undefined)
      throw new TunebookError(
        `cannot tell which tokens the model wrote: expected the token ${JSON.stringify(token)} in the text at ` +
          `${JSON.stringify(bytes.subarray(at, at + 40).toString())}. The tokenizer changes the text ` +
          '(its "normalizer", or an unknown character): give it text that it leaves as it is',
      );
    at += spelling.length;
    if (rstrip === true) at = skip(at);
    const start = characters[begin]?.[0] ?? text.length;
    const end = characters[Math.max(begin, at - 1)]?.[1] ?? text.length;
    return trim(token, [start, end]);
  });
}

/** For each byte of the text in UTF-8 the place of its character. */
function characterPlaces(text: string): Offset[] {
  const places: Offset[] = [];
  let start = 0;
  for (const character of text) {
    const place: Offset = [start, start + character.length];
    for (let i = Buffer.byteLength(character); i > 0; i--) places.push(place);
    start += character.length;
  }
  return places;
}

/** The first byte after the character that has a byte at `at`. */
function endOf(characters: readonly Offset[], at: number): number {
  const place = characters[at];
  while (characters[at] === place) at++;
  return at;
}

/** U+0020 in GPT-2's letters for bytes. */
const BLANK = '\u0120';

/** How a token of the model may stand in the text; without its blank where the tokenizer puts one before a text. */
function speller(tokenizerJson: JsonObject): (token: string) => Buffer[] {
  if (hasPart(tokenizerJson.decoder, 'ByteLevel')) {
    const byteOf = byteLevelAlphabet();
    return (token) => {
      const plain = Buffer.from([...token].map((character) => byteOf.get(character) ?? 0));
      return token.startsWith(BLANK) ? [plain, plain.subarray(1)] : [plain];
    };
  }
  const { model } = tokenizerJson;
  const hasBytes = isJsonObject(model) && model.byte_fallback === true;
  return (token) => {
    const byte = hasBytes ? /^<0x([0-9A-F]{2})>$/.exec(token) : null;
    if (byte !== null) return [Buffer.from(byte[1], 'hex')];
    const plain = Buffer.from(token.replaceAll('\u2581', ' '));
    return token.startsWith('\u2581') ? [plain, plain.subarray(1)] : [plain];
  };
}

/** GPT-2's letters for bytes: those that can be printed stand for themselves, the others follow from U+0100. */
function byteLevelAlphabet(): Map<string, number> {
  const alphabet = new Map<string, number>();
  let next = 256;
  for (let byte = 0; byte < 256; byte++) {
    const printed = (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
    alphabet.set(String.fromCharCode(printed ? byte : next++), byte);
  }
  return alphabet;
}

interface AddedToken {
  readonly lstrip: boolean;
  readonly rstrip: boolean;
}

function addedById({ added_tokens: list }: JsonObject): Map<number, AddedToken> {
  const tokens: unknown[] = Array.isArray(list) ? list : [];
  return new Map(
    tokens.flatMap((token) =>
      isJsonObject(token) && typeof token.id === 'number'
        ? [[token.id, { lstrip: token.lstrip === true, rstrip: token.rstrip === true }] as const]
        : [],
    ),
  );
}

/** A part of tokenizer.json with this type, alone or in a sequence. */
function findPart(part: unknown, type: string): JsonObject | undefined {
  if (!isJsonObject(part)) return undefined;
  if (part.type === type) return part;
  for (const key of ['decoders', 'processors']) {
    const inner: unknown[] = Array.isArray(part[key]) ? part[key] : [];
    for (const one of inner) {
      const found = findPart(one, type);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

const hasPart = (part: unknown, type: string): boolean => findPart(part, type) !== undefined;

/** The post-processor of byte-level tokenizers takes the blanks at a token's ends out of its place. */
function trimmer({ post_processor: processor }: JsonObject): (token: string, place: Offset) => Offset {
  const part = findPart(processor, 'ByteLevel');
  if (part === undefined || part.trim_offsets === false) return (_, place) => place;
  return (token, [start, end]) => {
    const blanks = /^[\u0120\s]*/.exec(token)?.[0].length ?? 0;
    const after = /[\u0120\s]*$/.exec(token)?.[0].length ?? 0;
    // One that was put before the text is not in it.
    const before = start === 0 && part.add_prefix_space !== false ? Math.max(blanks - 1, 0) : blanks;
    const from = Math.min(start + before, end);
    return [from, after > 0 && end >= after ? Math.max(end - after, from) : end];
  };
}
