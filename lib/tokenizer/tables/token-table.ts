/**
 * A vocabulary of some hundred thousand tokens as a few typed arrays: the tokens' UTF-8 in one pool, their ids, and a
 * hash table over both. A Map of strings takes ten times as long to build.
 * Where it stands: filled by `readBpeTables`; asked by the encoder for each word and merge.
 */

/** FNV-1a. */
export const HASH_START = 0x811c9dc5 | 0;
export const HASH_PRIME = 0x01000193;

const HIGH_SURROGATE = 0xd800;
const LOW_SURROGATE = 0xdc00;
const AFTER_SURROGATES = 0xe000;

/** All tokens of a tokenizer, the added ones among them. */
export interface Vocabulary {
  /** The largest id and one. */
  readonly size: number;
  idOf(token: string): number | undefined;
  tokenOf(id: number): string | undefined;
}

/** Tokens as they stand in a file, one after the other. */
export interface TokenEntries {
  /** UTF-8 of all tokens. */
  readonly pool: Uint8Array;
  /** Where each token begins in the pool, and where the last one ends: [count + 1]. */
  readonly starts: Int32Array;
  /** [count] */
  readonly ids: Int32Array;
  /** `HASH_START` with each byte of the token mixed in: [count]. */
  readonly hashes: Int32Array;
  readonly count: number;
}

/** Token to id and back. */
export class TokenTable {
  /** The largest id and one. */
  readonly size: number;
  private readonly entries: TokenEntries;
  private readonly slots: Int32Array;
  private readonly entryOfId: Int32Array;
  private readonly pool: Buffer;
  private readonly longest: number;
  private scratch = new Uint8Array(256);

  private constructor(entries: TokenEntries, { size, longest }: { size: number; longest: number }) {
    const { pool } = entries;
    this.entries = entries;
    this.size = size;
    this.longest = longest;
    this.pool = Buffer.from(pool.buffer, pool.byteOffset, pool.byteLength);
    this.slots = new Int32Array(slotCount(entries.count));
    this.entryOfId = new Int32Array(size).fill(-1);
  }

  /** Undefined where a token or an id is there twice, or ids leave most numbers out. */
  static of(entries: TokenEntries): TokenTable | undefined {
    const { count, starts, ids, hashes } = entries;
    let [size, longest] = [0, 0];
    for (let i = 0; i < count; i++) {
      size = Math.max(size, ids[i] + 1);
      longest = Math.max(longest, starts[i + 1] - starts[i]);
    }
    if (size > 4 * count + 1024) return undefined;
    const table = new TokenTable(entries, { size, longest });
    for (let i = 0; i < count; i++) {
      const slot = table.slotOf(entries.pool, { start: starts[i], end: starts[i + 1], hash: hashes[i] });
      if (table.slots[slot] !== 0 || table.entryOfId[ids[i]] >= 0) return undefined;
      table.slots[slot] = i + 1;
      table.entryOfId[ids[i]] = i;
    }
    return table;
  }

  get(token: string): number | undefined {
    if (token.length > this.longest) return undefined;
    if (this.scratch.length < 3 * token.length) this.scratch = new Uint8Array(6 * token.length);
    const { scratch } = this;
    let [end, hash] = [0, HASH_START];
    const add = (byte: number): void => {
      scratch[end++] = byte;
      hash = Math.imul(hash ^ byte, HASH_PRIME);
    };
    for (let i = 0; i < token.length; i++) {
      const unit = token.charCodeAt(i);
      if (unit < 0x80) add(unit);
      else if (unit < 0x800) {
        add(0xc0 | (unit >> 6));
        add(0x80 | (unit & 63));
      } else if (unit < HIGH_SURROGATE || unit >= AFTER_SURROGATES) {
        add(0xe0 | (unit >> 12));
        add(0x80 | ((unit >> 6) & 63));
        add(0x80 | (unit & 63));
      } else {
        const point = token.codePointAt(i) ?? 0;
        if (unit >= LOW_SURROGATE || point === unit) return undefined; // half a pair: in no token
        i++;
        add(0xf0 | (point >> 18));
        add(0x80 | ((point >> 12) & 63));
        add(0x80 | ((point >> 6) & 63));
        add(0x80 | (point & 63));
      }
    }
    return this.idOf(scratch, { start: 0, end, hash });
  }

  /** Id of the token that these bytes are. */
  idOf(
    bytes: Uint8Array,
    token: { readonly start: number; readonly end: number; readonly hash: number },
  ): number | undefined {
    const entry = this.slots[this.slotOf(bytes, token)] - 1;
    return entry < 0 ? undefined : this.entries.ids[entry];
  }

  tokenOf(id: number): string | undefined {
    const entry = this.entryOfId[id];
    if (entry === undefined || entry < 0) return undefined;
    return this.textOf(entry);
  }

  /** All tokens with their ids, in the file's order. */
  *all(): Generator<[token: string, id: number]> {
    for (let i = 0; i < this.entries.count; i++) yield [this.textOf(i), this.entries.ids[i]];
  }

  private textOf(entry: number): string {
    const { starts } = this.entries;
    return this.pool.toString('utf8', starts[entry], starts[entry + 1]);
  }

  /** Where the token is, or the empty slot where it would be. */
  private slotOf(
    bytes: Uint8Array,
    { start, end, hash }: { readonly start: number; readonly end: number; readonly hash: number },
  ): number {
    const { slots } = this;
    const { hashes, starts, pool } = this.entries;
    const mask = slots.length - 1;
    for (let slot = (hash ^ (hash >>> 15)) & mask; ; slot = (slot + 1) & mask) {
      const entry = slots[slot] - 1;
      if (entry < 0) return slot;
      if (hashes[entry] !== hash || starts[entry + 1] - starts[entry] !== end - start) continue;
      let same = 0;
      while (same < end - start && pool[starts[entry] + same] === bytes[start + same]) same++;
      if (same === end - start) return slot;
    }
  }
}

/** A power of two that leaves half of the slots empty. */
export function slotCount(count: number): number {
  return 2 ** Math.ceil(Math.log2(2 * count + 2));
}
