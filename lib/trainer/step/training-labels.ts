/**
 * Whether there is anything to learn: examples whose labels are all -100 give a loss of 0 and change nothing.
 */
import type { EncodedExample } from '../../types';

/** What the loss leaves out. */
const IGNORED = -100;

/** Examples that a warning names. */
const NAMED = 5;

/** @returns what is wrong with a set in which no example has a label, with what to do; else undefined */
export function nothingToLearn(name: string, examples: readonly EncodedExample[]): string | undefined {
  const without = unlabelled(examples);
  if (examples.length === 0 || without.length < examples.length) return undefined;
  const longest = examples.reduce((most, { inputIds }) => Math.max(most, inputIds.length), 0);
  const atLongest = examples.filter(({ inputIds }) => inputIds.length === longest).length;
  const wasCut = examples.length > 1 && 2 * atLongest > examples.length;
  return (
    `expected labels to learn from in ${name}, got ${examples.length} examples whose labels are all -100: the loss ` +
    'would be 0 and nothing would change. Likely causes: ' +
    (wasCut ? `truncation (${atLongest} examples have the same ${longest} tokens: ` : 'truncation (') +
    'raise maxLength, so that the responses are not cut off), a template whose response part does not match the ' +
    'text (compare tokenizer.decode(inputIds) with what is labelled), or empty responses ' +
    '(encodeRecords(...).report.lossTokens counts what is left).'
  );
}

/** @returns a warning where some examples have no label; else undefined */
export function partlyUnlabelled(name: string, examples: readonly EncodedExample[]): string | undefined {
  const without = unlabelled(examples);
  if (without.length === 0 || without.length === examples.length) return undefined;
  const more = without.length > NAMED ? ', ...' : '';
  return (
    `Trainer: ${without.length} of ${examples.length} examples in ${name} have no label and teach nothing (examples ` +
    `${without.slice(0, NAMED).join(', ')}${more}). Leave them out, or look for empty or cut responses.`
  );
}

/** The first position has nothing before it to be predicted from. */
function unlabelled(examples: readonly EncodedExample[]): number[] {
  return examples.flatMap(({ labels }, index) =>
    labels.some((label, i) => i > 0 && label !== IGNORED) ? [] : [index],
  );
}
