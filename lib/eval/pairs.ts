/**
 * The check that all metrics over truths and answers begin with.
 */
import { requireList, TunebookError } from '../types';

/**
 * Refuses lists that are not pairs of a truth and an answer.
 * @throws TunebookError where there is not one answer for each truth.
 */
export function requirePairs(where: string, truths: readonly unknown[], answers: readonly unknown[]): void {
  requireList(truths, { where, what: 'a list of truths' });
  requireList(answers, { where, what: 'a list of answers' });
  if (truths.length !== answers.length) {
    throw new TunebookError(
      `${where}: expected ${truths.length} answers, one for each truth, got ${answers.length}.`,
    );
  }
}
