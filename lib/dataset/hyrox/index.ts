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
  publishedElbow,
  type FeedbackRecord,
  type PublishedFigures,
  type PublishedIntermediate,
  type PublishedOptions,
  type PublishedResult,
} from './as-published.js';
export { buildDataset, type BuildOptions } from './build.js';
