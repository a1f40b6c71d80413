/**
 * Logits of the next token, for a batch of rows that grow by one token a step: with a key-value cache, or
 * without, where every step runs the whole rows again.
 */
import { headLogits, hiddenStates, Workspace } from '../models';
import type { LayerCache, Runtime } from '../models';
import type { HostTensor } from '../types';
import { KeyValueCache, slotsFor } from './key-value-cache';
import { stepRunner } from './step';
import type { StepRunner } from './step';

export interface Decoder {
  /** @returns logits of each row's next token, float32 [B, V]; the caller may write on them. */
  start(): Promise<Float32Array>;
  /**
   * Appends a token to each row, null where a row is finished, and gives the logits that follow, float32 [B, V];
   * those of finished rows mean nothing. The buffer is used again by the next step.
   */
  step(tokens: readonly (number | null)[]): Promise<Float32Array>;
  /** Goes on with these rows, in this order. */
  keep(rows: readonly number[]): void | Promise<void>;
  /** Gives its memory back; nothing may be asked of it afterwards. */
  end?(): void;
}

/** Computes every row anew each step: the reference that the cache is tested against. */
export class UncachedDecoder implements Decoder {
  private rows: number[][];

  constructor(
    private readonly runtime: Runtime,
    prompts: readonly (readonly number[])[],
  ) {
    this.rows = prompts.map((prompt) => [...prompt]);
  }

  async start(): Promise<Float32Array> {
    const { shape, ids, attentionMask } = paddedRows(this.runtime, this.rows);
    return this.runtime.inWorkspace(async (workspace) => {
      const batch = { shape, attentionMask };
      const hidden = await hiddenStates(this.runtime, { batch, ids, workspace });
      return lastLogits(this.runtime, this.rows, await workspace.toHost(hidden));
    });
  }

  step(tokens: readonly (number | null)[]): Promise<Float32Array> {
    tokens.forEach((token, row) => {
      if (token !== null) this.rows[row].push(token);
    });
    return this.start();
  }

  keep(rows: readonly number[]): void {
    this.rows = rows.map((row) => this.rows[row]);
  }
}

/** Slots that a cache is given beyond what it holds, at least, so that it seldom grows. */
const SPARE_SLOTS = 64;

/** @param longest most tokens that a row will hold */
export function capacityFor(length: number, longest: number): number {
  return slotsFor(Math.min(longest, length + SPARE_SLOTS));
}

/** Keeps keys and values; a step computes one token per row. */
export class CachedDecoder implements Decoder {
  private cache: KeyValueCache | undefined;
  private runStep: StepRunner | undefined;

  /** @param longest most tokens that a row will hold */
  constructor(
    private readonly runtime: Runtime,
    private readonly prompts: readonly (readonly number[])[],
    private readonly longest: number,
  ) {}

  async start(): Promise<Float32Array> {
    const { shape, ids, attentionMask } = paddedRows(this.runtime, this.prompts);
    const workspace = new Workspace(undefined);
    const batch = { shape, attentionMask };
    const caches: LayerCache[] = [];
    const hidden = await hiddenStates(this.runtime, { batch, ids, workspace, caches });
    const lengths = this.prompts.map((prompt) => prompt.length);
    const { slidingWindow } = this.runtime.architecture;
    const capacity = this.capacityFor(Math.max(...lengths));
    this.cache = KeyValueCache.from(caches, lengths, { capacity, slidingWindow });
    return lastLogits(this.runtime, this.prompts, hidden);
  }

  async step(tokens: readonly (number | null)[]): Promise<Float32Array> {
    let cache = this.started();
    if (cache.longest >= cache.shape.capacity) {
      cache = cache.resized([...tokens.keys()], this.capacityFor(cache.longest + 1));
      this.replaceCache(cache);
    }
    this.runStep ??= await stepRunner(this.runtime, cache);
    const ids = Int32Array.from(tokens, (token) => token ?? 0);
    const positions = Int32Array.from(tokens, (token, row) => (token === null ? 0 : cache.lengths[row]));
    const { logits, layers } = await this.runStep(ids, positions);
    cache.append(
      layers,
      tokens.map((token) => token !== null),
    );
    return logits;
  }

  keep(rows: readonly number[]): void {
    const cache = this.started();
    this.replaceCache(cache.resized(rows, cache.shape.capacity));
  }

  private replaceCache(cache: KeyValueCache): void {
    this.cache = cache;
    this.runStep = undefined;
  }

  private capacityFor(length: number): number {
    return capacityFor(length, this.longest);
  }

  private started(): KeyValueCache {
    if (this.cache === undefined) throw new Error('internal: a decoder must start before it steps');
    return this.cache;
  }
}

/** Whole rows, padded on the right where nothing can see it: positions then start at 0 in every row. */
export function paddedRows(
  runtime: Runtime,
  rows: readonly (readonly number[])[],
): { shape: [number, number]; ids: Int32Array; attentionMask: Int32Array } {
  const longest = Math.max(...rows.map((row) => row.length));
  const T = Math.min(slotsFor(longest), runtime.architecture.maxPositions);
  const ids = new Int32Array(rows.length * T);
  const attentionMask = new Int32Array(rows.length * T);
  rows.forEach((row, b) => {
    ids.set(row, b * T);
    attentionMask.fill(1, b * T, b * T + row.length);
  });
  return { shape: [rows.length, T], ids, attentionMask };
}

/** Logits after each row's last token, float32 [B, V]. @param hidden float32 [B, T, C] */
async function lastLogits(
  runtime: Runtime,
  rows: readonly (readonly number[])[],
  hidden: HostTensor,
): Promise<Float32Array> {
  const [B, T, C] = hidden.shape;
  const last = new Float32Array(B * C);
  rows.forEach((row, b) => {
    const from = (b * T + row.length - 1) * C;
    last.set(hidden.data.subarray(from, from + C), b * C);
  });
  const { data } = await headLogits(runtime, { data: last, shape: [B, 1, C] });
  return data as Float32Array;
}
