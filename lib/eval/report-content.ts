/**
 * Content of the report in any format.
 */
import type { GenerationMetrics, GenerationSample, Metric, ReportFigure } from './types';

/** Content of the two tables. */
export interface ReportContent {
  title: string;
  figures: readonly ReportFigure[];
  samples: readonly GenerationSample[];
  /** Number of all samples. */
  total: number;
}

/** A task's metric with its value. */
export interface Measured {
  readonly label: string;
  readonly unit?: Metric['unit'];
  readonly value: number | null;
}

/** The figures as texts for the tables; '-' where there is nothing to measure. */
export function figuresOf(metrics: GenerationMetrics, own: readonly Measured[]): ReportFigure[] {
  const percent = (value: number | null): string => (value === null ? '-' : `${(100 * value).toFixed(2)}%`);
  const number = (value: number | null): string => (value === null ? '-' : value.toFixed(4));
  const share = (value: number | null): { share?: number } => (value === null ? {} : { share: value });
  return [
    { name: 'Answers', value: String(metrics.count) },
    { name: 'Exact match', value: percent(metrics.exactMatch), ...share(metrics.exactMatch) },
    ...own.map(({ label, unit, value }) =>
      unit === 'share'
        ? { name: label, value: percent(value), ...share(value) }
        : { name: label, value: number(value) },
    ),
    { name: 'ROUGE-L', value: number(metrics.rougeL), ...share(metrics.rougeL) },
    {
      name: 'Numbers found in the prompt',
      value: percent(metrics.supportedNumbers),
      ...share(metrics.supportedNumbers),
    },
    { name: 'Time for each answer', value: `${(metrics.timeMs / metrics.count / 1000).toFixed(2)} s` },
  ];
}

/** "526 answers" or "the first 100 of 526 answers". */
export function extentOf({ samples, total }: ReportContent): string {
  return samples.length === total
    ? `All ${total} answers`
    : `The first ${samples.length} of ${total} answers`;
}
