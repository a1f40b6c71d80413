/**
 * Verdicts: the class that a text's own words put it in. The rules are data, so another domain brings its own.
 */
import { requirePairs } from '../../eval';
import { requireString } from '../../types';
import type { VerdictRule, VerdictScores } from './types';

/** How an answer without a verdict is called in the confusion table. */
const NONE = 'none';

/** The three verdicts of the race feedback, in every wording of the label makers. */
export const RACE_VERDICTS: readonly VerdictRule[] = [
  { label: 'slower', pattern: /\bslower than (?:expected|predicted)\b/i },
  { label: 'close', pattern: /\bclose to (?:expected|the prediction|what was expected)\b/i },
  { label: 'outperformed', pattern: /\boutperformed\b/i },
];

/**
 * The label whose words come first in the text, or undefined where none do.
 *
 * @param rules default: `RACE_VERDICTS`
 */
export function classifyVerdict(
  text: string,
  rules: readonly VerdictRule[] = RACE_VERDICTS,
): string | undefined {
  requireString(text, { where: 'classifyVerdict', what: 'a text' });
  let first = { at: Number.POSITIVE_INFINITY, label: undefined as string | undefined };
  for (const { label, pattern } of rules) {
    const at = text.search(pattern);
    if (at !== -1 && at < first.at) first = { at, label };
  }
  return first.label;
}

/** Share of answers with the verdict of the truth, over the truths that have one. */
export function verdictAccuracy(
  truths: readonly string[],
  answers: readonly string[],
  rules: readonly VerdictRule[] = RACE_VERDICTS,
): VerdictScores {
  requirePairs('verdictAccuracy', truths, answers);
  const confusion: Record<string, Record<string, number>> = {};
  let correct = 0;
  let total = 0;
  for (const [i, text] of truths.entries()) {
    const truth = classifyVerdict(text, rules);
    if (truth === undefined) continue;
    const answer = classifyVerdict(answers[i] ?? '', rules);
    const row = (confusion[truth] ??= {});
    row[answer ?? NONE] = (row[answer ?? NONE] ?? 0) + 1;
    total++;
    if (answer === truth) correct++;
  }
  return { accuracy: total === 0 ? null : correct / total, correct, total, confusion };
}
