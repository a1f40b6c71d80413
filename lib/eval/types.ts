/**
 * The types that this room gives to its users.
 */
import type { DataRecord, PromptTemplate } from '../dataset';

/** A class of answer, and the words by which it is known. */
export interface VerdictRule {
  label: string;
  pattern: RegExp;
}

export interface VerdictScores {
  /** [0, 1] over the truths that have a verdict; null where none has. */
  accuracy: number | null;
  correct: number;
  total: number;
  /** truth label -> answer label ('none' where the answer has no verdict) -> count */
  confusion: Record<string, Record<string, number>>;
}

export interface SegmentOptions {
  /** The list begins after this. Default /improve:/i. */
  marker?: RegExp;
  /** Names that count. Default: whatever is listed. */
  segments?: readonly string[];
}

export interface F1Scores {
  /** Over all names of all answers together, [0, 1]; null where no truth and no answer names any. */
  micro: number | null;
  /** Share of the names in answers that the truth has too; null where the answers name none. */
  microPrecision: number | null;
  /** Share of the names in truths that the answer has too; null where the truths name none. */
  microRecall: number | null;
  /** Mean of each name's own F1, over the names that occur, [0, 1]; null where none does. */
  macro: number | null;
  perSegment: Record<string, { f1: number; precision: number; recall: number; support: number }>;
}

export interface GenerationSample {
  index: number;
  question: string;
  prompt: string;
  truth: string;
  answer: string;
  exact: boolean;
  verdict: { truth: string | null; answer: string | null };
  segments: { truth: string[]; answer: string[] };
}

export interface GenerationMetrics {
  count: number;
  exactMatch: number;
  /** Null where no truth has a verdict. */
  verdictAccuracy: number | null;
  /** Null where nobody names a segment. */
  segmentMicroF1: number | null;
  segmentMacroF1: number | null;
  rougeL: number;
  /** Share of the numbers in the answers that their prompts have; null where no answer has a number. */
  supportedNumbers: number | null;
  /** Time spent in `generate`. */
  timeMs: number;
}

export interface EvaluateGenerationOptions {
  records: readonly DataRecord[];
  /** Prompts to answers, one each, in order. */
  generate: (prompts: string[]) => Promise<string[]>;
  template?: PromptTemplate;
  /** Prompts per call. Default 8. */
  batchSize?: number;
  onProgress?: (progress: { done: number; total: number }) => void;
  verdicts?: readonly VerdictRule[];
  segments?: SegmentOptions;
  /** Numbers that belong to the task's wording, such as the 3 of "3 minutes". */
  allowedNumbers?: readonly number[];
  /** The question as the table shows it. Default: the record's fields, but for `response` and `system`. */
  question?: (record: DataRecord) => string;
}

export interface GenerationEvaluation {
  metrics: GenerationMetrics;
  verdicts: VerdictScores;
  segments: F1Scores;
  samples: GenerationSample[];
}

export interface ReportOptions {
  folder: string;
  /** File name without extension. Default 'samples'. */
  name?: string;
  title?: string;
  /** Rows in the HTML and Markdown tables. Default 100; the JSON always has all. */
  maxRows?: number;
}
