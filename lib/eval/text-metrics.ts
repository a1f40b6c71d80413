/**
 * Metrics of any domain: exact match, ROUGE-L, perplexity.
 */
import { createRequire } from 'node:module';
import type * as Rouge from 'js-rouge';
import { TunebookError } from '../types';
import { requirePairs } from './pairs';

/**
 * Share of answers equal to the truth, ignoring white space: ends trimmed, runs collapsed to one space.
 *
 * @returns [0, 1]; 0 for no answers
 * @example
 * ```ts
 * import { exactMatch } from 'tunebook';
 *
 * console.log(exactMatch(['a', 'b'], ['a', 'c'])); // 0.5
 * ```
 */
export function exactMatch(truths: readonly string[], answers: readonly string[]): number {
  requirePairs('exactMatch', truths, answers);
  const equal = truths.filter((truth, i) => isExact(truth, answers[i] ?? '')).length;
  return truths.length === 0 ? 0 : equal / truths.length;
}

/** Whether two texts differ at most in white space. */
export function isExact(truth: string, answer: string): boolean {
  return joinSpace(truth) === joinSpace(answer);
}

/**
 * Mean ROUGE-L F1: twice the longest common subsequence of words over the words of both (Lin 2004, ROUGE,
 * equations 2-4 with beta 1). Words are runs of letters and digits, in lower case.
 *
 * @returns [0, 1]; 0 for no answers
 * @example
 * ```ts
 * import { rougeL } from 'tunebook';
 *
 * console.log(rougeL(['the race was fast'], ['the race was slow'])); // 0.75
 * ```
 */
export function rougeL(truths: readonly string[], answers: readonly string[]): number {
  requirePairs('rougeL', truths, answers);
  const scores = truths.map((truth, i) => rougeLOf(truth, answers[i] ?? ''));
  return scores.length === 0 ? 0 : scores.reduce((a, b) => a + b, 0) / scores.length;
}

function rougeLOf(truth: string, answer: string): number {
  const [truthWords, answerWords] = [words(truth), words(answer)];
  // js-rouge refuses empty texts.
  if (truthWords.length === 0 || answerWords.length === 0)
    return truthWords.length === answerWords.length ? 1 : 0;
  const { l: rougeLOfPair } = createRequire(__filename)('js-rouge') as typeof Rouge;
  return rougeLOfPair(answer, truth, { beta: 1, tokenizer: words });
}

/**
 * exp(loss).
 *
 * @param loss nats per token
 * @throws TunebookError where the loss is no number.
 * @example
 * ```ts
 * import { perplexity } from 'tunebook/eval';
 *
 * console.log(perplexity(Math.log(20)).toFixed(1)); // 20.0
 * ```
 */
export function perplexity(loss: number): number {
  if (Number.isNaN(loss))
    throw new TunebookError('perplexity: expected a loss, got NaN. Training has diverged.');
  return Math.exp(loss);
}

function words(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
}

function joinSpace(text: string): string {
  return text.trim().replace(/\s+/g, ' ');
}
