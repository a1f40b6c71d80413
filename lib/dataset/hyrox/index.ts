/**
 * The race-result domain: result files to tables, tables to features, features to feedback records.
 * Where it stands: in front of everything else; what it writes is what `loadRecords` reads.
 */
export * from './columns.js';
export * from './time.js';
export { readRaces, parseRaces, type ReadOptions, type ReadRaces, type ReadReport } from './read.js';
export type { Handling, ProblemKind, ProblemOptions, RaceProblem } from './problems.js';
export {
  labelAsPublished,
  publishedBoosting,
  publishedElbow,
  type FeedbackRecord,
  type Mistake,
  type PublishedFigures,
  type PublishedIntermediate,
  type PublishedOptions,
  type PublishedResult,
} from './as-published.js';
export { buildDataset, writeJsonLines, type BuildOptions, type BuildResult } from './build.js';
export {
  labelCorrected,
  determinedShare,
  type CorrectedFigures,
  type CorrectedOptions,
  type CorrectedResult,
} from './corrected.js';
export { raceLabels, type LabelTable } from './label-table.js';
export { checkRaces } from './check.js';
export { peerScores, type PeerOptions, type PeerScores } from './peers.js';
export { expectTotals, type Expectation, type ExpectOptions } from './expect.js';
export {
  chooseGroups,
  cluster,
  elbowOf,
  silhouette,
  type Clustering,
  type ClusterOptions,
  type GroupChoice,
  type GroupCount,
} from './cluster.js';
export { fitLinear, fitQuality, type FitQuality, type LinearModel } from './regression.js';
export { fitBoosted, type BoostedModel, type BoostingOptions } from './boosting.js';
export {
  readContext,
  scoreOf,
  writeAnswer,
  writeContext,
  slowSegments,
  verdictOf,
  type AnswerFacts,
  type AnswerOptions,
  type ContextFacts,
  type SegmentFact,
  type Verdict,
} from './answers.js';
export { PLAIN_TEMPLATES, RICH_TEMPLATES, type AnswerTemplates } from './templates.js';
export { readMapping, type DatasetMapping } from './mapping.js';
export { readMappedTable } from './mapped-table.js';
export { legacyRandom, publishedSplit, type LegacyRandom } from './numpy-random.js';
export { moments, pearson, quantile, spearmanMatrix, type Moments } from './statistics.js';
