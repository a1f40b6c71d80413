/**
 * The door of `hyrox`, the race-result domain: result files to tables, labels, evidence and feedback. `loadRecords`
 * reads the records that it writes.
 */
export {
  ageRange,
  columnOf,
  FILE_COLUMNS,
  RACE_ORDER,
  ROXZONES,
  RUNS,
  SEGMENTS,
  STATIONS,
  SUMS,
  TIME_COLUMNS,
} from './tables/columns';
export type { RaceTable } from './tables/columns';
export { formatMinutes, formatTime, parseTime } from './tables/time';
export type { ParsedTime, TimeFormat } from './tables/time';
export { readRaces, parseRaces } from './tables/read';
export type { ReadOptions, ReadRaces, ReadReport } from './tables/read';
export type { Handling, ProblemKind, ProblemOptions, RaceProblem } from './tables/problems';
export { labelAsPublished, publishedBoosting, publishedElbow } from './labels/as-published';
export type {
  FeedbackRecord,
  Mistake,
  PublishedFigures,
  PublishedIntermediate,
  PublishedOptions,
  PublishedResult,
} from './labels/as-published';
export { buildDataset, writeJsonLines } from './labels/build';
export type { BuildOptions, BuildResult } from './labels/build';
export { determinedShare, labelCorrected, labelRaces } from './labels/corrected';
export type { CorrectedFigures, CorrectedResult, LabelledRaces } from './labels/corrected';
export { fit } from './labels/fit';
export type { FitOptions } from './labels/fit';
export { loadState, saveState } from './labels/race-state';
export type { AnswerSettings, RaceState, ReferenceRaces } from './labels/race-state';
export { raceLabels, selectRows } from './tables/label-table';
export type { LabelTable } from './tables/label-table';
export { checkRaces } from './tables/check';
export { peerScores } from './labels/peers';
export type { PeerGroup, PeerModel, PeerOptions, PeerScores } from './labels/peers';
export { expectTotals } from './labels/expect';
export type { Expectation, ExpectationModel, ExpectOptions } from './labels/expect';
export { chooseGroups, cluster, elbowOf, silhouette } from './statistics/cluster';
export type { Clustering, ClusterOptions, GroupChoice, GroupCount } from './statistics/cluster';
export { fitLinear, fitQuality } from './statistics/regression';
export type { FitQuality, LinearModel } from './statistics/regression';
export { fitBoosted } from './statistics/boosting';
export type { BoostedForest, BoostedModel, BoostingOptions } from './statistics/boosting';
export { readContext, scoreOf, writeAnswer, writeContext, slowSegments, verdictOf } from './labels/answers';
export type { AnswerFacts, AnswerOptions, ContextFacts, SegmentFact, Verdict } from './labels/answers';
export { feedbackTemplate } from './labels/coach-prompt';
export { preferencePairs } from './labels/preference-pairs';
export type { PreferencePairOptions, PreferenceRecord } from './labels/preference-pairs';
export { PLAIN_TEMPLATES, RICH_TEMPLATES } from './mapping/templates';
export type { AnswerTemplates } from './mapping/templates';
export { proposeMapping } from './mapping/mapping-draft';
export type { MappingDraft } from './mapping/mapping-draft';
export type { ColumnGuess } from './mapping/mapping-groups';
export { readMapping } from './mapping/mapping';
export type { DatasetMapping } from './mapping/mapping';
export { loadNewRaces } from './labels/load-table';
export type { LoadedTable, LoadOptions } from './labels/load-table';
export { readMappedTable } from './mapping/mapped-table';
export { legacyRandom, publishedSplit } from './statistics/numpy-random';
export type { LegacyRandom } from './statistics/numpy-random';
export { moments, pearson, quantile, spearmanMatrix } from './statistics/statistics';
export type { Moments } from './statistics/statistics';
export { judgeVerdict, raceMetrics } from './metrics/race-metrics';
export type { RaceMetricName, RaceMetricOptions } from './metrics/race-metrics';
export { namedSegments, segmentF1 } from './metrics/segments';
export type { F1Scores, SegmentOptions, VerdictRule, VerdictScores } from './metrics/types';
export { classifyVerdict, RACE_VERDICTS, verdictAccuracy } from './metrics/verdicts';
export { raceEvidence } from './evidence/race-evidence';
export type { EvidenceOptions } from './evidence/race-evidence';
export { measureNeighbors } from './evidence/measure';
export type { MeasureOptions, NeighborQuality } from './evidence/measure';
export { amountText, clockText, segmentKind, segmentName } from './evidence/names';
export type {
  ChangedTime,
  ChangeEvidence,
  ComparedSegment,
  EvidenceLine,
  FinishEvidence,
  GroupEvidence,
  RaceEvidence,
  ReachEvidence,
  SegmentEvidence,
  SegmentKind,
} from './evidence/types';
export { checkedFeedback } from './feedback/checked';
export { claimEvidence, composeFeedback } from './feedback/compose';
export type { ComposeOptions } from './feedback/compose';
export { ENGLISH } from './feedback/english';
export { fillPlan } from './feedback/fill';
export type { FillOptions } from './feedback/fill';
export { adviceOf } from './feedback/passages';
export { balanceVerdicts, filledPlan, isPlanPrompt, PLAN_TEMPLATE, planForm } from './feedback/plan-form';
export type { PlanForm } from './feedback/plan-form';
export { planFeedback, readPlan } from './feedback/plan';
export type { PlanChoices, PlanOptions } from './feedback/plan';
export { FEEDBACK_TEMPLATE, planPrompt, planRecord, planTexts, writtenRecord } from './feedback/records';
export type { WrittenRecord, WrittenRecordOptions } from './feedback/records';
export type {
  Feedback,
  FeedbackCitation,
  FeedbackParagraph,
  FeedbackTexts,
  ParagraphKind,
  Tone,
  UnsupportedSentence,
} from './feedback/types';
export { feedbackPage } from './page/feedback-page';
export type { FeedbackPageOptions } from './page/page-arguments';
export { feedbackView, showFeedback } from './page/feedback-view';
export type { FeedbackView } from './page/feedback-view';
export { feedbackIndex } from './page/index-page';
export type { IndexedRace } from './page/index-page';
export { feedbackMarkdown } from './page/markdown-page';
export { raceFeedback } from './page/race-feedback';
export type { RaceFeedback, RaceFeedbackOptions, WrittenQuestion } from './page/race-feedback';
export type { RaceFileOptions } from './page/race-file';
