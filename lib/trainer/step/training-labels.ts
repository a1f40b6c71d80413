/**
 * Finds examples without labels: where all are -100 the loss is 0 and nothing is learned. And ids that the model has no row
 * for, which a run would meet only when their batch comes.
 */
import { IGNORED, shortList } from '../../types';
import type { EncodedExample } from '../../types';

/** Most examples that a warning names. */
const NAMED = 5;

/** A set without any labels, which is an error, or with some unlabelled examples, which is a warning. */
export interface LabelFault {
  readonly isFatal: boolean;
  readonly text: string;
}

/** @returns what is wrong with the labels of a set, with what to do; undefined where each example has one */
export function labelFault(name: string, examples: readonly EncodedExample[]): LabelFault | undefined {
  const without = unlabelled(examples);
  if (without.length === 0) return undefined;
  const isFatal = without.length === examples.length;
  return {
    isFatal,
    text: isFatal ? nothingToLearn(name, examples) : partlyUnlabelled(name, examples, without),
  };
}

function nothingToLearn(name: string, examples: readonly EncodedExample[]): string {
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

function partlyUnlabelled(
  name: string,
  examples: readonly EncodedExample[],
  without: readonly number[],
): string {
  return (
    `Trainer: ${without.length} of ${examples.length} examples in ${name} have no label and teach nothing (examples ` +
    `${shortList(without, NAMED)}). Leave them out, or look for empty or cut responses.`
  );
}

/** Nothing predicts the first position. */
function unlabelled(examples: readonly EncodedExample[]): number[] {
  return examples.flatMap(({ labels }, index) =>
    labels.some((label, i) => i > 0 && label !== IGNORED) ? [] : [index],
  );
}

/** @returns which example has a token that the model does not know; undefined where none has */
export function idFault(
  name: string,
  examples: readonly EncodedExample[],
  vocabSize: number,
): string | undefined {
  const isWrong = (id: number): boolean => id < 0 || id >= vocabSize;
  const wrongIn = ({ inputIds, rejected }: EncodedExample): number | undefined =>
    inputIds.find(isWrong) ?? rejected?.inputIds.find(isWrong);
  const index = examples.findIndex((example) => wrongIn(example) !== undefined);
  if (index < 0) return undefined;
  return (
    `expected token ids from 0 to ${vocabSize - 1} in ${name}, got ${wrongIn(examples[index])} in example ${index}. ` +
    "The tokenizer is another model's, or tokens were added to it: model.resizeTokenEmbeddings(tokenizer.vocabSize)."
  );
}
