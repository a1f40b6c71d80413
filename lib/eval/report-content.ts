/**
 * What the report says, whatever it is written in.
 */
import type { GenerationEvaluation, GenerationSample } from './types';

/** A figure with its name, as both tables show it. */
export interface Figure {
  name: string;
  value: string;
}

/** What the two tables are made from. */
export interface ReportContent {
  title: string;
  figures: readonly Figure[];
  samples: readonly GenerationSample[];
  /** How many samples there are in all. */
  total: number;
}

/** The figures in the words of the tables; '-' where there is nothing to measure. */
export function figuresOf({ metrics, verdicts }: GenerationEvaluation): Figure[] {
  const percent = (value: number | null): string => (value === null ? '-' : `${(100 * value).toFixed(2)}%`);
  const number = (value: number | null): string => (value === null ? '-' : value.toFixed(4));
  return [
    { name: 'Answers', value: String(metrics.count) },
    { name: 'Exact match', value: percent(metrics.exactMatch) },
    { name: `Verdict right (of ${verdicts.total})`, value: percent(metrics.verdictAccuracy) },
    { name: 'Segments, micro F1', value: number(metrics.segmentMicroF1) },
    { name: 'Segments, macro F1', value: number(metrics.segmentMacroF1) },
    { name: 'ROUGE-L', value: number(metrics.rougeL) },
    { name: 'Numbers found in the prompt', value: percent(metrics.supportedNumbers) },
    { name: 'Time for each answer', value: `${(metrics.timeMs / metrics.count / 1000).toFixed(2)} s` },
  ];
}

/** In words what the colours of the table say. */
export function markOf(sample: GenerationSample): 'exact' | 'verdict right' | 'verdict wrong' | 'different' {
  if (sample.exact) return 'exact';
  if (sample.verdict.truth === null) return 'different';
  return sample.verdict.truth === sample.verdict.answer ? 'verdict right' : 'verdict wrong';
}

/** "526 answers" or "the first 100 of 526 answers". */
export function extentOf({ samples, total }: ReportContent): string {
  return samples.length === total
    ? `All ${total} answers`
    : `The first ${samples.length} of ${total} answers`;
}
