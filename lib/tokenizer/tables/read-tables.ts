/**
 * Vocabulary and merges of a BPE tokenizer.json straight from its bytes: JSON.parse would make an object of all tokens
 * and a list of two strings for each merge, most of a large tokenizer's time to load.
 * Where it stands: first on the way in. What is written otherwise than usual is left to JSON.parse.
 */
import { isUtf8 } from 'node:buffer';
import { isJsonObject } from '../../files';
import type { JsonObject } from '../../files';
import { MergeTable } from './merge-table';
import { HASH_PRIME, HASH_START, TokenTable } from './token-table';

/** Vocabulary and merges. */
export interface BpeTables {
  readonly tokens: TokenTable;
  readonly merges: MergeTable;
  /** Whether the file writes a merge as a list of two, not as one string. */
  readonly listsOfTwo: boolean;
}

/** A file's tables, and the rest of it: without the tokens and merges of its model. */
export interface ReadTables {
  readonly rest: JsonObject;
  readonly tables: BpeTables;
}

const [TAB, NEWLINE, RETURN, BLANK, QUOTE, COMMA, COLON] = [9, 10, 13, 32, 34, 44, 58];
const [OPEN_LIST, BACKSLASH, CLOSE_LIST, OPEN, CLOSE] = [91, 92, 93, 123, 125];
const [ZERO, NINE] = [48, 57];

/** Thrown at what is not written as usual; nobody sees it. */
class Unusual extends Error {}

/** @returns undefined for what JSON.parse should read: other models, what is no JSON, and rare ways of writing it. */
export function readBpeTables(file: Uint8Array): ReadTables | undefined {
  if (!isUtf8(file)) return undefined;
  try {
    return readWhole(new Reader(file));
  } catch (error) {
    if (error instanceof Unusual || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The file's content as JSON.parse would have read it. */
export function wholeJson(rest: JsonObject, { tokens, merges, listsOfTwo }: BpeTables): JsonObject {
  const token = (id: number): string => tokens.tokenOf(id) ?? '';
  const pairs = Array.from(merges.all(), ([left, right]) => [token(left), token(right)]);
  const model = isJsonObject(rest.model) ? rest.model : {};
  return {
    ...rest,
    model: {
      ...model,
      vocab: Object.fromEntries(tokens.all()),
      merges: listsOfTwo ? pairs : pairs.map((pair) => pair.join(' ')),
    },
  };
}

function readWhole(reader: Reader): ReadTables {
  let tokens: TokenTable | undefined;
  let read: { merges: MergeTable; listsOfTwo: boolean } | undefined;
  const left: string[] = [];
  let from = 0;
  /** Puts an empty list or object in the place of what was read. */
  const leaveOut = (start: number, empty: string): void => {
    left.push(reader.text(from, start), empty);
    from = reader.at;
  };
  reader.members((name) => {
    if (name !== 'model') {
      reader.skip();
      return;
    }
    reader.members((part) => {
      const start = reader.at;
      if (part === 'vocab' && tokens === undefined) {
        tokens = reader.tokens();
        leaveOut(start, '{}');
      } else if (part === 'merges' && tokens !== undefined && read === undefined) {
        read = reader.merges(tokens);
        leaveOut(start, '[]');
      } else reader.skip();
    });
  });
  const rest: unknown = JSON.parse(left.join('') + reader.text(from, reader.end));
  if (tokens === undefined || read === undefined || !isJsonObject(rest)) throw new Unusual();
  if (!isJsonObject(rest.model) || rest.model.type !== 'BPE') throw new Unusual();
  return { rest, tables: { tokens, ...read } };
}

/** Goes once through the bytes of a JSON text. */
class Reader {
  at = 0;
  readonly end: number;
  private readonly buffer: Buffer;
  /** The string that was read last: its UTF-8 in `bytes`, and its hash. */
  private bytes: Uint8Array;
  private start = 0;
  private stop = 0;
  private hash = 0;

  constructor(private readonly file: Uint8Array) {
    this.end = file.length;
    this.bytes = file;
    this.buffer = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  }

  text(from: number, to: number): string {
    return this.buffer.toString('utf8', from, to);
  }

  /** Calls for each member of an object, in front of its value, which has to be read or skipped. */
  members(value: (name: string) => void): void {
    this.list(OPEN, CLOSE, () => {
      const from = this.at;
      this.string();
      const name: unknown = JSON.parse(this.text(from, this.at));
      this.expect(COLON);
      this.blanks();
      value(String(name));
    });
  }

  /** Passes over a value; what it is made of is JSON.parse's to check. */
  skip(): void {
    const { file } = this;
    let depth = 0;
    do {
      this.blanks();
      const byte = file[this.at];
      if (byte === QUOTE) {
        this.string();
        continue;
      }
      if (byte === OPEN || byte === OPEN_LIST) depth++;
      else if (byte === CLOSE || byte === CLOSE_LIST) depth--;
      else if (byte !== COMMA && byte !== COLON) {
        const from = this.at;
        while (isPlain(file[this.at])) this.at++;
        if (this.at === from) throw new Unusual();
        continue;
      }
      if (depth < 0) throw new Unusual();
      this.at++;
    } while (depth > 0);
  }

  /** An object of tokens with their ids. */
  tokens(): TokenTable {
    let count = 0;
    let [ids, hashes, starts] = [new Int32Array(1024), new Int32Array(1024), new Int32Array(1025)];
    const pool = new Uint8Array(this.end - this.at);
    this.list(OPEN, CLOSE, () => {
      this.string();
      if (count === ids.length) [ids, hashes, starts] = [ids, hashes, starts].map(grown);
      const { bytes, start, stop } = this;
      let filled = starts[count];
      for (let i = start; i < stop; i++) pool[filled++] = bytes[i];
      hashes[count] = this.hash;
      this.expect(COLON);
      this.blanks();
      ids[count++] = this.integer();
      starts[count] = filled;
    });
    const entries = { pool: pool.slice(0, starts[count]), starts, ids, hashes, count };
    const table = TokenTable.of(entries);
    if (table === undefined) throw new Unusual();
    return table;
  }

  /** A list of merges: "left right", or ["left", "right"]. */
  merges(tokens: TokenTable): { merges: MergeTable; listsOfTwo: boolean } {
    let pairs = new Int32Array(1024);
    let filled = 0;
    const forms = new Set<boolean>();
    const add = (id: number | undefined): void => {
      if (id === undefined) throw new Unusual();
      if (filled === pairs.length) pairs = grown(pairs);
      pairs[filled++] = id;
    };
    this.list(OPEN_LIST, CLOSE_LIST, () => {
      const isList = this.file[this.at] === OPEN_LIST;
      forms.add(isList);
      if (!isList) {
        this.string();
        const blank = this.bytes.indexOf(BLANK, this.start);
        if (blank < 0 || blank >= this.stop) throw new Unusual();
        const { bytes, start, stop } = this;
        if (bytes.subarray(blank + 1, stop).includes(BLANK)) throw new Unusual();
        add(tokens.idOf(bytes, { start, end: blank, hash: hashOf(bytes, start, blank) }));
        add(tokens.idOf(bytes, { start: blank + 1, end: stop, hash: hashOf(bytes, blank + 1, stop) }));
        return;
      }
      const before = filled;
      this.list(OPEN_LIST, CLOSE_LIST, () => {
        this.string();
        add(tokens.idOf(this.bytes, { start: this.start, end: this.stop, hash: this.hash }));
      });
      if (filled !== before + 2) throw new Unusual();
    });
    if (forms.size > 1) throw new Unusual();
    return { merges: new MergeTable(pairs.slice(0, filled)), listsOfTwo: forms.has(true) };
  }

  /** Elements with commas between them. */
  private list(open: number, close: number, element: () => void): void {
    this.expect(open);
    this.blanks();
    if (this.file[this.at] === close) {
      this.at++;
      return;
    }
    for (;;) {
      this.blanks();
      element();
      this.blanks();
      const byte = this.file[this.at++];
      if (byte === close) return;
      if (byte !== COMMA) throw new Unusual();
    }
  }

  private string(): void {
    const { file } = this;
    if (file[this.at] !== QUOTE) throw new Unusual();
    let at = this.at + 1;
    let hash = HASH_START;
    for (let byte = file[at]; byte !== QUOTE; byte = file[++at]) {
      if (byte === BACKSLASH) {
        this.escaped(at);
        return;
      }
      if (byte === undefined || byte < BLANK) throw new Unusual();
      hash = Math.imul(hash ^ byte, HASH_PRIME);
    }
    this.bytes = file;
    this.start = this.at + 1;
    this.stop = at;
    this.hash = hash;
    this.at = at + 1;
  }

  /** A string with escapes, the first of them at `at`. */
  private escaped(at: number): void {
    const { file } = this;
    while (file[at] !== QUOTE) {
      if (at >= this.end) throw new Unusual();
      at += file[at] === BACKSLASH ? 2 : 1;
    }
    const text = String(JSON.parse(this.text(this.at, at + 1)));
    const bytes = Buffer.from(text);
    if (bytes.toString() !== text) throw new Unusual(); // half a surrogate pair
    [this.bytes, this.start, this.stop] = [bytes, 0, bytes.length];
    this.hash = hashOf(bytes, 0, bytes.length);
    this.at = at + 1;
  }

  private integer(): number {
    const { file } = this;
    const from = this.at;
    let value = 0;
    for (let byte = file[this.at]; byte >= ZERO && byte <= NINE; byte = file[++this.at])
      value = 10 * value + byte - ZERO;
    const digits = this.at - from;
    if (digits === 0 || digits > 9 || (digits > 1 && file[from] === ZERO)) throw new Unusual();
    return value;
  }

  private expect(byte: number): void {
    this.blanks();
    if (this.file[this.at++] !== byte) throw new Unusual();
  }

  private blanks(): void {
    while (isBlank(this.file[this.at])) this.at++;
  }
}

const isBlank = (byte: number): boolean =>
  byte === BLANK || byte === NEWLINE || byte === RETURN || byte === TAB;

/** Of a number, true, false or null. */
const isPlain = (byte: number | undefined): boolean =>
  byte !== undefined &&
  !isBlank(byte) &&
  ![COMMA, COLON, CLOSE, CLOSE_LIST, OPEN, OPEN_LIST, QUOTE].includes(byte);

function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = HASH_START;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i], HASH_PRIME);
  return hash;
}

function grown(values: Int32Array): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(2 * values.length + 1);
  larger.set(values);
  return larger;
}
