/**
 * The race-result domain: result files to tables, tables to features, features to feedback records.
 * Where it stands: in front of everything else; what it writes is what `loadRecords` reads.
 */
export * from './columns';
export * from './time';
export { readRaces, parseRaces } from './read';
export type { ReadOptions, ReadRaces, ReadReport } from './read';
export type { Handling, ProblemKind, ProblemOptions, RaceProblem } from './problems';
export { labelAsPublished, publishedBoosting, publishedElbow } from './as-published';
export type {
  FeedbackRecord,
  Mistake,
  PublishedFigures,
  PublishedIntermediate,
  PublishedOptions,
  PublishedResult,
} from './as-published';
export { buildDataset, writeJsonLines } from './build';
export type { BuildOptions, BuildResult } from './build';
export { labelCorrected, determinedShare } from './corrected';
export type { CorrectedFigures, CorrectedOptions, CorrectedResult } from './corrected';
export { raceLabels } from './label-table';
export type { LabelTable } from './label-table';
export { checkRaces } from './check';
export { peerScores } from './peers';
export type { PeerOptions, PeerScores } from './peers';
export { expectTotals } from './expect';
export type { Expectation, ExpectOptions } from './expect';
export { chooseGroups, cluster, elbowOf, silhouette } from './cluster';
export type { Clustering, ClusterOptions, GroupChoice, GroupCount } from './cluster';
export { fitLinear, fitQuality } from './regression';
export type { FitQuality, LinearModel } from './regression';
export { fitBoosted } from './boosting';
export type { BoostedModel, BoostingOptions } from './boosting';
export { readContext, scoreOf, writeAnswer, writeContext, slowSegments, verdictOf } from './answers';
export type { AnswerFacts, AnswerOptions, ContextFacts, SegmentFact, Verdict } from './answers';
export { PLAIN_TEMPLATES, RICH_TEMPLATES } from './templates';
export type { AnswerTemplates } from './templates';
export { readMapping } from './mapping';
export type { DatasetMapping } from './mapping';
export { readMappedTable } from './mapped-table';
export { legacyRandom, publishedSplit } from './numpy-random';
export type { LegacyRandom } from './numpy-random';
export { moments, pearson, quantile, spearmanMatrix } from './statistics';
export type { Moments } from './statistics';
