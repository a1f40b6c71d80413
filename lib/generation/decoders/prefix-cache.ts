/**
 * Prompts that begin alike: keys and values of what they share are computed once. Within a call the prompts' common
 * beginning, between calls the prompts of the last ones, as a conversation repeats all that was said before.
 */
import type { LayerCache } from '../../models';

/** Keys and values of the first tokens of a prompt, float32 [1, KV, length, D]. */
export interface Prefix {
  readonly length: number;
  readonly layers: readonly LayerCache[];
}

/** Prefixes are whole numbers of so many tokens: few lengths, so few compiled functions. */
const GRAIN = 32;
/** Tokens that have to be saved before a pass of its own for a shared beginning is worth it. */
const FEWEST_SAVED = 64;

/** The tokens with which all prompts begin, where it pays to compute them once; each prompt has one token more. */
export function sharedBeginning(prompts: readonly (readonly number[])[]): readonly number[] {
  const [first, ...others] = prompts;
  const common = Math.min(first.length - 1, ...others.map((other) => commonLength(first, other)));
  const length = whole(Math.min(common, ...others.map((other) => other.length - 1)));
  return length * others.length < FEWEST_SAVED ? [] : first.slice(0, length);
}

/** What is known of the prompts of one set of weights. */
export interface KnownPrompts {
  /** The longest beginning of a prompt that is known, but for its last token. */
  find(prompt: readonly number[]): Prefix | undefined;
  /**
   * Keeps a prompt, in place of those that it continues.
   * @param layers float32 [1, KV, T, D], of which the prompt's first tokens count
   */
  add(prompt: readonly number[], layers: readonly LayerCache[]): void;
}

interface KnownPrompt {
  readonly weights: string;
  readonly tokens: readonly number[];
  readonly layers: readonly LayerCache[];
  readonly bytes: number;
}

/** Keeps the prompts that were read last, as many as its memory holds. */
export class PrefixCache {
  /** Tokens that prompts did not have to compute. */
  reusedTokens = 0;
  /** Those that were read last stand at the end. */
  private prompts: KnownPrompt[] = [];

  /** @param memoryBytes most bytes of keys and values */
  constructor(private readonly memoryBytes: number) {}

  /** @param weights names what computes the prompts: keys and values of other weights are others */
  of(weights: string): KnownPrompts {
    return {
      find: (prompt) => this.find(weights, prompt),
      add: (prompt, layers) => this.add(weights, prompt, layers),
    };
  }

  /** Forgets all prompts: what computed them has changed. */
  clear(): void {
    this.prompts = [];
  }

  private find(weights: string, prompt: readonly number[]): Prefix | undefined {
    let best: KnownPrompt | undefined;
    let length = 0;
    for (const known of this.prompts) {
      if (known.weights !== weights) continue;
      const common = whole(Math.min(commonLength(known.tokens, prompt), prompt.length - 1));
      if (common > length) [best, length] = [known, common];
    }
    if (best === undefined) return undefined;
    this.reusedTokens += length;
    return { length, layers: best.layers.map((layer) => firstTokens(layer, length)) };
  }

  private add(weights: string, prompt: readonly number[], layers: readonly LayerCache[]): void {
    if (prompt.length < GRAIN) return;
    const own = layers.map((layer) => firstTokens(layer, prompt.length));
    const bytes = own.reduce((sum, { key, value }) => sum + key.data.byteLength + value.data.byteLength, 0);
    const others = this.prompts.filter(
      (other) => other.weights !== weights || commonLength(other.tokens, prompt) < other.tokens.length,
    );
    this.prompts = [...others, { weights, tokens: [...prompt], layers: own, bytes }];
    let total = this.prompts.reduce((sum, each) => sum + each.bytes, 0);
    while (total > this.memoryBytes) total -= this.prompts.shift()?.bytes ?? total;
  }
}

/**
 * Keys and values of a prefix and what follows it.
 * @param rest float32 [B, KV, T, D]
 * @returns float32 [B, KV, length + T, D]
 */
export function joined({ length, layers }: Prefix, rest: readonly LayerCache[]): LayerCache[] {
  return rest.map(({ key, value }, layer) => ({
    key: joinedTokens(layers[layer].key, key, length),
    value: joinedTokens(layers[layer].value, value, length),
  }));
}

/** A prefix in so many rows, float32 [rows, KV, length, D]. */
export function repeated({ layers }: Prefix, rows: number): (layer: number) => LayerCache {
  const many = (one: Tokens): Tokens => {
    const data = new Float32Array(rows * one.data.length);
    for (let row = 0; row < rows; row++) data.set(one.data, row * one.data.length);
    return { data, shape: [rows, ...one.shape.slice(1)] };
  };
  return (layer) => {
    const { key, value } = layers[layer];
    return rows === 1 ? { key, value } : { key: many(key), value: many(value) };
  };
}

type Tokens = LayerCache['key'];

function joinedTokens(prefix: Tokens, rest: Tokens, length: number): Tokens {
  const [rows, heads, T, size] = rest.shape;
  const data = new Float32Array(rows * heads * (length + T) * size);
  for (let row = 0; row < rows; row++)
    for (let head = 0; head < heads; head++) {
      const at = (row * heads + head) * (length + T) * size;
      data.set(prefix.data.subarray(head * length * size, (head + 1) * length * size), at);
      const from = (row * heads + head) * T * size;
      data.set(rest.data.subarray(from, from + T * size), at + length * size);
    }
  return { data, shape: [rows, heads, length + T, size] };
}

/** The first tokens of one row. */
function firstTokens({ key, value }: LayerCache, length: number): LayerCache {
  const cut = ({ data, shape }: Tokens): Tokens => {
    const [, heads, T, size] = shape;
    const first = new Float32Array(heads * length * size);
    for (let head = 0; head < heads; head++)
      first.set(data.subarray(head * T * size, (head * T + length) * size), head * length * size);
    return { data: first, shape: [1, heads, length, size] };
  };
  return { key: cut(key), value: cut(value) };
}

function whole(length: number): number {
  return Math.max(0, length - (length % GRAIN));
}

function commonLength(one: readonly number[], other: readonly number[]): number {
  const most = Math.min(one.length, other.length);
  for (let at = 0; at < most; at++) if (one[at] !== other[at]) return at;
  return most;
}
