/**
 * Compares the answers and log-probabilities of two runtimes over the same weights. Both get the same ids, so that
 * what differs is the file; what each makes of a prompt's text is compared before.
 */
import { argMax } from '../../tensor';
import type { Responder } from './responder';

/** Two runtimes over the same prompts. */
export interface Agreement {
  /** What ran the export. */
  readonly runtime: string;
  /** Prompts that were asked. */
  readonly prompts: number;
  /** Prompts whose token ids are the same in both. */
  readonly sameTokens: number;
  /** Prompts with the same answer, token for token. */
  readonly sameAnswers: number;
  /** Of the others: those that part at a tie, where `margin` is at most 0.05 nats. */
  readonly tiedAnswers: number;
  /** Positions whose distributions were compared: one before each token of the answers here. */
  readonly positions: number;
  /** Share of positions with the same most likely token. */
  readonly sameTop: number;
  /** Kullback-Leibler divergence of the export from tunebook, in nats, mean and largest. */
  readonly meanKl: number;
  readonly maxKl: number;
  /** Over the answers that differ: the largest `margin`, in nats; 0 where all are the same. */
  readonly largestMargin: number;
  /** Answers that differ, at most three. */
  readonly differing: readonly DifferingAnswer[];
}

/** A prompt that two runtimes answer differently. */
export interface DifferingAnswer {
  readonly prompt: string;
  readonly here: readonly number[];
  readonly there: readonly number[];
  /** Tokens before the first that differs. */
  readonly sameTokens: number;
  /** There: how much likelier tunebook's token is in tunebook than the export's, in nats. Near 0: a tie, decided by rounding. */
  readonly margin: number;
}

/** How far an export may be off. */
export interface AgreementBound {
  /** Largest mean divergence, in nats. */
  readonly meanKl: number;
  /** Least share of positions with the same most likely token. */
  readonly sameTop: number;
}

const MAX_DIFFERING = 3;
/** Up to this margin two tokens are a tie: one is at most a twentieth likelier than the other. */
const TIE_NATS = 0.05;

/**
 * Asks both the same prompts.
 * @param here the model as tunebook runs it
 * @param there the export
 */
export async function compareAnswers(
  here: Responder,
  there: Responder,
  { prompts, maxNewTokens }: { readonly prompts: readonly string[]; readonly maxNewTokens: number },
): Promise<Agreement> {
  const differing: DifferingAnswer[] = [];
  let [sameTokens, sameAnswers, tiedAnswers] = [0, 0, 0];
  let [positions, sameTop, totalKl, maxKl, largestMargin] = [0, 0, 0, 0, 0];
  for (const prompt of prompts) {
    const ids = await here.promptIds(prompt);
    sameTokens += isSame(ids, await there.promptIds(prompt)) ? 1 : 0;
    const answer = await here.answer(ids, maxNewTokens);
    const other = await there.answer(ids, maxNewTokens);
    const all = [...ids, ...answer];
    const count = answer.length + 1;
    const ours = await here.logProbabilities(all, count);
    const theirs = await there.logProbabilities(all, count);
    if (isSame(answer, other)) sameAnswers++;
    else {
      const same = commonLength(answer, other);
      // Up to there both have read the same; an answer that ended has its end as the most likely token.
      const margin = Math.max(0, largest(ours[same]) - ours[same][other[same] ?? argMax(theirs[same])]);
      largestMargin = Math.max(largestMargin, margin);
      tiedAnswers += margin <= TIE_NATS ? 1 : 0;
      if (differing.length < MAX_DIFFERING)
        differing.push({ prompt, here: answer, there: other, sameTokens: same, margin });
    }
    for (let at = 0; at < count; at++) {
      const kl = divergence(ours[at], theirs[at]);
      positions++;
      totalKl += kl;
      maxKl = Math.max(maxKl, kl);
      // A damaged row has a largest value as well, and is found by its divergence.
      sameTop += argMax(ours[at]) === argMax(theirs[at]) ? 1 : 0;
    }
  }
  return {
    runtime: there.name,
    prompts: prompts.length,
    ...{ sameTokens, sameAnswers, tiedAnswers, positions, maxKl, largestMargin, differing },
    sameTop: sameTop / positions,
    meanKl: totalKl / positions,
  };
}

/** Whether an export is as near as its type allows, and reads every prompt as tunebook does. */
export function isWithin(agreement: Agreement, bound: AgreementBound): boolean {
  const { meanKl, sameTop, sameTokens, prompts } = agreement;
  return meanKl <= bound.meanKl && sameTop >= bound.sameTop && sameTokens === prompts;
}

/** The comparison in a sentence. */
export function agreementWords(agreement: Agreement): string {
  const { runtime, prompts, sameTokens, positions, sameTop, meanKl, maxKl } = agreement;
  return (
    `${runtime}: ${answerWords(agreement)}, ${sameTokens} of ${prompts} prompts read as the same ` +
    `tokens; over ${positions} positions the same most likely token in ${(100 * sameTop).toFixed(1)} %, ` +
    `divergence ${meanKl.toExponential(1)} nats (largest ${maxKl.toExponential(1)})`
  );
}

function answerWords({ prompts, sameAnswers, tiedAnswers, largestMargin }: Agreement): string {
  const same = `${sameAnswers} of ${prompts} answers the same`;
  const others = prompts - sameAnswers - tiedAnswers;
  const found = [
    ...(tiedAnswers === 0 ? [] : [`${tiedAnswers} part at a tie of up to ${TIE_NATS} nats`]),
    ...(others === 0
      ? []
      : [`${others} part where tunebook's token is up to ${largestMargin.toPrecision(2)} nats likelier`]),
  ];
  return found.length === 0 ? same : `${same} (${found.join(', ')})`;
}

function commonLength(a: readonly number[], b: readonly number[]): number {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  return at;
}

function largest(row: Float32Array): number {
  return row[argMax(row)];
}

function isSame(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((id, i) => id === b[i]);
}

/** Probabilities below e^-16 together weigh nothing; the other runtime may not list them. */
const LEAST = -16;

/** Sum of p (ln p - ln q). */
function divergence(p: Float32Array, q: Float32Array): number {
  let sum = 0;
  for (let id = 0; id < p.length; id++) {
    if (p[id] < LEAST) continue;
    const other = Math.max(q[id] ?? Number.NEGATIVE_INFINITY, 2 * LEAST);
    sum += Math.exp(p[id]) * (p[id] - other);
  }
  return Math.max(0, sum);
}
