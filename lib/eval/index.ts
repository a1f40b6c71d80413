/**
 * The eval room's door: figures of merit on answers, generation over a test set, and the report of it.
 * Where it stands: last step of the flow, after `generation`. Every metric is a pure function.
 */
export { evaluateGeneration } from './evaluate';
export { supportedNumbers } from './numbers';
export { writeReport } from './report';
export { namedSegments, segmentF1 } from './segments';
export { exactMatch, perplexity, rougeL } from './text-metrics';
export { RACE_VERDICTS, classifyVerdict, verdictAccuracy } from './verdicts';
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
} from './types';
