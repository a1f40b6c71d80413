/** Which of Plotly's kinds of traces can be drawn without a browser, and what stands in for the others. */
import { TunebookError } from '../../types';
import type { Figure } from './figure';

/** Kinds that WebGL draws, with those that draw the same as SVG. */
const SVG_TWINS: Record<string, string> = {
  scattergl: 'scatter',
  scatterpolargl: 'scatterpolar',
  heatmapgl: 'heatmap',
};

/** Kinds that need WebGL, or maps from the network: Plotly would wait for them without end. */
const BROWSER_ONLY =
  /3d$|^(?:surface|cone|streamtube|isosurface|volume|splom|parcoords|pointcloud)$|^(?:scatter|density|choropleth)map(?:box)?$|^choropleth$|geo$/;

/**
 * The figure in kinds that are drawn as SVG.
 * @throws TunebookError for a kind that only a browser draws
 */
export function drawableFigure(figure: Figure): Figure {
  const kinds = figure.data.map(({ type }) => String(type ?? 'scatter'));
  const impossible = [...new Set(kinds.filter((kind) => BROWSER_ONLY.test(kind)))];
  if (impossible.length > 0)
    throw new TunebookError(
      `plot: traces of kind ${impossible.join(', ')} have no static picture: they need a browser`,
    );
  if (!kinds.some((kind) => Object.hasOwn(SVG_TWINS, kind))) return figure;
  const data = figure.data.map((trace, i) => ({ ...trace, type: SVG_TWINS[kinds[i]] ?? kinds[i] }));
  return { ...figure, data };
}
