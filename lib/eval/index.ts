/**
 * The eval room's door: figures of merit on answers, generation over a test set, and the report of it.
 * Where it stands: last step of the flow, after `generation`. Every metric is a pure function.
 */
import type { DataRecord, PromptTemplate } from '../dataset/index.js';

/** Share of answers equal to the truth, after trimming and joining white space. [0, 1] */
export declare function exactMatch(truths: readonly string[], answers: readonly string[]): number;

/** A class of answer, and the words by which it is known. The first rule that matches counts. */
export interface VerdictRule {
  label: string;
  pattern: RegExp;
}

/** slower / close / outperformed. */
export declare const RACE_VERDICTS: readonly VerdictRule[];

/** The label of the first rule that matches, or null. */
export declare function classifyVerdict(text: string, rules?: readonly VerdictRule[]): string | null;

export interface VerdictScores {
  /** [0, 1] over the truths that have a verdict. */
  accuracy: number;
  correct: number;
  total: number;
  /** truth label -> answer label ('none' where the answer has no verdict) -> count */
  confusion: Record<string, Record<string, number>>;
}

export declare function verdictAccuracy(
  truths: readonly string[],
  answers: readonly string[],
  rules?: readonly VerdictRule[],
): VerdictScores;

export interface SegmentOptions {
  /** The list begins after this. Default /improve:/i. */
  marker?: RegExp;
  /** Names that count. Default: whatever is listed. */
  segments?: readonly string[];
}

/** The names listed after the marker, in order, without repeats. */
export declare function namedSegments(text: string, options?: SegmentOptions): string[];

export interface F1Scores {
  /** Over all names of all answers together. [0, 1] */
  micro: number;
  microPrecision: number;
  microRecall: number;
  /** Mean of each name's own F1. [0, 1] */
  macro: number;
  perSegment: Record<string, { f1: number; precision: number; recall: number; support: number }>;
}

export declare function segmentF1(
  truths: readonly string[],
  answers: readonly string[],
  options?: SegmentOptions,
): F1Scores;

/** Mean ROUGE-L F1 (longest common subsequence of words). [0, 1] */
export declare function rougeL(truths: readonly string[], answers: readonly string[]): number;

/** exp(loss); loss in nats per token. */
export declare function perplexity(loss: number): number;

/** How many of the answer's numbers the context has. */
export declare function supportedNumbers(
  answer: string,
  context: string,
  options?: { allowed?: readonly number[] },
): { supported: number; total: number; unsupported: number[] };

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
  verdictAccuracy: number;
  segmentMicroF1: number;
  segmentMacroF1: number;
  rougeL: number;
  /** Share of numbers in the answers that the question supports; null where no answer has a number. */
  supportedNumbers: number | null;
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
  /** The question as the table shows it. Default: the record's fields but for the response, else the prompt. */
  question?: (record: DataRecord) => string;
}

export interface GenerationEvaluation {
  metrics: GenerationMetrics;
  verdicts: VerdictScores;
  segments: F1Scores;
  samples: GenerationSample[];
}

export declare function evaluateGeneration(options: EvaluateGenerationOptions): Promise<GenerationEvaluation>;

export interface ReportOptions {
  folder: string;
  /** File name without extension. Default 'samples'. */
  name?: string;
  title?: string;
  /** Rows in the HTML and Markdown tables. Default 100; the JSON always has all. */
  maxRows?: number;
}

/** Writes NAME.json, NAME.html and NAME.md; gives their paths. */
export declare function writeReport(
  evaluation: GenerationEvaluation,
  options: ReportOptions,
): Promise<{ json: string; html: string; markdown: string }>;
