/** The door of `display`: what cells and terminals show. Cheap to import; Plotly, jsdom and resvg load on first use. */
export { diffWords } from './output/diff';
export type { DiffPart } from './output/diff';
export {
  VOLATILE,
  clearOutput,
  displayHandle,
  isInNotebook,
  show,
  showHtml,
  showMarkdown,
} from './output/display';
export type { DisplayHandle, MimeBundle, ShownOutput } from './output/display';
export { barFigure, heatmapFigure, histogramFigure, intervalFigure, lineFigure } from './figures/figure';
export type { Estimate, Figure, FigureSize, FigureTitles, Series } from './figures/figure';
export { escapeHtml } from './output/html';
export { KERNEL_NAME, PLOTLY_FILE } from './output/kernel-names';
export { lineSvg } from './figures/line-svg';
export type { LineFigure } from './figures/line-svg';
export { robustRange } from './figures/robust-range';
export type { RobustRange } from './figures/robust-range';
export { figureText, interactiveHtml, livePlot, plot, saveFigure } from './figures/plot';
export type { LivePlot, LivePlotOptions } from './figures/plot';
export { renderMarkedTexts } from './output/marked-text';
export type { MarkedText } from './output/marked-text';
export { progressBar } from './output/progress';
export type { ProgressBar, ProgressOptions } from './output/progress';
export { profileSvg, standing } from './figures/profile-svg';
export type { ProfileFigure, ProfileRow } from './figures/profile-svg';
export type { RowFigureOptions } from './figures/svg-parts';
export { waterfallSvg } from './figures/waterfall-svg';
export type { WaterfallFigure, WaterfallStep } from './figures/waterfall-svg';
export { renderFigure, svgToPng } from './figures/render-figure';
export type { RenderOptions } from './figures/render-figure';
export { richResult } from './figures/rich-result';
export { renderDiff, renderSamples, showDiff, showSamples } from './output/samples';
export type { Sample, SamplesOptions } from './output/samples';
export { cellText, plainText, renderTable, showTable } from './output/table';
export type { FrameLike, TableOptions, TableRows } from './output/table';
export { clockTime, formatDuration, formatSize } from './output/text';
