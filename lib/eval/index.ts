/**
 * The door of `eval`: metrics on answers, evaluation over a test set, and reports. Every metric is a pure function.
 */
export { checkClaims } from './claims';
export type { Claim, ClaimCheck, ClaimEvidence, ClaimLine, ClaimPassage, ClaimPhrases } from './claims';
export { CITATION } from './claim-text';
export type { FigureForm } from './claim-text';
export { corruptAnswer, CORRUPTIONS } from './corruptions';
export type { Corruption, CorruptionOptions } from './corruptions';
export { evaluateGeneration } from './evaluate';
export { requirePairs } from './pairs';
export { supportedNumbers } from './numbers';
export { writeReport } from './report';
export { evaluateRetrieval } from './retrieval';
export type {
  EvaluateRetrievalOptions,
  LabelledQuery,
  MeasuredRetriever,
  RetrievalEvaluation,
  RetrievedQuery,
} from './retrieval';
export { exactMatch, perplexity, rougeL } from './text-metrics';
export type {
  EvaluateGenerationOptions,
  GenerationEvaluation,
  GenerationMetrics,
  GenerationSample,
  Metric,
  MetricFunction,
  MetricInputs,
  ReportFigure,
  ReportOptions,
} from './types';
