/** Figures as Plotly describes them (JSON), the look that all of ours share, and short ways to the usual kinds. */
import { isJsonObject } from '../../files';

/** A Plotly figure: traces and layout, as in plotly.js and plotly.py. */
export interface Figure {
  readonly data: readonly Readonly<Record<string, unknown>>[];
  readonly layout?: Readonly<Record<string, unknown>>;
}

/** Size of a figure in pixels. */
export interface FigureSize {
  /** Default 720. */
  readonly width?: number;
  /** Default 420. */
  readonly height?: number;
}

/** Figures bring their own background: no one ink can be read on white and on dark pages. 7.8:1 on it. */
export const INK = '#525252';
export const PAPER = '#ffffff';
const GRID = 'rgba(127,127,127,0.25)';
/** Each 4.8:1 on white, as ink and as ground for white text; as lines 3.4:1 and more on dark pages (WCAG 2.2). */
export const COLORWAY = [
  '#2574bd',
  '#ac5d1b',
  '#2a8148',
  '#d03837',
  '#815ec2',
  '#98654e',
  '#bf3d95',
  '#717622',
  '#157d88',
] as const;

function merge(
  base: Record<string, unknown>,
  over: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const out = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const before = out[key];
    out[key] = isJsonObject(before) && isJsonObject(value) ? merge(before, value) : value;
  }
  return out;
}

/**
 * The figure with the common look where it sets nothing itself: on paper of its own, on light and dark pages alike.
 * @param margins in pixels, for drawing where nothing can be measured; without them Plotly measures
 */
export function styledFigure(
  figure: Figure,
  size: FigureSize = {},
  margins?: Readonly<Record<string, unknown>>,
): { data: unknown[]; layout: Record<string, unknown> } {
  const axis = { gridcolor: GRID, zerolinecolor: GRID, linecolor: GRID, automargin: margins === undefined };
  const layout: Record<string, unknown> = { ...figure.layout };
  const axes = new Set(['xaxis', 'yaxis', ...Object.keys(layout).filter((key) => /^[xy]axis\d*$/.test(key))]);
  const base: Record<string, unknown> = {
    paper_bgcolor: PAPER,
    plot_bgcolor: PAPER,
    font: { family: 'Helvetica, Arial, sans-serif', size: 12, color: INK },
    colorway: [...COLORWAY],
    margin: { l: 60, r: 25, t: layout.title === undefined ? 25 : 50, b: 50, ...margins },
  };
  for (const name of axes) base[name] = axis;
  if (figure.data.some(({ type }) => /polar/.test(String(type))))
    base.polar = { radialaxis: { gridcolor: GRID }, angularaxis: { gridcolor: GRID } };
  const merged: Record<string, unknown> = {
    ...merge(base, layout),
    width: size.width ?? layout.width ?? 720,
    height: size.height ?? layout.height ?? 420,
  };
  if (typeof merged.title === 'string') merged.title = { text: merged.title };
  for (const name of axes) {
    const own = merged[name] as Record<string, unknown>;
    if (typeof own.title === 'string') merged[name] = { ...own, title: { text: own.title } };
  }
  return { data: figure.data.map(readable), layout: merged };
}

const [BLUE, , GREEN, RED] = COLORWAY;

/** Where Plotly's own colours leave words too faint: pale leaves of trees, its green and its red. */
function readable(trace: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const type = String(trace.type);
  if (/^(?:sunburst|treemap|icicle)$/.test(type)) return merge({ leaf: { opacity: 1 } }, trace);
  if (type === 'waterfall') {
    const [increasing, decreasing, totals] = [GREEN, RED, BLUE].map((color) => ({ marker: { color } }));
    return merge({ increasing, decreasing, totals }, trace);
  }
  if (type !== 'indicator' || !isJsonObject(trace.delta)) return trace;
  return merge({ delta: { increasing: { color: GREEN }, decreasing: { color: RED } } }, trace);
}

/** The figure's title, or a word for it. */
export function figureTitle({ data, layout }: Figure): string {
  const title = layout?.title;
  const text = isJsonObject(title) ? title.text : title;
  if (typeof text === 'string') return text;
  return `${String(data[0]?.type ?? 'line')} figure`;
}

/** Titles of a figure and of its axes. */
export interface FigureTitles {
  readonly title: string;
  readonly x?: string;
  readonly y?: string;
  /** Logarithmic y axis. Default false. */
  readonly logY?: boolean;
}

function layoutOf({ title, x, y, logY }: FigureTitles): Record<string, unknown> {
  return {
    title: { text: title },
    xaxis: x === undefined ? {} : { title: { text: x } },
    yaxis: { ...(y === undefined ? {} : { title: { text: y } }), ...(logY ? { type: 'log' } : {}) },
  };
}

/** One line of a line figure. */
export interface Series {
  readonly name: string;
  readonly x: readonly number[];
  readonly y: readonly number[];
}

/** Lines over a common axis: losses over steps, for instance. */
export function lineFigure(series: readonly Series[], titles: FigureTitles): Figure {
  return {
    data: series.map(({ name, x, y }) => ({
      type: 'scatter',
      mode: x.length < 40 ? 'lines+markers' : 'lines',
      name,
      x,
      y,
    })),
    layout: { ...layoutOf(titles), showlegend: series.length > 1 },
  };
}

/** How often values occur, in `bins` classes. */
export function histogramFigure(values: readonly number[], titles: FigureTitles, bins = 30): Figure {
  return {
    data: [{ type: 'histogram', x: values, nbinsx: bins }],
    layout: { ...layoutOf(titles), bargap: 0.05 },
  };
}

/** One bar for each name. */
export function barFigure(bars: Readonly<Record<string, number>>, titles: FigureTitles): Figure {
  return { data: [{ type: 'bar', x: Object.keys(bars), y: Object.values(bars) }], layout: layoutOf(titles) };
}

/** A value with its interval, of a measure over a sample. */
export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** One bar for each name, with its interval. */
export function intervalFigure(bars: Readonly<Record<string, Estimate>>, titles: FigureTitles): Figure {
  const estimates = Object.values(bars);
  const trace = {
    type: 'bar',
    x: Object.keys(bars),
    y: estimates.map(({ value }) => value),
    error_y: {
      type: 'data',
      symmetric: false,
      array: estimates.map(({ value, high }) => high - value),
      arrayminus: estimates.map(({ value, low }) => value - low),
      color: INK,
    },
  };
  return { data: [trace], layout: layoutOf(titles) };
}

/**
 * Shares from 0 to 1 of each pair of a row and a column, written into the cells as percent; a missing one stays empty.
 * @param shares shares by row name, then by column name; the first row is drawn at the top
 */
export function heatmapFigure(
  shares: Readonly<Record<string, Readonly<Record<string, number | undefined>>>>,
  titles: FigureTitles,
): Figure {
  const rows = Object.keys(shares);
  const columns = [...new Set(Object.values(shares).flatMap((row) => Object.keys(row)))];
  const layout = layoutOf(titles);
  const trace = {
    type: 'heatmap',
    x: columns,
    y: rows,
    z: rows.map((row) => columns.map((column) => shares[row][column] ?? null)),
    zmin: 0,
    zmax: 1,
    // Light to dark, so that it reads the same in grey and with any kind of colour vision; dark text has 5:1 on each.
    colorscale: [
      [0, '#f4f1ea'],
      [0.5, '#9cc4df'],
      [1, '#4a90c2'],
    ],
    textfont: { color: '#1a1a1a' },
    text: rows.map((row) =>
      columns.map((column) => {
        const share = shares[row][column];
        return share === undefined ? '' : `${Math.round(100 * share)} %`;
      }),
    ),
    texttemplate: '%{text}',
    showscale: false,
    xgap: 2,
    ygap: 2,
  };
  return {
    data: [trace],
    layout: { ...layout, yaxis: { autorange: 'reversed', title: { text: titles.y ?? '' } } },
  };
}
