/**
 * The public types of `eval`.
 */
import type { DataRecord, PromptTemplate } from '../dataset';

/** A question with the true answer and the given one. */
export interface GenerationSample {
  index: number;
  question: string;
  prompt: string;
  truth: string;
  answer: string;
  exact: boolean;
  /** The verdict on the answer in words: 'exact', that of `judge`, or 'different'. */
  mark: string;
}

/** Inputs of a metric: an entry per record, in order. */
export interface MetricInputs {
  readonly records: readonly DataRecord[];
  readonly prompts: readonly string[];
  readonly truths: readonly string[];
  readonly answers: readonly string[];
}

/** A metric over a whole test set; null where there is nothing to measure. */
export type MetricFunction = (inputs: MetricInputs) => number | null;

/** A metric, and how reports show it. */
export interface Metric {
  readonly measure: MetricFunction;
  /** Default: the metric's name. */
  readonly label?: string | ((inputs: MetricInputs) => string);
  /** 'share' of [0, 1] is shown in percent; default 'number'. */
  readonly unit?: 'share' | 'number';
}

/** What `evaluateGeneration` measures of all answers together. */
export interface GenerationMetrics {
  count: number;
  exactMatch: number;
  rougeL: number;
  /** Share of the answers' numbers that occur in their prompts; null where no answer has a number. */
  supportedNumbers: number | null;
  /** Time spent in `generate`. */
  timeMs: number;
}

/** Records, the function that answers them, and the metrics. */
export interface EvaluateGenerationOptions<Names extends string = never> {
  records: readonly DataRecord[];
  /** Prompts to answers, one each, in order. */
  generate: (prompts: string[]) => Promise<string[]>;
  template?: PromptTemplate;
  /** Prompts per call. Default 8. */
  batchSize?: number;
  onProgress?: (progress: { done: number; total: number }) => void;
  /** Further metrics of the task; their values are in `metrics` by these names. */
  metrics?: Readonly<Record<Names, MetricFunction | Metric>>;
  /** A short verdict on an answer that is not exact, for instance 'verdict right'. */
  judge?: (truth: string, answer: string) => string;
  /** Numbers that belong to the task's wording, such as the 3 of "3 minutes". */
  allowedNumbers?: readonly number[];
  /** The question shown in the table. Default: the record's fields except `response` and `system`. */
  question?: (record: DataRecord) => string;
}

/** Answers and metrics. */
export interface GenerationEvaluation<Names extends string = never> {
  metrics: GenerationMetrics & Record<Names, number | null>;
  samples: GenerationSample[];
  /** Figures of the reports, in order. */
  figures: readonly ReportFigure[];
}

/** A figure of a report: name and value. */
export interface ReportFigure {
  readonly name: string;
  readonly value: string;
  /** Value in [0, 1] for a chart, if it is a share. */
  readonly share?: number;
}

/** Where a report is written, and how much of it. */
export interface ReportOptions {
  folder: string;
  /** File name without extension. Default 'samples'. */
  name?: string;
  title?: string;
  /** Rows in the HTML and Markdown tables. Default 100; the JSON always has all. */
  maxRows?: number;
}
