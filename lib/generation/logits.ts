/**
 * From the logits of the next token to a token: penalties, temperature, top-k, top-p and the draw, in
 * transformers' order. Selection never sorts the vocabulary: a step must cost far less than the model.
 */
import { argMax } from '../tensor';
import { TunebookError } from '../types';

/**
 * Makes tokens less likely, in place: positive logits are divided by the penalty, negative ones multiplied
 * (Keskar et al. 2019, CTRL). Each distinct token counts once.
 * @param logits float32 [V]
 */
export function penalizeRepetition(logits: Float32Array, tokens: Iterable<number>, penalty: number): void {
  for (const token of tokens) {
    const logit = logits[token];
    logits[token] = logit < 0 ? logit * penalty : logit / penalty;
  }
}

/** Rules tokens out, in place. @param logits float32 [V] */
export function forbid(logits: Float32Array, tokens: readonly number[]): void {
  for (const token of tokens) logits[token] = -Infinity;
}

/**
 * Rules out all other tokens, in place.
 * @param logits float32 [V]
 * @returns whether any of those left may be taken
 */
export function allowOnly(logits: Float32Array, tokens: readonly number[]): boolean {
  const kept = tokens.map((token) => logits[token]);
  logits.fill(-Infinity);
  tokens.forEach((token, i) => (logits[token] = kept[i]));
  return kept.some((logit) => logit !== -Infinity);
}

/**
 * The most likely token, the first of equals.
 * @param logits float32 [V]
 * @throws TunebookError where no logit is a number.
 */
export function mostLikely(logits: Float32Array): number {
  const best = argMax(logits);
  if (!(logits[best] > -Infinity)) throw noNumbers();
  return best;
}

function noNumbers(): TunebookError {
  return new TunebookError(
    'generate: expected logits that are numbers, got none for a row. The weights hold NaN or infinite values: ' +
      'load an earlier checkpoint.',
  );
}

/** How likely the model took a token to be, and which it took to be most likely. */
export interface TokenLogprobs {
  /** Natural logarithm of the token's probability. */
  readonly logprob: number;
  /** The most likely tokens, the first of them first. */
  readonly top: readonly { readonly token: number; readonly logprob: number }[];
}

/**
 * Log-probabilities of the model itself: no temperature, no penalty.
 * @param logits float32 [V]
 * @param top how many of the most likely tokens are given
 */
export function logProbabilities(logits: Float32Array, token: number, top: number): TokenLogprobs {
  const highest = logits[mostLikely(logits)];
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp(logits[i] - highest);
  const all = highest + Math.log(sum);
  const count = Math.min(top, logits.length);
  const lowest = count > 0 ? largest(logits, count) : Infinity;
  const likely: number[] = [];
  for (let i = 0; i < logits.length; i++) if (logits[i] >= lowest) likely.push(i);
  likely.sort((a, b) => logits[b] - logits[a] || a - b);
  return {
    logprob: logits[token] - all,
    top: likely.slice(0, count).map((id) => ({ token: id, logprob: logits[id] - all })),
  };
}

/** Tokens that may be drawn, in order of their ids, with their probabilities among themselves. */
export interface Candidates {
  readonly tokens: Int32Array;
  /** Sums to 1. */
  readonly probabilities: Float64Array;
}

export interface Shaping {
  /** Over 0. */
  readonly temperature: number;
  /** 0: all tokens. */
  readonly topK: number;
  /** Over 0, at most 1. */
  readonly topP: number;
}

/**
 * The distribution that a token is drawn from.
 * @param logits float32 [V]
 */
export function candidates(logits: Float32Array, { temperature, topK, topP }: Shaping): Candidates {
  const lowest = topK > 0 && topK < logits.length ? largest(logits, topK) : -Infinity;
  const all = softmaxAbove(logits, lowest, temperature);
  return topP < 1 ? nucleus(all, topP) : all;
}

/** Draws a token. @param uniform a number in [0, 1) */
export function draw({ tokens, probabilities }: Candidates, uniform: number): number {
  let rest = uniform;
  for (let i = 0; i < tokens.length; i++) {
    rest -= probabilities[i];
    if (rest < 0) return tokens[i];
  }
  // Rounding left a sum just under 1: the last token that can be drawn at all.
  return tokens[probabilities.findLastIndex((p) => p > 0)];
}

/** The k-th largest number of `values`, from a heap of the k largest so far, whose smallest lies on top. */
export function largest(values: Float32Array, k: number): number {
  const heap = values.slice(0, k).sort();
  for (let i = k; i < values.length; i++) {
    const value = values[i];
    if (!(value > heap[0])) continue;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= k) break;
      if (child + 1 < k && heap[child + 1] < heap[child]) child++;
      if (heap[child] >= value) break;
      heap[at] = heap[child];
      at = child;
    }
    heap[at] = value;
  }
  return heap[0];
}

/** Softmax over the tokens whose logit is at least `lowest`; equals of the k-th stay, as in transformers. */
function softmaxAbove(logits: Float32Array, lowest: number, temperature: number): Candidates {
  let highest = -Infinity;
  let count = 0;
  for (let i = 0; i < logits.length; i++) {
    if (logits[i] > highest) highest = logits[i];
    if (logits[i] >= lowest) count++;
  }
  if (highest === -Infinity) throw noNumbers();
  const tokens: Int32Array = new Int32Array(count);
  const probabilities: Float64Array = new Float64Array(count);
  let [at, sum] = [0, 0];
  for (let i = 0; i < logits.length; i++) {
    if (!(logits[i] >= lowest)) continue;
    tokens[at] = i;
    sum += probabilities[at++] = Math.exp((logits[i] - highest) / temperature);
  }
  for (let i = 0; i < count; i++) probabilities[i] /= sum;
  return { tokens, probabilities };
}

/**
 * Nucleus sampling (Holtzman et al. 2020): keeps a token where the more likely ones together have less than
 * `topP`, so at least one is kept. Of equals, those of lower id come first.
 */
function nucleus({ tokens, probabilities }: Candidates, topP: number): Candidates {
  const last = leastLikelyKept(probabilities, topP);
  const least = probabilities[last];
  const isKept = (p: number, i: number): boolean => p > least || (p === least && i <= last);
  let [count, mass] = [0, 0];
  for (let i = 0; i < tokens.length; i++) {
    if (!isKept(probabilities[i], i)) continue;
    count++;
    mass += probabilities[i];
  }
  const kept = { tokens: new Int32Array(count), probabilities: new Float64Array(count) };
  let at = 0;
  for (let i = 0; i < tokens.length; i++) {
    if (!isKept(probabilities[i], i)) continue;
    kept.tokens[at] = tokens[i];
    kept.probabilities[at++] = probabilities[i] / mass;
  }
  return kept;
}

/** Bins of `leastLikelyKept`: the upper half of a float32's bits orders numbers up to 1 coarsely. */
const BINS = 0x3f80 + 1;

/**
 * Index of the least likely token that nucleus sampling keeps. Tokens are counted into bins of similar
 * probability; only those of the bin where the limit falls are sorted.
 */
function leastLikelyKept(probabilities: Float64Array, limit: number): number {
  const bits = new Uint32Array(new Float32Array(probabilities).buffer);
  const mass = new Float64Array(BINS);
  for (let i = 0; i < bits.length; i++) mass[bits[i] >>> 16] += probabilities[i];
  let before = 0;
  // The bin where the limit falls; where rounding leaves the whole just under it, the last bin in use.
  let least = BINS - 1;
  for (let bin = BINS - 1; bin >= 0 && before < limit; bin--) {
    if (mass[bin] === 0) continue;
    before += mass[bin];
    least = bin;
  }
  before -= mass[least];
  const inBin: number[] = [];
  for (let i = 0; i < bits.length; i++) if (bits[i] >>> 16 === least) inBin.push(i);
  inBin.sort((a, b) => probabilities[b] - probabilities[a] || a - b);
  for (const i of inBin) {
    before += probabilities[i];
    if (before >= limit) return i;
  }
  return inBin[inBin.length - 1];
}
