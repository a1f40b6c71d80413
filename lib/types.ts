/**
 * The few types that cross rooms.
 *
 * Shape legend, used everywhere: B batch, T time (tokens), C channels (model width),
 * H heads, D head size, V vocabulary.
 */

/** Element types that the engine takes: it computes with the first two, and bytes hold packed weights. */
export type EngineDtype = 'float32' | 'int32' | 'uint8';

export type { HostTensor } from './tensor';

/** The label of tokens that the loss leaves out. */
export const IGNORED = -100;

/** One training example: token ids and, of the same length, labels (-100 is ignored by the loss). */
export interface EncodedExample {
  readonly inputIds: readonly number[];
  readonly labels: readonly number[];
  /**
   * Where several documents are packed into one example: the document number of each token.
   * Tokens attend only inside their own document, and positions restart with each one.
   */
  readonly segmentIds?: readonly number[];
  /** Of a preference pair: the other answer to the same prompt, a row of its own in batches. */
  readonly rejected?: EncodedExample;
}

/** Anything that JSON can hold. */
export type JsonValue =
  string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/**
 * One row of a data file. CSV gives strings. What a number cannot hold exactly is text: whole numbers beyond 2^53
 * and Parquet's decimals; its dates and times are ISO texts, its bytes base64.
 */
export type DataRecord = { readonly [field: string]: JsonValue };

/** What losses of preference pairs need of each row, [B]. */
export interface PairRows {
  /** Where the answer begins. */
  readonly answerStarts: Int32Array;
  /** Log-probability of the answer by the reference model, in nats. */
  readonly referenceLogps?: Float64Array;
}

/** A padded batch, row-major [B, T]. */
export interface Batch {
  /** [batchSize, sequenceLength] */
  readonly shape: readonly [number, number];
  /** Token ids, [B, T]. */
  readonly inputIds: Int32Array;
  /** 1 where a token is real, 0 where it is padding, [B, T]. */
  readonly attentionMask: Int32Array;
  /** Token id to predict *at* this position (not shifted: as Hugging Face has them), -100 ignored, [B, T]. */
  readonly labels: Int32Array;
  /** Document number of each token where documents are packed, -1 on padding, [B, T]. */
  readonly segmentIds?: Int32Array;
  /** Where rows are preference pairs: the first half of them is chosen, the second rejected, in the same order. */
  readonly pairs?: PairRows;
}

/** What the rest of the library needs of a tokenizer; `AutoTokenizer.fromPretrained` makes one. */
export interface Tokenizer {
  /** Ids below this exist. */
  readonly vocabSize: number;
  /** Ids of tokens that were added to the vocabulary; those of its first training are not among them. */
  readonly addedTokenIds?: readonly number[];
  /** Begins a text; undefined where the tokenizer has no such token. */
  readonly bosTokenId: number | undefined;
  /** Ends a text; undefined where the tokenizer has no such token. */
  readonly eosTokenId: number | undefined;
  /** Ends an assistant's turn in the chat template, where that is a token of its own. */
  readonly endOfTurnTokenId?: number;
  /** Fills rows up; undefined where the tokenizer has no such token. */
  readonly padTokenId: number | undefined;
  /** Tokens that its model was trained for; Infinity where nobody says. */
  readonly modelMaxLength: number;
  /** Token ids of a text, the tokenizer's own special tokens with them unless said otherwise. */
  encode(text: string, options?: { addSpecialTokens?: boolean }): number[];
  /** The text of token ids. */
  decode(ids: readonly number[], options?: { skipSpecialTokens?: boolean }): string;
}

/** An error the user can act on: "where: expected X, got Y", then what to do. */
export class TunebookError extends Error {
  override name = 'TunebookError';
}

/** The words of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Whether an error says that an allocation failed: of an array, or inside ONNX Runtime. */
export function isMemoryError(error: unknown): boolean {
  const text = messageOf(error);
  return /array buffer allocation failed|invalid (typed )?array (buffer )?length|bad.?alloc|failed to allocate|out of memory|ENOMEM/i.test(
    text,
  );
}

const said = new WeakMap<object, Set<string>>();

/** Warns of what is wrong with a thing, each line once: it is met in many places. */
export function warnOnce(about: object, line: string): void {
  const lines = said.get(about) ?? new Set();
  said.set(about, lines);
  if (!lines.has(line)) console.warn(line);
  lines.add(line);
}

/** What a value is, for "expected X, got Y": the value itself where it is short, else its kind. */
export function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'object' && value !== null) {
    const name: unknown = value.constructor?.name;
    return typeof name === 'string' && name !== 'Object' ? `a ${name}` : 'an object';
  }
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 60)) : String(value);
}

/** The first texts of a list and the number of the others: 'a; b; and 3 more'. */
export function firstOf(
  texts: readonly string[],
  { most, total = texts.length, separator = '; ', of = '' }: FirstOfOptions,
): string {
  const rest = total > most ? `${separator}and ${total - most} more${of}` : '';
  return `${texts.slice(0, most).join(separator)}${rest}`;
}

/** How `firstOf` cuts a list. */
export interface FirstOfOptions {
  /** Most texts to name. */
  readonly most: number;
  /** Length of the whole list, where `texts` is only its beginning. */
  readonly total?: number;
  /** Default '; '. */
  readonly separator?: string;
  /** What follows the number: ' rows', ', in report.problems'. */
  readonly of?: string;
}

/** The first texts of a list, with dots for the others: 'a, b, ...'. */
export function shortList(texts: readonly (string | number)[], most: number): string {
  return texts.slice(0, most).join(', ') + (texts.length > most ? ', ...' : '');
}

/** What an argument had to be: "where: expected what, got ...", then what to do. */
export interface Expected {
  /** The function, and the argument where the function has several: `openCheckpoint, folder`. */
  readonly where: string;
  /** What is expected: `the path of a folder`. */
  readonly what: string;
  /** What to do, a sentence; none where it is plain. */
  readonly remedy?: string;
}

/**
 * Refuses an argument that is no text, or empty.
 *
 * @throws {TunebookError} "where: expected what, got ...".
 */
export function requireText(value: unknown, expected: Expected): void {
  if (typeof value !== 'string' || value === '') throw unexpected(value, expected);
}

/**
 * Refuses an argument that is no text; an empty one is one.
 *
 * @throws {TunebookError} "where: expected what, got ...".
 */
export function requireString(value: unknown, expected: Expected): void {
  if (typeof value !== 'string') throw unexpected(value, expected);
}

/**
 * Refuses an argument that is no object: options, a model, a table.
 *
 * @param fields Names that it must have, its own or its class's.
 * @throws {TunebookError} "where: expected what, got ...".
 */
export function requireObject(
  value: unknown,
  { fields = [], ...expected }: Expected & { fields?: readonly string[] },
): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw unexpected(value, expected);
  if (!fields.every((field) => field in value)) throw unexpected(value, expected);
}

/**
 * Refuses an argument that is neither an array nor a typed array.
 *
 * @throws {TunebookError} "where: expected what, got ...".
 */
export function requireList(value: unknown, expected: Expected): void {
  if (!Array.isArray(value) && !ArrayBuffer.isView(value)) throw unexpected(value, expected);
}

/**
 * Refuses an argument that is no function.
 *
 * @throws {TunebookError} "where: expected what, got ...".
 */
export function requireFunction(value: unknown, expected: Expected): void {
  if (typeof value !== 'function') throw unexpected(value, expected);
}

function unexpected(value: unknown, { where, what, remedy }: Expected): TunebookError {
  const todo = remedy === undefined ? '' : ` ${remedy}`;
  return new TunebookError(`${where}: expected ${what}, got ${kindOf(value)}.${todo}`);
}
