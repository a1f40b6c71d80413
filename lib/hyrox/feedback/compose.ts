/**
 * Evidence and passages to a page of feedback, in one call: the plan is the rule's unless one is given.
 * Where it stands: the last step of the flow; a page, or the claim check, comes behind it.
 */
import { requireObject } from '../../types';
import type { ClaimEvidence } from '../../eval';
import type { Document } from '../../retrieval';
import type { RaceEvidence } from '../evidence/types';
import { ENGLISH } from './english';
import { fillPlan } from './fill';
import type { FillOptions } from './fill';
import { passageText, requirePassages } from './passages';
import { planFeedback, requireEvidence } from './plan';
import type { Feedback, FeedbackTexts } from './types';

/** Settings of `composeFeedback`. */
export interface ComposeOptions extends FillOptions {
  /** What is said, written by a model. Default: planned by rule. */
  plan?: string;
}

/**
 * Writes feedback on one race: the verdict, what went well, where time is to be won and what that would do, advice from
 * passages, and a focus for four weeks. Each sentence cites what it rests on.
 * @param passages what a retriever found, or all that there are; advice is quoted from those about a segment
 * @throws TunebookError where a given plan has a placeholder that there is no evidence for
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
  const { plan, ...fill } = options;
  const planned =
    plan ?? planFeedback(evidence, { passages, ...(fill.seed === undefined ? {} : { seed: fill.seed }) });
  return fillPlan(planned, evidence, passages, fill);
}

/**
 * What `checkClaims` holds feedback against: the evidence's lines, then the passages with the numbers that follow.
 * @param passages those that were quoted (`feedback.passages`), or that a model was shown, in that order
 * @example
 * const { text, passages } = hyrox.composeFeedback(evidence, documents);
 * const { claims } = checkClaims(text, hyrox.claimEvidence(evidence, passages));
 */
export function claimEvidence(
  evidence: RaceEvidence,
  passages: readonly Document[],
  { texts = ENGLISH }: { texts?: FeedbackTexts } = {},
): ClaimEvidence {
  requireEvidence(evidence, 'claimEvidence');
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
