/**
 * Keys and values of the tokens so far, on the host, in buffers of fixed capacity that compiled functions read
 * in place. Row b keeps its tokens in slots 0 to lengths[b] - 1; what lies behind is masked by the bias.
 */
import { MASKED } from '../engine';
import type { LayerCache } from '../models';
import type { HostTensor } from '../types';

/** Sizes of a cache; capacity is its number of slots per row. */
export interface CacheShape {
  readonly rows: number;
  readonly heads: number;
  readonly capacity: number;
  readonly headSize: number;
}

export class KeyValueCache {
  /** Tokens that each row holds. */
  readonly lengths: readonly number[];
  /** float32 [B, 1, 1, S + 1]: 0 on filled slots and on the step's own token, MASKED elsewhere. */
  readonly bias: HostTensor & { readonly data: Float32Array };
  private readonly layers: readonly CacheLayer[];
  private readonly filled: number[];

  private constructor(
    readonly shape: CacheShape,
    layers: number,
    lengths: readonly number[],
    private readonly slidingWindow: number,
  ) {
    const { rows, heads, capacity, headSize } = shape;
    this.filled = [...lengths];
    this.lengths = this.filled;
    const buffer = (): CacheTensor => ({
      data: new Float32Array(rows * heads * capacity * headSize),
      shape: [rows, heads, capacity, headSize],
    });
    this.layers = Array.from({ length: layers }, () => ({ key: buffer(), value: buffer() }));
    this.bias = {
      data: new Float32Array(rows * (capacity + 1)).fill(MASKED),
      shape: [rows, 1, 1, capacity + 1],
    };
    for (let row = 0; row < rows; row++) this.showFilled(row);
  }

  /** From the keys and values of a whole batch, [B, H, T, D] per layer, of which each row's first `lengths` count. */
  static from(
    layers: readonly LayerCache[],
    lengths: readonly number[],
    options: { capacity: number; slidingWindow?: number },
  ): KeyValueCache {
    const [rows, heads, , headSize] = layers[0].key.shape;
    const shape = { rows, heads, capacity: options.capacity, headSize };
    const cache = new KeyValueCache(shape, layers.length, lengths, options.slidingWindow ?? Infinity);
    cache.copyFrom(
      layers,
      lengths.map((_, row) => row),
    );
    return cache;
  }

  layer(index: number): LayerCache {
    return this.layers[index];
  }

  /** A cache of the given rows, in that order, with another capacity; null is an empty row. */
  resized(rows: readonly (number | null)[], capacity: number): KeyValueCache {
    const lengths = rows.map((row) => (row === null ? 0 : this.filled[row]));
    const shape = { ...this.shape, rows: rows.length, capacity };
    const cache = new KeyValueCache(shape, this.layers.length, lengths, this.slidingWindow);
    cache.copyFrom(this.layers, rows);
    return cache;
  }

  /** Takes a row's tokens out and puts those of a batch of one in, [1, H, T, D] per layer, of which `length` count. */
  admit(row: number, layers: readonly LayerCache[], length: number): void {
    const { capacity } = this.shape;
    this.filled[row] = length;
    this.bias.data.fill(MASKED, row * (capacity + 1), (row + 1) * (capacity + 1));
    this.showFilled(row);
    const rows = this.filled.map((_, at) => (at === row ? 0 : null));
    this.copyFrom(layers, rows);
  }

  /**
   * Adds one token to the rows that `live` names.
   * @param steps keys and values of the step by layer, float32 [B, H, 1, D] each
   */
  append(steps: readonly { key: Float32Array; value: Float32Array }[], live: readonly boolean[]): void {
    const { rows, heads, capacity, headSize } = this.shape;
    for (let row = 0; row < rows; row++) {
      if (!live[row]) continue;
      for (let layer = 0; layer < this.layers.length; layer++) {
        const { key, value } = this.layers[layer];
        for (let head = 0; head < heads; head++) {
          const from = (row * heads + head) * headSize;
          const to = ((row * heads + head) * capacity + this.filled[row]) * headSize;
          for (let d = 0; d < headSize; d++) {
            key.data[to + d] = steps[layer].key[from + d];
            value.data[to + d] = steps[layer].value[from + d];
          }
        }
      }
      const bias = row * (capacity + 1);
      this.bias.data[bias + this.filled[row]++] = 0;
      const left = this.filled[row] - this.slidingWindow;
      if (left >= 0) this.bias.data[bias + left] = MASKED;
    }
  }

  /** The next token sees itself and, within a window, one token fewer of the cache. */
  private showFilled(row: number): void {
    const { capacity } = this.shape;
    const from = Math.max(0, this.filled[row] - this.slidingWindow + 1);
    this.bias.data.fill(0, row * (capacity + 1) + from, row * (capacity + 1) + this.filled[row]);
    this.bias.data[row * (capacity + 1) + capacity] = 0;
  }

  /** @param rows of the source, one for each of this cache; null leaves a row as it is */
  private copyFrom(layers: readonly LayerCache[], rows: readonly (number | null)[]): void {
    const { heads, capacity, headSize } = this.shape;
    layers.forEach((source, layer) => {
      for (const name of ['key', 'value'] as const) {
        const from = source[name];
        const slots = from.shape[2];
        rows.forEach((sourceRow, row) => {
          if (sourceRow === null) return;
          for (let head = 0; head < heads; head++) {
            const start = (sourceRow * heads + head) * slots * headSize;
            const part = from.data.subarray(start, start + this.filled[row] * headSize);
            this.layers[layer][name].data.set(part, (row * heads + head) * capacity * headSize);
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
