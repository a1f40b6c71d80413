/**
 * The types that this room gives to its users.
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
  /** In words what the answer is worth: 'exact', what `judge` says, or 'different'. */
  mark: string;
}

/** What a metric is computed from: one entry a record, in order. */
export interface MetricInputs {
  readonly records: readonly DataRecord[];
  readonly prompts: readonly string[];
  readonly truths: readonly string[];
  readonly answers: readonly string[];
}

/** A figure of merit over a whole test set; null where there is nothing to measure. */
export type MetricFunction = (inputs: MetricInputs) => number | null;

/** A metric, with how reports show it. */
export interface Metric {
  readonly measure: MetricFunction;
  /** Default: the metric's name. */
  readonly label?: string | ((inputs: MetricInputs) => string);
  /** 'share' of [0, 1] is shown in percent; default 'number'. */
  readonly unit?: 'share' | 'number';
}

export interface GenerationMetrics {
  count: number;
  exactMatch: number;
  rougeL: number;
  /** Share of the numbers in the answers that their prompts have; null where no answer has a number. */
  supportedNumbers: number | null;
  /** Time spent in `generate`. */
  timeMs: number;
}

/** What is asked, who answers, and what is measured. */
export interface EvaluateGenerationOptions<Names extends string = never> {
  records: readonly DataRecord[];
  /** Prompts to answers, one each, in order. */
  generate: (prompts: string[]) => Promise<string[]>;
  template?: PromptTemplate;
  /** Prompts per call. Default 8. */
  batchSize?: number;
  onProgress?: (progress: { done: number; total: number }) => void;
  /** Metrics of the task on top of those that every text has; their values are in `metrics` by these names. */
  metrics?: Readonly<Record<Names, MetricFunction | Metric>>;
  /** In a few words what an answer that is not exact is worth, for instance 'verdict right'. */
  judge?: (truth: string, answer: string) => string;
  /** Numbers that belong to the task's wording, such as the 3 of "3 minutes". */
  allowedNumbers?: readonly number[];
  /** The question as the table shows it. Default: the record's fields, but for `response` and `system`. */
  question?: (record: DataRecord) => string;
}

/** Answers with their measures. */
export interface GenerationEvaluation<Names extends string = never> {
  metrics: GenerationMetrics & Record<Names, number | null>;
  samples: GenerationSample[];
  /** What reports show, in order. */
  figures: readonly ReportFigure[];
}

/** A figure with its name, as reports show it. */
export interface ReportFigure {
  readonly name: string;
  readonly value: string;
  /** Where it is a share of [0, 1]: what a chart shows. */
  readonly share?: number;
}

export interface ReportOptions {
  folder: string;
  /** File name without extension. Default 'samples'. */
  name?: string;
  title?: string;
  /** Rows in the HTML and Markdown tables. Default 100; the JSON always has all. */
  maxRows?: number;
}
