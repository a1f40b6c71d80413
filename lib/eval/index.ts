/**
 * The eval room's door: figures of merit on answers, generation over a test set, and the report of it.
 * Where it stands: last step of the flow, after `generation`. Every metric is a pure function.
 */
export { evaluateGeneration } from './evaluate.js';
export { supportedNumbers } from './numbers.js';
export { writeReport } from './report.js';
export { namedSegments, segmentF1 } from './segments.js';
export { exactMatch, perplexity, rougeL } from './text-metrics.js';
export { RACE_VERDICTS, classifyVerdict, verdictAccuracy } from './verdicts.js';
export type {
  EvaluateGenerationOptions,
  F1Scores,
  GenerationEvaluation,
  GenerationMetrics,
  GenerationSample,
  ReportOptions,
  SegmentOptions,
  VerdictRule,
  VerdictScores,
} from './types.js';
