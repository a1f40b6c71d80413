/**
 * Feedback in a model's own words: the claim check reads each sentence, and what the evidence does not bear out is
 * marked. `fill.ts` is the other way, in which a model only plans.
 */
import { requireOptions } from '../../options';
import { requireText, TunebookError } from '../../types';
import { checkClaims } from '../../eval';
import type { Claim } from '../../eval';
import type { Document } from '../../retrieval';
import type { RaceEvidence } from '../evidence/types';
import { claimEvidence, composeFeedback } from './compose';
import { citationsOf } from './fill';
import type { FillOptions } from './fill';
import { requirePassages } from './passages';
import { requireEvidence } from './plan';
import type { Feedback, FeedbackParagraph } from './types';

/**
 * Makes feedback of a text that a model wrote, sentence by sentence: one that the evidence does not bear out is kept
 * and marked with its reason (`unsupported` of its paragraph), as page, Markdown and JSON show it. The headline is the
 * evidence's.
 * @param text with citations such as `[4]`; a line is a paragraph
 * @param passages those that the model was shown, in order: `shown` of `writtenRecord`
 * @throws TunebookError where the text is empty, or evidence or passages are of another kind
 * @example
 * const { table, log } = hyrox.readRaces(projectPath('data/hyrox/hyrox-sample.csv'));
 * const races = hyrox.checkRaces(table, log);
 * const evidence = hyrox.raceEvidence(hyrox.fit(races), races, { row: 7 });
 * const [{ unsupported }] = hyrox.checkedFeedback('You ran well.', evidence, []).paragraphs;
 * console.log(unsupported?.[0].reason); // it cites nothing
 */
export function checkedFeedback(
  text: string,
  evidence: RaceEvidence,
  passages: readonly Document[],
  options: FillOptions = {},
): Feedback {
  const where = 'checkedFeedback';
  requireText(text, { where, what: "a model's text" });
  requireEvidence(evidence, where);
  requirePassages(passages, where);
  requireOptions<FillOptions>(options, { where, names: { seed: true, texts: true } });
  const { texts } = options;
  const lines = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '');
  if (lines.length === 0) throw new TunebookError(`${where}: expected a text with words, got spaces alone.`);
  const { claims } = checkClaims(
    lines.join('\n'),
    claimEvidence(evidence, passages, texts === undefined ? {} : { texts }),
  );
  let start = 0;
  const paragraphs = lines.map((line): FeedbackParagraph => {
    // The check knows a heading by Markdown's marks, which are not shown.
    const shown = line.replace(/^#{1,6}\s+/, '');
    const end = start + line.length;
    const unsupported = failing(claims, [start, end], line.length - shown.length);
    start = end + 1;
    return { kind: 'text', title: '', text: shown, ...(unsupported.length === 0 ? {} : { unsupported }) };
  });
  const whole = paragraphs.map((paragraph) => paragraph.text).join('\n\n');
  return {
    headline: composeFeedback(evidence, [], options).headline,
    ...{ paragraphs, text: whole, plan: '' },
    citations: citationsOf(whole, { evidence, quoted: passages }),
    passages,
  };
}

/** The claims of a line that are not supported, with ranges in it without its first characters. */
function failing(
  claims: readonly Claim[],
  [from, to]: readonly [number, number],
  dropped: number,
): NonNullable<FeedbackParagraph['unsupported']> {
  return claims
    .filter(({ supported, start, end }) => !supported && start >= from && end <= to)
    .map(({ reason, start, end }) => ({
      reason,
      ...{ start: Math.max(0, start - from - dropped), end: end - from - dropped },
    }));
}
