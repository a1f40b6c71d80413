/** What the makers of pages check first. */
import { requireObject } from '../../types';

/** @throws TunebookError where evidence, feedback or options are none */
export function requirePage(
  where: string,
  { evidence, feedback, options }: { evidence: unknown; feedback: unknown; options: unknown },
): void {
  requireObject(evidence, {
    ...{ where, what: 'evidence', fields: ['finish', 'segments', 'groups'] },
    remedy: 'Pass hyrox.raceEvidence(state, race).',
  });
  requireObject(feedback, {
    ...{ where, what: 'feedback', fields: ['headline', 'paragraphs', 'citations'] },
    remedy: 'Pass hyrox.composeFeedback(evidence, passages).',
  });
  requireObject(options, { where, what: 'options' });
}
