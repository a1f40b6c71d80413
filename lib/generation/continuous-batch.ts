/**
 * Continuous batching: calls of `generate` that come at any time share the steps of one model. A call joins at the next
 * token, and leaves a place at its last. Adapters are one batch each, which take turns.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { BetweenLayers, HasRuntime, Runtime } from '../models';
import { requireOptions } from '../options';
import { TunebookError } from '../types';
import { resultOf, wantsCodes } from './generate';
import type { GenerationResult } from './generate';
import { PrefixCache } from './decoders/prefix-cache';
import { generationSettings } from './options';
import type { GenerateOptions, GenerationSettings } from './options';
import { Row } from './row';
import { SharedRows } from './shared-rows';

/**
 * While a long prompt is read, those that have read theirs take a step for as much of it as this many tokens through all
 * layers: their tokens keep coming, and a short prompt is read in one go.
 */
const TOKENS_BETWEEN_STEPS = 64;

/** How many calls run and wait. */
export interface ContinuousBatchOptions {
  /** Most rows in a step; a prompt is a row. Default 8. */
  maxRows?: number;
  /** Most rows that wait for a place; default 64. */
  maxWaiting?: number;
  /**
   * Most bytes of keys and values that are kept of the prompts read last: what a later prompt begins with alike is not
   * computed again. They are dropped where the weights or an adapter have become others. Default 0.
   */
  prefixCacheBytes?: number;
}

/** A call of a shared batch: `generate`'s options. */
export interface BatchCall extends GenerateOptions {
  /** Name of an adapter on the model; default: the model without adapters. */
  adapter?: string;
}

/** As many rows wait as may wait: try again later. */
export class BatchFullError extends TunebookError {
  override name = 'BatchFullError';
}

/** What has been done so far. */
export interface BatchCounts {
  /** Rows that have a place. */
  readonly running: number;
  /** Rows that wait for one. */
  readonly waiting: number;
  /** Steps of the model, and rows in them that were in use. */
  readonly steps: number;
  readonly stepRows: number;
  /** Rows that have been given a place, and the time that they waited for it, in ms, all together. */
  readonly admitted: number;
  readonly waitedMs: number;
  /** Tokens of prompts that were known from earlier ones. */
  readonly reusedTokens: number;
}

/** A call, whose rows run each by itself. */
interface Call {
  readonly settings: GenerationSettings;
  readonly adapter: string | undefined;
  readonly rows: readonly Row[];
  isSettled: boolean;
  settle(outcome: { result: GenerationResult } | { error: unknown }): void;
}

/** Calls that can share a step: they ask for the same adapter, and the same type of weights. */
interface Group {
  readonly adapter: string | undefined;
  readonly rows: SharedRows<Job>;
}

/** A row and the call that it belongs to. */
interface Job {
  readonly call: Call;
  readonly row: Row;
  /** When it began to wait, in ms of performance.now(). */
  readonly since: number;
}

/**
 * Lets calls that come at any time share the steps of one model.
 *
 * A row is computed as it is alone: prompts by themselves, and a step's rows see nothing of each other. Draws come from
 * the call's own seed, so what else runs moves no draw. Sums of a step with several rows, and of a prompt whose beginning
 * is known, may be rounded otherwise than those of one, in the last bits of a logit.
 * @example
 * ```ts
 * import { AutoModelForCausalLM } from 'tunebook';
 * import { ContinuousBatch } from 'tunebook/generation';
 *
 * const model = await AutoModelForCausalLM.fromPretrained('gpt2-mini');
 * const batch = new ContinuousBatch(model, { maxRows: 4 });
 * const calls = [[464], [464, 3234]].map((ids) => batch.generate({ inputIds: [ids], maxNewTokens: 8 }));
 * for (const { newTokens } of await Promise.all(calls)) console.log(newTokens[0]);
 * await batch.close();
 * await model.dispose();
 * ```
 */
export class ContinuousBatch {
  private readonly runtime: Runtime;
  private readonly maxRows: number;
  private readonly maxWaiting: number;
  private readonly prefixes: PrefixCache | undefined;
  private readonly groups = new Map<string, Group>();
  private readonly calls = new Set<Call>();
  private waiting: Job[] = [];
  /** Of the weights that prefixes and groups are of. */
  private weightsVersion: number;
  private knowsPrefixes = true;
  private isReading = false;
  private adapterBefore: string | undefined;
  private loop: Promise<void> | undefined;
  private isClosed = false;
  private steps = 0;
  private stepRows = 0;
  private admitted = 0;
  private waitedMs = 0;

  /** @throws TunebookError for options that cannot be used, and a model that another open batch uses */
  constructor({ runtime }: HasRuntime, options: ContinuousBatchOptions = {}) {
    const where = 'ContinuousBatch';
    requireOptions<ContinuousBatchOptions>(options, {
      where,
      names: { maxRows: true, maxWaiting: true, prefixCacheBytes: true },
    });
    const { maxRows = 8, maxWaiting = 64, prefixCacheBytes = 0 } = options;
    if (!Number.isInteger(maxRows) || maxRows < 1)
      throw new TunebookError(`${where}: expected maxRows to be an integer of at least 1, got ${maxRows}.`);
    if (!Number.isInteger(maxWaiting) || maxWaiting < 0)
      throw new TunebookError(`${where}: expected maxWaiting to be an integer from 0, got ${maxWaiting}.`);
    if (!Number.isInteger(prefixCacheBytes) || prefixCacheBytes < 0)
      throw new TunebookError(
        `${where}: expected prefixCacheBytes to be an integer from 0, got ${prefixCacheBytes}.`,
      );
    runtime.hold(this, where);
    this.runtime = runtime;
    this.weightsVersion = runtime.weights.state.version;
    this.maxRows = maxRows;
    this.maxWaiting = maxWaiting;
    this.prefixes = prefixCacheBytes === 0 ? undefined : new PrefixCache(prefixCacheBytes);
  }

  get counts(): BatchCounts {
    const { steps, stepRows, admitted, waitedMs, running } = this;
    const reusedTokens = this.prefixes?.reusedTokens ?? 0;
    return { running, waiting: this.waiting.length, steps, stepRows, admitted, waitedMs, reusedTokens };
  }

  /**
   * Continues prompts, each in a place of its own; what `generate` gives, and the same tokens.
   * @throws BatchFullError, at once, where too many rows wait; TunebookError for what `generate` refuses
   */
  generate(options: BatchCall): Promise<GenerationResult> {
    this.runtime.assertAlive();
    if (this.isClosed)
      throw new TunebookError('ContinuousBatch: expected an open batch, got one after close().');
    const { adapter, ...request } = options;
    const settings = generationSettings(this.runtime, request);
    if (!settings.useCache)
      throw new TunebookError(
        'ContinuousBatch: expected useCache to be true, got false: rows share a cache.',
      );
    if (settings.promptLookup !== undefined)
      throw new TunebookError(
        'ContinuousBatch: expected no promptLookupNumTokens: rows share steps of one token.',
      );
    const known = this.runtime.weights.adapters.names;
    if (adapter !== undefined && !known.includes(adapter))
      throw new TunebookError(
        `ContinuousBatch: expected an adapter on the model (${known.join(', ') || 'none at all'}), got '${adapter}'.`,
      );
    const places = Math.max(0, this.maxRows - this.running);
    const free = places + this.maxWaiting - this.waiting.length;
    if (settings.prompts.length > free)
      throw new BatchFullError(
        `ContinuousBatch: expected at most ${free} more rows (${this.running} run, ${this.waiting.length} wait), ` +
          `got ${settings.prompts.length}. Try again later.`,
      );
    settings.signal?.throwIfAborted();
    return new Promise((resolve, reject) => this.enqueue(settings, adapter, resolve, reject));
  }

  /**
   * Ends all calls with an error; nothing may be asked of the batch afterwards. The model stays.
   * @param reason the error; default: that the batch was closed
   */
  async close(
    reason: Error = new TunebookError('ContinuousBatch: it was closed before this call had ended.'),
  ): Promise<void> {
    this.isClosed = true;
    for (const call of this.calls) call.settle({ error: reason });
    await this.loop;
    this.runtime.release(this);
  }

  private get running(): number {
    return [...this.groups.values()].reduce((total, { rows }) => total + rows.live, 0);
  }

  private enqueue(
    settings: GenerationSettings,
    adapter: string | undefined,
    resolve: (result: GenerationResult) => void,
    reject: (error: unknown) => void,
  ): void {
    const aborted = (): void => {
      // The adapter may change in the middle of the prompt that is being read: nothing of it is to be known.
      if (this.isReading) this.knowsPrefixes = false;
      call.settle({ error: settings.signal?.reason });
    };
    const call: Call = {
      settings,
      adapter,
      rows: settings.prompts.map((prompt, index) => new Row(index, prompt, settings)),
      isSettled: false,
      settle: (outcome) => {
        if (call.isSettled) return;
        call.isSettled = true;
        this.calls.delete(call);
        this.waiting = this.waiting.filter((job) => job.call !== call);
        settings.signal?.removeEventListener('abort', aborted);
        if (this.calls.size === 0) this.giveModelBack();
        if ('error' in outcome) reject(outcome.error);
        else resolve(outcome.result);
      },
    };
    settings.signal?.addEventListener('abort', aborted, { once: true });
    if (this.calls.size === 0) this.takeModel();
    this.calls.add(call);
    const since = performance.now();
    this.waiting.push(...call.rows.map((row) => ({ call, row, since })));
    this.loop ??= this.run();
  }

  /** As long as there are calls, weights stay as they are, and the adapter is theirs to choose. */
  private takeModel(): void {
    const { weights } = this.runtime;
    this.adapterBefore = weights.adapters.inUse;
    weights.state.isBusy = true;
  }

  /** Before the last call's answer is known: whoever waits for it finds the model as it was. */
  private giveModelBack(): void {
    this.useAdapter(this.adapterBefore);
    this.runtime.weights.state.isBusy = false;
  }

  /** Steps as long as there is something to do. */
  private async run(): Promise<void> {
    try {
      // Calls of one turn begin together.
      await nextTurn();
      while (this.waiting.length > 0 || this.running > 0) {
        await this.admitWaiting();
        await this.stepAll();
      }
    } finally {
      this.endGroups();
      this.loop = undefined;
    }
  }

  private endGroups(): void {
    for (const { rows } of this.groups.values()) rows.end();
    this.groups.clear();
  }

  /** Nothing that was made of other weights is used. They change between calls: no row is left that counts. */
  private forgetOtherWeights(): void {
    const { version } = this.runtime.weights.state;
    if (version !== this.weightsVersion) this.endGroups();
    if (version !== this.weightsVersion || !this.knowsPrefixes) this.prefixes?.clear();
    this.weightsVersion = version;
    this.knowsPrefixes = true;
  }

  /** The next token of every row whose prompt has been read. */
  private async stepAll(): Promise<void> {
    for (const [key, group] of this.groups) {
      await this.step(key, group);
      // The engine computes on this thread: sockets and timers have their turn between steps.
      await nextTurn();
    }
  }

  /** What others do while a long prompt is read: a step for as much of the prompt as is worth one. */
  private whileReading({ call, row }: Job): BetweenLayers {
    const { layers } = this.runtime.architecture;
    let read = 0;
    return async (count) => {
      read += (row.prompt.length * count) / layers;
      if (read < TOKENS_BETWEEN_STEPS) return;
      read = 0;
      await nextTurn();
      await this.stepAll();
      if (call.isSettled) throw new Error('internal: nobody waits for this prompt');
      this.useAdapter(call.adapter);
    };
  }

  private async admitWaiting(): Promise<void> {
    while (this.running < this.maxRows) {
      const job = this.waiting.shift();
      if (job === undefined) return;
      this.admitted++;
      this.waitedMs += performance.now() - job.since;
      this.forgetOtherWeights();
      const { adapter, settings } = job.call;
      const key = `${settings.dtype} ${adapter ?? ''}`;
      try {
        this.useAdapter(adapter);
        const isCoded = wantsCodes(this.runtime, settings);
        const group = this.groups.get(key) ?? {
          adapter,
          rows: new SharedRows<Job>(this.runtime, {
            maxRows: this.maxRows,
            isCoded,
            known: this.prefixes?.of(key),
          }),
        };
        this.groups.set(key, group);
        this.isReading = true;
        const logits = await group.rows.admit(job, {
          prompt: job.row.prompt,
          between: this.whileReading(job),
        });
        this.choose(group.rows, job, logits);
      } catch (error) {
        job.call.settle({ error });
        this.groups.get(key)?.rows.release(job);
      } finally {
        this.isReading = false;
      }
      await nextTurn();
    }
  }

  private async step(key: string, { adapter, rows }: Group): Promise<void> {
    for (const job of rows.jobs) if (job.call.isSettled) rows.release(job);
    if (rows.live === 0) {
      rows.end();
      this.groups.delete(key);
      return;
    }
    if (rows.ready === 0) return;
    try {
      this.useAdapter(adapter);
      this.steps++;
      this.stepRows += rows.ready;
      for (const [job, logits] of await rows.step()) this.choose(rows, job, logits);
    } catch (error) {
      for (const { call } of rows.jobs) call.settle({ error });
      rows.end();
      this.groups.delete(key);
    }
  }

  /** A row's next token; what goes wrong with it ends its call alone. */
  private choose(rows: SharedRows<Job>, job: Job, logits: Float32Array): void {
    const { call, row } = job;
    if (call.isSettled) return rows.release(job);
    try {
      const event = row.next(logits);
      if (event === undefined) throw new Error('internal: a row that has ended has a place');
      rows.append(job, event.token);
      call.settings.onToken?.(event);
      if (row.finishReason === undefined) return;
      if (call.rows.every(({ finishReason }) => finishReason !== undefined))
        call.settle({ result: resultOf(call.rows, call.settings) });
    } catch (error) {
      call.settle({ error });
    }
    rows.release(job);
  }

  private useAdapter(name: string | undefined): void {
    const { adapters } = this.runtime.weights;
    if (adapters.inUse !== name) adapters.select(name);
  }
}
