/** Argument checks of the page functions. */
import { requireObject } from '../../types';
import { requireEvidence } from '../feedback/plan';

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
}
