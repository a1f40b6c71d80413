/** Encoded pairs as the trainer's examples. */
import type { EncodedPair } from '../../dataset';
import { IGNORED, requireList, requireObject, TunebookError } from '../../types';
import type { EncodedExample } from '../../types';
import type { EvaluationData } from '../state/evaluate';
import { isExampleStream } from '../step/training-rows';

/** One evaluation set of pairs, or several by name. */
export type PairData = readonly EncodedPair[] | Readonly<Record<string, readonly EncodedPair[]>>;

/** Where the loss of a method is: on the answers, or on the prompt of the chosen one as well. */
export type PairLabels = 'answers' | 'chosen prompt';

const PAIRS = 'Pass encodePairs(records, { tokenizer }).pairs.';

/** Makes examples of pairs, each once: what is known of an example is found again. */
export class PairExamples {
  private readonly known = new WeakMap<EncodedPair, EncodedExample>();

  constructor(
    private readonly where: string,
    private readonly labels: PairLabels,
  ) {}

  /** @throws TunebookError where the data are no encoded pairs */
  of(pairs: readonly EncodedPair[], name: string): EncodedExample[] {
    if (isExampleStream(pairs))
      throw new TunebookError(
        `${this.where}: expected a list of pairs in ${name}, got a stream of examples. Pairs are trained from memory: ` +
          'encodePairs((await loadRecords(path)).records, { tokenizer }).pairs.',
      );
    requireList(pairs, { where: this.where, what: `a list of pairs in ${name}`, remedy: PAIRS });
    return pairs.map((pair, index) => {
      const known = this.known.get(pair);
      if (known !== undefined) return known;
      const what = `pairs { promptIds, chosenIds, rejectedIds } in ${name}, here in place ${index},`;
      const fields = ['promptIds', 'chosenIds', 'rejectedIds'] as const;
      requireObject(pair, { where: this.where, what, remedy: PAIRS, fields });
      for (const field of fields) {
        if (pair[field].length > 0) continue;
        throw new TunebookError(
          `${this.where}: expected tokens in ${field} of pair ${index} in ${name}, got none.`,
        );
      }
      const example = exampleOf(pair, this.labels);
      this.known.set(pair, example);
      return example;
    });
  }

  /** The sets of an evaluation, under their names. */
  ofSets(data: PairData): EvaluationData {
    if (isList(data)) return this.of(data, 'evalDataset');
    requireObject(data, {
      where: this.where,
      what: 'a list of pairs in evalDataset, or several by name',
      remedy: PAIRS,
    });
    return Object.fromEntries(
      Object.entries(data).map(([name, pairs]) => [name, this.of(pairs, `evalDataset.${name}`)]),
    );
  }
}

function isList(data: PairData): data is readonly EncodedPair[] {
  return Array.isArray(data);
}

function exampleOf({ promptIds, chosenIds, rejectedIds }: EncodedPair, labels: PairLabels): EncodedExample {
  const ignored = promptIds.map(() => IGNORED);
  return {
    inputIds: [...promptIds, ...chosenIds],
    labels: [...(labels === 'answers' ? ignored : promptIds), ...chosenIds],
    rejected: { inputIds: [...promptIds, ...rejectedIds], labels: [...ignored, ...rejectedIds] },
  };
}
