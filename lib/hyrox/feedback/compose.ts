/**
 * Composes feedback from evidence and passages in one call, by the rule's plan unless one is given. A page or the claim
 * check follows.
 */
import { requireOptions } from '../../options';
import { requireObject } from '../../types';
import type { ClaimEvidence } from '../../eval';
import type { Document } from '../../retrieval';
import type { RaceEvidence } from '../evidence/types';
import { ENGLISH } from './english';
import { fillPlan } from './fill';
import type { FillOptions } from './fill';
import { passageText, requirePassages } from './passages';
import { isShort, planFeedback, requireEvidence } from './plan';
import type { Feedback, FeedbackTexts } from './types';

/** Settings of `composeFeedback`. */
export interface ComposeOptions extends FillOptions {
  /**
   * A plan written by a model: placeholders (see `fillPlan`), or a short plan in the words of `planRecord`, whose verdict
   * and segments replace the rule's. Default: the rule's.
   */
  plan?: string;
}

/**
 * Writes feedback on one race: the verdict, strengths, where time can be won and its effect, advice from passages, and
 * a focus for four weeks. Each sentence cites its evidence.
 * @param passages from a retriever, or all there are; advice is quoted from those about a segment
 * @throws TunebookError where a given plan has a placeholder without evidence
 * @example
 * ```ts
 * import { checkClaims, hyrox, projectPath } from 'tunebook';
 * import { loadDocuments } from 'tunebook/retrieval';
 *
 * const { table, log } = hyrox.readRaces(projectPath('data/hyrox/hyrox-sample.csv'));
 * const races = hyrox.checkRaces(table, log);
 * const evidence = hyrox.raceEvidence(hyrox.fit(races, { k: 4 }), races, { row: 7 });
 * const { text, passages } = hyrox.composeFeedback(evidence, await loadDocuments(projectPath('data/coaching')));
 * console.log(text);
 * console.log(checkClaims(text, hyrox.claimEvidence(evidence, passages)).supportedShare); // 1
 * ```
 */
export function composeFeedback(
  evidence: RaceEvidence,
  passages: readonly Document[],
  options: ComposeOptions = {},
): Feedback {
  requireEvidence(evidence, 'composeFeedback');
  requirePassages(passages, 'composeFeedback');
  requireObject(options, { where: 'composeFeedback', what: 'options' });
  requireOptions<ComposeOptions>(options, {
    where: 'composeFeedback',
    names: { plan: true, seed: true, texts: true },
  });
  const { plan, ...fill } = options;
  if (plan !== undefined && !isShort(plan)) return fillPlan(plan, evidence, passages, fill);
  const planned = planFeedback(evidence, {
    passages,
    ...(fill.seed === undefined ? {} : { seed: fill.seed }),
    ...(plan === undefined ? {} : { choice: plan }),
  });
  return fillPlan(planned, evidence, passages, fill);
}

/**
 * The evidence for `checkClaims`: the race's lines, then the passages with the numbers that follow.
 * @param passages those quoted (`feedback.passages`), or shown to a model, in that order
 * @example
 * const { text, passages } = hyrox.composeFeedback(evidence, documents);
 * const { claims } = checkClaims(text, hyrox.claimEvidence(evidence, passages));
 */
export function claimEvidence(
  evidence: RaceEvidence,
  passages: readonly Document[],
  options: { texts?: FeedbackTexts } = {},
): ClaimEvidence {
  requireEvidence(evidence, 'claimEvidence');
  requireOptions<{ texts?: FeedbackTexts }>(options, { where: 'claimEvidence', names: { texts: true } });
  const { texts = ENGLISH } = options;
  requirePassages(passages, 'claimEvidence');
  return {
    lines: evidence.lines,
    passages: passages.map((passage, i) => ({
      id: evidence.lines.length + 1 + i,
      text: passageText(passage),
    })),
    phrases: texts.phrases,
  };
}
