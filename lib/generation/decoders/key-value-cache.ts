/**
 * Keys and values of the tokens so far, on the host, in buffers of fixed capacity that compiled functions read
 * in place. Row b keeps position p in slot p; a layer with a window has as many slots as the window sees, and position
 * p in slot p modulo their number. What is empty or out of sight is masked by the bias.
 */
import { MASKED } from '../../engine';
import type { Architecture, LayerCache } from '../../models';
import type { HostTensor } from '../../types';
import type { Prefix } from './prefix-cache';

/** Sizes of a cache; capacity is its number of slots per row, in layers without a window. */
export interface CacheShape {
  readonly rows: number;
  readonly heads: number;
  readonly capacity: number;
  readonly headSize: number;
}

/** What layers see: the window of each kind of layers, and each layer's kind. */
export interface CacheWindows {
  readonly windows: readonly number[];
  kindOf(layer: number): number;
}

/** Windows of a model's layers; without one a layer sees everything. */
export function windowsOf({ layerKinds, kindOf }: Architecture): CacheWindows {
  return { windows: layerKinds.map(({ slidingWindow }) => slidingWindow ?? Infinity), kindOf };
}

/** Slots of a layer with a window. */
export function windowSlots(capacity: number, window: number): number {
  return Math.min(capacity, window);
}

export class KeyValueCache {
  /** Tokens that each row holds. */
  readonly lengths: readonly number[];
  /** For each kind of layers, float32 [B, 1, 1, S + 1]: 0 on what the next token sees and on itself, MASKED elsewhere. */
  readonly biases: readonly CacheTensor[];
  private readonly layers: readonly CacheLayer[];
  private readonly filled: number[];

  /** Of rows that hold so many tokens each, which `put` brings. @param layers how many the model has */
  constructor(
    readonly shape: CacheShape,
    layers: number,
    lengths: readonly number[],
    private readonly seen: CacheWindows,
  ) {
    const { rows, heads, capacity, headSize } = shape;
    this.filled = [...lengths];
    this.lengths = this.filled;
    this.layers = Array.from({ length: layers }, (_, layer) => {
      const slots = windowSlots(capacity, seen.windows[seen.kindOf(layer)]);
      const buffer = (): CacheTensor => ({
        data: new Float32Array(rows * heads * slots * headSize),
        shape: [rows, heads, slots, headSize],
      });
      return { key: buffer(), value: buffer() };
    });
    this.biases = seen.windows.map((window) => {
      const width = windowSlots(capacity, window) + 1;
      return { data: new Float32Array(rows * width), shape: [rows, 1, 1, width] };
    });
    for (let row = 0; row < rows; row++) this.showFilled(row);
  }

  /**
   * Keys and values of some rows, [some, H, T, D] per layer, each as many tokens as the row holds.
   * @param options.first the first of these rows
   * @param options.prefix what all of them begin with, [1, H, P, D] per layer: `layers` then begin behind it
   */
  put(layers: readonly LayerCache[], { first, prefix }: { first: number; prefix?: Prefix }): void {
    const count = layers[0].key.shape[0];
    const rows = (sourceOf: (row: number) => number): (number | undefined)[] =>
      this.filled.map((_, row) => (row < first || row >= first + count ? undefined : sourceOf(row)));
    if (prefix !== undefined)
      this.copyFrom(
        prefix.layers,
        rows(() => 0),
        { end: prefix.length },
      );
    this.copyFrom(
      layers,
      rows((row) => row - first),
      { start: prefix?.length },
    );
  }

  layer(index: number): LayerCache {
    return this.layers[index];
  }

  /**
   * What the next tokens of each row see, by kind of layers, float32 [B, 1, T, S + T]: of the cache, as `biases` have it,
   * and of each other.
   */
  biasesOf(tokens: number): readonly HostTensor[] {
    if (tokens === 1) return this.biases;
    const { rows } = this.shape;
    return this.biases.map(({ shape }, kind) => {
      const slots = shape[3] - 1;
      const window = this.seen.windows[kind];
      const width = slots + tokens;
      const data = new Float32Array(rows * tokens * width).fill(MASKED);
      for (let row = 0; row < rows; row++)
        for (let at = 0; at < tokens; at++) {
          const start = (row * tokens + at) * width;
          const length = this.filled[row];
          const first = Math.max(0, length + at + 1 - window);
          for (let position = first; position < length; position++) data[start + (position % slots)] = 0;
          data.fill(0, start + slots + Math.max(0, first - length), start + slots + at + 1);
        }
      return { data, shape: [rows, 1, tokens, width] };
    });
  }

  /** A cache of the given rows, in that order, with another capacity; undefined is an empty row. */
  resized(rows: readonly (number | undefined)[], capacity: number): KeyValueCache {
    const lengths = rows.map((row) => (row === undefined ? 0 : this.filled[row]));
    const shape = { ...this.shape, rows: rows.length, capacity };
    const cache = new KeyValueCache(shape, this.layers.length, lengths, this.seen);
    cache.copyFrom(this.layers, rows);
    return cache;
  }

  /** Takes a row's tokens out and puts those of a batch of one in, [1, H, T, D] per layer, of which `length` count. */
  admit(row: number, layers: readonly LayerCache[], length: number): void {
    this.filled[row] = length;
    this.showFilled(row);
    this.put(layers, { first: row });
  }

  /**
   * Adds tokens to rows.
   * @param steps keys and values of a pass by layer, float32 [B, H, T, D] each
   * @param counts how many of its tokens each row takes, the first ones
   */
  append(steps: readonly { key: Float32Array; value: Float32Array }[], counts: readonly number[]): void {
    const { rows, heads, headSize } = this.shape;
    const tokens = steps[0].key.length / (rows * heads * headSize);
    for (let row = 0; row < rows; row++)
      for (let at = 0; at < counts[row]; at++) this.appendOne(steps, row, { at, tokens });
  }

  private appendOne(
    steps: readonly { key: Float32Array; value: Float32Array }[],
    row: number,
    { at, tokens }: { at: number; tokens: number },
  ): void {
    const { heads, headSize } = this.shape;
    this.layers.forEach(({ key, value }, layer) => {
      const slots = key.shape[2];
      const slot = this.filled[row] % slots;
      for (let head = 0; head < heads; head++) {
        const from = ((row * heads + head) * tokens + at) * headSize;
        const to = ((row * heads + head) * slots + slot) * headSize;
        for (let d = 0; d < headSize; d++) {
          key.data[to + d] = steps[layer].key[from + d];
          value.data[to + d] = steps[layer].value[from + d];
        }
      }
    });
    const length = ++this.filled[row];
    this.biases.forEach(({ data, shape }, kind) => {
      const slots = shape[3] - 1;
      const start = row * (slots + 1);
      data[start + ((length - 1) % slots)] = 0;
      const left = length - this.seen.windows[kind];
      if (left >= 0) data[start + (left % slots)] = MASKED;
    });
  }

  /** The next token sees itself and, within a window, one token fewer of the cache. */
  private showFilled(row: number): void {
    const length = this.filled[row];
    this.biases.forEach(({ data, shape }, kind) => {
      const slots = shape[3] - 1;
      const start = row * (slots + 1);
      data.fill(MASKED, start, start + slots);
      const from = Math.max(0, length - this.seen.windows[kind] + 1);
      for (let position = from; position < length; position++) data[start + (position % slots)] = 0;
      data[start + slots] = 0;
    });
  }

  /**
   * @param rows of the source, one for each of this cache; undefined leaves a row as it is
   * @param positions the first one that the source has, default 0, and the one behind its last, default the row's length
   */
  private copyFrom(
    layers: readonly LayerCache[],
    rows: readonly (number | undefined)[],
    { start = 0, end }: { start?: number; end?: number } = {},
  ): void {
    const { heads, headSize } = this.shape;
    layers.forEach((source, layer) => {
      for (const name of ['key', 'value'] as const) {
        const [from, to] = [source[name], this.layers[layer][name]];
        const [theirs, ours] = [from.shape[2], to.shape[2]];
        rows.forEach((sourceRow, row) => {
          if (sourceRow === undefined) return;
          const length = this.filled[row];
          const last = end ?? length;
          const first = Math.max(start, last - theirs, length - ours);
          for (let head = 0; head < heads; head++) {
            const theirHead = (sourceRow * heads + head) * theirs;
            const ourHead = (row * heads + head) * ours;
            for (let position = first; position < last;) {
              const [at, slot] = [(position - start) % theirs, position % ours];
              const run = Math.min(last - position, theirs - at, ours - slot);
              const part = from.data.subarray((theirHead + at) * headSize, (theirHead + at + run) * headSize);
              to.data.set(part, (ourHead + slot) * headSize);
              position += run;
            }
          }
        });
      }
    });
  }
}

interface CacheTensor extends HostTensor {
  readonly data: Float32Array;
}

interface CacheLayer extends LayerCache {
  readonly key: CacheTensor;
  readonly value: CacheTensor;
}

/** The smallest of 16, 24, 32, 48, 64, 96, ... that holds `length`: few sizes, so few compiled functions. */
export function slotsFor(length: number): number {
  let size = 16;
  for (let half = true; size < length; half = !half) size = half ? (size / 2) * 3 : (size / 3) * 4;
  return size;
}
