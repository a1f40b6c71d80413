/**
 * SentencePiece's own normalizer, "Precompiled" in tokenizer.json (T5, XLM-R, multilingual embedding models): a table of
 * letters and what they become. Its bytes: the trie's size, uint32; the trie, a double array whose units, uint32, are those
 * of Darts-clone (`DoubleArrayUnit` of darts.h); the replacements in UTF-8, each ended by a zero byte
 * (`Normalizer::DecodePrecompiledCharsMap` of SentencePiece's src/normalizer.cc).
 * Where it stands: put in place of the library's, which takes NFKC for every such table.
 */

const UNIT_BYTES = 4;
/** Graphemes of fewer bytes are looked up as a whole. */
const WHOLE_BYTES = 6;
/** Letters that are cut into graphemes at a time: Intl.Segmenter takes time by the square of a text's length. */
const PIECE = 1000;

/**
 * Makes the function that normalizes a text as Hugging Face's tokenizers do (crate spm_precompiled): grapheme by grapheme,
 * and where the whole is long or unknown letter by letter. It replaces all of a grapheme by what the shortest known
 * beginning of it becomes; SentencePiece itself looks for the longest.
 *
 * @param charsmap `precompiled_charsmap`, in base64
 * @throws {Error} If it is no such table.
 */
export function precompiledNormalizer(charsmap: unknown): (text: string) => string {
  const { units, replacements } = tableOf(charsmap);
  const known = new Map<string, string | undefined>();
  const replacementOf = (text: string): string | undefined => {
    if (!known.has(text)) {
      const at = firstValue(units, Buffer.from(text));
      known.set(text, at === undefined ? undefined : textAt(replacements, at));
    }
    return known.get(text);
  };
  return (text) => {
    let normalized = '';
    for (const grapheme of graphemesOf(text)) {
      const whole = Buffer.byteLength(grapheme) < WHOLE_BYTES ? replacementOf(grapheme) : undefined;
      if (whole !== undefined) normalized += whole;
      else for (const letter of grapheme) normalized += replacementOf(letter) ?? letter;
    }
    return normalized;
  };
}

const segmenter = new Intl.Segmenter('und', { granularity: 'grapheme' });

function* graphemesOf(text: string): Generator<string, void, undefined> {
  let size = PIECE;
  for (let start = 0; start < text.length;) {
    const found = [...segmenter.segment(text.slice(start, start + size))];
    // The last one may go on in the next piece.
    const whole = start + size < text.length ? found.slice(0, -1) : found;
    for (const { segment } of whole) yield segment;
    start += whole.reduce((length, { segment }) => length + segment.length, 0);
    size = whole.length === 0 ? 2 * size : PIECE;
  }
}

function tableOf(charsmap: unknown): { units: Uint32Array; replacements: Buffer } {
  const bytes = Buffer.from(typeof charsmap === 'string' ? charsmap : '', 'base64');
  const size = bytes.length > UNIT_BYTES ? bytes.readUInt32LE(0) : 0;
  if (size === 0 || size % UNIT_BYTES !== 0 || UNIT_BYTES + size > bytes.length)
    throw new Error('the normalizer Precompiled without a whole precompiled_charsmap');
  const units = Uint32Array.from({ length: size / UNIT_BYTES }, (_, i) =>
    bytes.readUInt32LE(UNIT_BYTES * (i + 1)),
  );
  return { units, replacements: bytes.subarray(UNIT_BYTES + size) };
}

/** The value of the shortest key that the bytes begin with. */
function firstValue(units: Uint32Array, bytes: Uint8Array): number | undefined {
  let at = childrenOf(units[0], 0);
  for (const byte of bytes) {
    at ^= byte;
    // Beyond the table, or another key's unit: a key may not hold a zero byte, which marks values.
    if (byte === 0 || at >= units.length || labelOf(units[at]) !== byte) return undefined;
    const unit = units[at];
    at = childrenOf(unit, at);
    if (((unit >>> 8) & 1) === 1) return (units[at] ?? 0) & 0x7fffffff;
  }
  return undefined;
}

/** The byte that leads to a unit; bit 31, which values have, is no byte. */
const labelOf = (unit: number): number => (unit & 0x800000ff) >>> 0;

/** Where a unit's children are, before the byte of one is mixed in. */
const childrenOf = (unit: number, at: number): number =>
  (at ^ ((unit >>> 10) << ((unit & 0x200) >>> 6))) >>> 0;

function textAt(replacements: Buffer, start: number): string {
  const end = replacements.indexOf(0, start);
  return replacements.toString('utf8', start, end < 0 ? replacements.length : end);
}
