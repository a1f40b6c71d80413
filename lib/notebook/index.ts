/** The notebook kit's door: display calls for cells, and the runner. Cheap to import; heavy parts load on first use. */
export {
  clearOutput,
  displayHandle,
  escapeHtml,
  isInNotebook,
  show,
  showHtml,
  showMarkdown,
} from '../display/display';
export type { DisplayHandle } from '../display/display';
export { barFigure, histogramFigure, lineFigure } from '../display/figure';
export type { Figure, FigureSize, FigureTitles, Series } from '../display/figure';
export { figureText, interactiveHtml, livePlot, plot, saveFigure } from '../display/plot';
export type { LivePlot, LivePlotOptions } from '../display/plot';
export { progressBar } from '../display/progress';
export type { ProgressBar, ProgressOptions } from '../display/progress';
export { renderFigure } from '../display/render-figure';
export type { RenderOptions } from '../display/render-figure';
export { diffWords } from '../display/diff';
export type { DiffPart } from '../display/diff';
export { renderDiff, renderSamples, showDiff, showSamples } from '../display/samples';
export type { Sample, SamplesOptions } from '../display/samples';
export { renderTable, showTable } from '../display/table';
export type { FrameLike, TableOptions, TableRows } from '../display/table';
export type { CellOutput, MimeBundle, MultilineText, Notebook, NotebookCell } from './format/nbformat';
export { runNotebook } from './run/runner';
export type { CellResult, RunEvent, RunOptions, RunResult, RunStatus } from './run/runner';
export { projectPath, runFolder } from './places';
export { lossFigure, trainingView } from './training-view';
