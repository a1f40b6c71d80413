/** The door of running notebooks: one or several; pages and summaries of what came of it. */
export { foldCarriageReturns } from './cell-outputs';
export { cellTitle, earlierDurations } from './executed-copy';
export { inParallel } from './in-parallel';
export { listFiles, outputPlaces, writtenSince } from './output-places';
export type { FoundFile } from './output-places';
export { endRanksBefore, rankLog, rankOfRun } from './ranks';
export { jsonSummary, junitReport } from './run-summary';
export type { CellResult, RunEvent, RunNotebookOptions, RunResult, RunStatus } from './run-types';
export { runNotebook } from './runner';
export { onStopSignals } from './stop-signals';
export type { StopSignals } from './stop-signals';
