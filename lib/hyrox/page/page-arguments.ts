/** Argument checks of the page functions. */
import { requireOptions } from '../../options';
import { requireObject } from '../../types';
import { requireEvidence } from '../feedback/plan';

/** Settings of `feedbackPage`. */
export interface FeedbackPageOptions {
  /** The reference races in words: '2,395 races of berlin.csv'. Default: not mentioned. */
  data?: string;
  /** Notes besides those of the evidence. */
  notes?: readonly string[];
  /** Language of the words around the text. Default 'en'. */
  lang?: string;
}

/** @throws TunebookError where evidence, feedback or options are of another kind */
export function requirePage(
  where: string,
  { evidence, feedback, options }: { evidence: unknown; feedback: unknown; options: unknown },
): void {
  requireEvidence(evidence, where);
  requireObject(feedback, {
    ...{ where, what: 'feedback', fields: ['headline', 'paragraphs', 'citations'] },
    remedy: 'Pass hyrox.composeFeedback(evidence, passages).',
  });
  requireObject(options, { where, what: 'options' });
  requireOptions<FeedbackPageOptions>(options as FeedbackPageOptions, {
    where,
    names: { data: true, notes: true, lang: true },
  });
}
