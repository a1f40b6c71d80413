/** The notebook kit's door: display calls for cells, and the runner. Cheap to import; heavy parts load on first use. */
export {
  clearOutput,
  displayHandle,
  escapeHtml,
  isInNotebook,
  show,
  showHtml,
  showMarkdown,
} from './display';
export type { DisplayHandle } from './display';
export { barFigure, histogramFigure, lineFigure } from './figure';
export type { Figure, FigureSize, FigureTitles, Series } from './figure';
export { figureText, interactiveHtml, livePlot, plot, saveFigure } from './plot';
export type { LivePlot, LivePlotOptions } from './plot';
export { progressBar } from './progress';
export type { ProgressBar, ProgressOptions } from './progress';
export { renderFigure } from './render-figure';
export type { RenderOptions } from './render-figure';
export { diffWords } from './diff';
export type { DiffPart } from './diff';
export { renderDiff, renderSamples, showDiff, showSamples } from './samples';
export type { Sample, SamplesOptions } from './samples';
export { renderTable, showTable } from './table';
export type { FrameLike, TableOptions, TableRows } from './table';
export type { CellOutput, MimeBundle, MultilineText, Notebook, NotebookCell } from './nbformat';
export { runNotebook } from './runner';
export type { CellResult, RunEvent, RunOptions, RunResult, RunStatus } from './runner';
export { projectPath, runFolder } from './places';
export { lossFigure, trainingView } from './training-view';
