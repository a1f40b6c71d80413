/**
 * One answer as it grows: from the logits of a step to its next token, and to the reason why it ends.
 */
import { uniformAt } from '../random';
import { kindOf, TunebookError } from '../types';
import {
  allowOnly,
  candidates,
  draw,
  forbid,
  logProbabilities,
  mostLikely,
  penalizeRepetition,
} from './logits';
import type { GenerationSettings, TokenEvent } from './options';
import { stopStringMatcher } from './stop-strings';

/** Why a row ended: an end-of-sequence token, a stop string, or its last token allowed. */
export type FinishReason = 'eos' | 'stop' | 'length';

/** A row of a call. Nothing of it depends on the rows that are decoded beside it. */
export class Row {
  readonly newTokens: number[] = [];
  finishReason: FinishReason | undefined;
  private readonly seen: Set<number>;
  private readonly stopped: (newTokens: readonly number[]) => boolean;

  constructor(
    readonly index: number,
    readonly prompt: readonly number[],
    private readonly settings: GenerationSettings,
  ) {
    this.seen = new Set(settings.repetitionPenalty === 1 ? [] : prompt);
    this.stopped = stopStringMatcher(settings.tokenizer, settings.stopStrings);
  }

  /** Most tokens that it still takes. */
  get left(): number {
    return this.settings.limits[this.index] - this.newTokens.length;
  }

  /** Takes the next token; undefined where the row has ended. Writes on the logits. */
  next(logits: Float32Array): TokenEvent | undefined {
    if (this.finishReason !== undefined) return undefined;
    const index = this.newTokens.length;
    const { topLogprobs } = this.settings;
    const model = topLogprobs === undefined ? undefined : logits.slice();
    const token = this.choose(logits, index);
    this.newTokens.push(token);
    if (this.settings.repetitionPenalty !== 1) this.seen.add(token);
    if (this.settings.endTokens.includes(token)) this.finishReason = 'eos';
    else if (this.stopped(this.newTokens)) this.finishReason = 'stop';
    else if (this.newTokens.length >= this.settings.limits[this.index]) this.finishReason = 'length';
    const event = { row: this.index, index, token };
    if (model === undefined || topLogprobs === undefined) return event;
    return { ...event, logprobs: logProbabilities(model, token, topLogprobs) };
  }

  private choose(logits: Float32Array, index: number): number {
    const { repetitionPenalty, minimums, endTokens, sampling } = this.settings;
    penalizeRepetition(logits, this.seen, repetitionPenalty);
    if (index < minimums[this.index]) forbid(logits, endTokens);
    this.restrict(logits, index);
    if (sampling === undefined) return mostLikely(logits);
    return draw(candidates(logits, sampling), uniformAt(sampling.seed, this.index, index));
  }

  /** @throws TunebookError where nothing is allowed */
  private restrict(logits: Float32Array, index: number): void {
    const { prefixAllowedTokensFn } = this.settings;
    if (prefixAllowedTokensFn === undefined) return;
    const allowed: unknown = prefixAllowedTokensFn(this.index, [...this.prompt, ...this.newTokens]);
    const at = `for row ${this.index} after ${index} new tokens`;
    if (!Array.isArray(allowed) || allowed.length === 0)
      throw new TunebookError(
        `generate: expected prefixAllowedTokensFn to give a list of at least one token id, got ${Array.isArray(allowed) ? 'none' : kindOf(allowed)} ${at}. ` +
          'No answer can meet the constraint: let the function allow a token wherever it can be asked, the end-of-sequence token at the end.',
      );
    const wrong = (allowed as unknown[]).find(
      (id) => typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id >= logits.length,
    );
    if (wrong !== undefined)
      throw new TunebookError(
        `generate: expected prefixAllowedTokensFn to give token ids from 0 to ${logits.length - 1}, got ${String(wrong)} ${at}.`,
      );
    if (!allowOnly(logits, allowed as number[]))
      throw new TunebookError(
        `generate: expected a token that both prefixAllowedTokensFn and minNewTokens allow, got none ${at}. Lower minNewTokens.`,
      );
  }
}
