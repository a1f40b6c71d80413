/** The notebook kit's door: display calls for cells, and the runner. Cheap to import; heavy parts load on first use. */
export {
  barFigure,
  clearOutput,
  diffWords,
  displayHandle,
  escapeHtml,
  figureText,
  heatmapFigure,
  histogramFigure,
  interactiveHtml,
  intervalFigure,
  isInNotebook,
  lineFigure,
  livePlot,
  plot,
  progressBar,
  renderDiff,
  renderFigure,
  renderSamples,
  renderTable,
  saveFigure,
  show,
  showDiff,
  showHtml,
  showMarkdown,
  showSamples,
  showTable,
} from '../display';
export type {
  DiffPart,
  DisplayHandle,
  Estimate,
  Figure,
  FigureSize,
  FigureTitles,
  FrameLike,
  LivePlot,
  LivePlotOptions,
  MimeBundle,
  ProgressBar,
  ProgressOptions,
  RenderOptions,
  Sample,
  SamplesOptions,
  Series,
  TableOptions,
  TableRows,
} from '../display';
export type { CellOutput, MultilineText, Notebook, NotebookCell } from './format/nbformat';
export { notebookPath, projectPath, runFolder } from './places';
export type { CellResult, RunEvent, RunNotebookOptions, RunResult, RunStatus } from './run/run-types';
export { runNotebook } from './run/runner';
export { lossFigure, trainingView } from './training-view';
