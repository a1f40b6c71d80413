/**
 * A line figure as SVG text: for reports that open anywhere, with nothing to load.
 */
import { escapeHtml } from '../output/html';
import { COLORWAY, INK, PAPER } from './figure';
import { robustRange } from './robust-range';

/** Lines over training steps. */
export interface LineFigure {
  readonly title: string;
  readonly series: readonly {
    readonly name: string;
    readonly points: readonly (readonly [number, number])[];
  }[];
}

const [WIDTH, HEIGHT] = [640, 300];
const MARGIN = { left: 70, right: 15, top: 40, bottom: 40 };
/** More points than this are thinned out: a figure has no more pixels. */
const MOST_POINTS = 1000;

/** The look and the paper of an svg that stands alone; in a page its own style sheet says it. */
const STANDALONE_STYLE =
  `<style>text{font:12px Helvetica,Arial,sans-serif;fill:${INK}}.title{font-size:14px;font-weight:600}` +
  `.end{text-anchor:end}.middle{text-anchor:middle}.grid{stroke:${INK};stroke-opacity:.25}</style>` +
  `<rect width="${WIDTH}" height="${HEIGHT}" fill="${PAPER}"/>`;

/**
 * The axis covers the values but for a few that are far above the rest (a warm-up's): those go out at the top, and the
 * axis says so.
 * @param options.standalone with its own style and size, for an image; default: for a page that styles it
 * @returns an svg element; points that are not finite are left out
 */
export function lineSvg(
  { title, series }: LineFigure,
  { standalone = false }: { standalone?: boolean } = {},
): string {
  const lines = series.map(({ name, points }) => ({ name, points: thinned(points.filter(isFinitePoint)) }));
  const all = lines.flatMap(({ points }) => points);
  const x = axis(
    all.map(([value]) => value),
    MARGIN.left,
    WIDTH - MARGIN.right,
  );
  const heights = all.map(([, value]) => value);
  const { high, above, most } = robustRange(heights);
  const y = axis(
    above > 0 ? heights.filter((value) => value <= high) : heights,
    HEIGHT - MARGIN.bottom,
    MARGIN.top,
  );
  const cut =
    above === 0
      ? ''
      : `<text class="end" x="${WIDTH - MARGIN.right}" y="18">${above} above the axis, up to ${label(most)}</text>`;
  const right = WIDTH - MARGIN.right;
  const grid = [
    ...y.ticks.map(
      (tick) =>
        `<line class="grid" x1="${MARGIN.left}" x2="${right}" y1="${place(y, tick)}" y2="${place(y, tick)}"/>` +
        `<text class="end" x="${MARGIN.left - 8}" y="${place(y, tick)}" dy="4">${label(tick)}</text>`,
    ),
    ...x.ticks.map(
      (tick) => `<text class="middle" x="${place(x, tick)}" y="${HEIGHT - 20}">${label(tick)}</text>`,
    ),
    `<text class="middle" x="${(MARGIN.left + right) / 2}" y="${HEIGHT - 4}">step</text>`,
  ];
  const drawn = lines.map(({ name, points }, i) => {
    const color = COLORWAY[i % COLORWAY.length];
    const path = points.map(([px, py]) => `${place(x, px)},${place(y, py)}`).join(' ');
    const dots = points
      .slice(0, points.length > 40 ? 0 : undefined)
      .map(([px, py]) => `<circle cx="${place(x, px)}" cy="${place(y, py)}" r="2.5" fill="${color}"/>`);
    const key =
      lines.length < 2
        ? ''
        : `<rect x="${MARGIN.left + i * 130}" y="27" width="12" height="4" fill="${color}"/>` +
          `<text x="${MARGIN.left + 17 + i * 130}" y="34">${escapeHtml(name)}</text>`;
    return {
      shape: `<polyline fill="none" stroke="${color}" stroke-width="1.8" points="${path}"/>${dots.join('')}`,
      key,
    };
  });
  // An svg inside cuts its content off; dots at its edges stay whole.
  const [left, top, width, height] = [
    MARGIN.left - 4,
    MARGIN.top - 4,
    right - MARGIN.left + 8,
    y.from - y.to + 8,
  ];
  const size = standalone ? ` width="${WIDTH}" height="${HEIGHT}"` : '';
  return (
    `<svg xmlns="http://www.w3.org/2000/svg"${size} viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeHtml(title)}">` +
    (standalone ? STANDALONE_STYLE : '') +
    `<text class="title" x="${MARGIN.left}" y="18">${escapeHtml(title)}</text>${cut}${grid.join('')}` +
    `<svg x="${left}" y="${top}" width="${width}" height="${height}" viewBox="${left} ${top} ${width} ${height}">` +
    `${drawn.map(({ shape }) => shape).join('')}</svg>${drawn.map(({ key }) => key).join('')}</svg>`
  );
}

interface Axis {
  readonly low: number;
  readonly high: number;
  readonly from: number;
  readonly to: number;
  readonly ticks: readonly number[];
}

/** An axis around the values, with ticks at round numbers; `from` and `to` in pixels. */
function axis(values: readonly number[], from: number, to: number): Axis {
  let low = values.reduce((least, value) => Math.min(least, value), Infinity);
  let high = values.reduce((most, value) => Math.max(most, value), -Infinity);
  if (values.length === 0) [low, high] = [0, 1];
  if (low === high)
    [low, high] = [low - Math.max(Math.abs(low) / 2, 1e-12), high + Math.max(Math.abs(high) / 2, 1e-12)];
  const rough = (high - low) / 5;
  const decade = 10 ** Math.floor(Math.log10(rough));
  const step = decade * ([1, 2, 5].find((factor) => factor * decade >= rough) ?? 10);
  const count = Math.floor(high / step + 1e-9) - Math.ceil(low / step - 1e-9) + 1;
  const ticks = Array.from({ length: count }, (_, i) => (Math.ceil(low / step - 1e-9) + i) * step);
  return { low, high, from, to, ticks };
}

function place({ low, high, from, to }: Axis, value: number): string {
  return (from + ((to - from) * (value - low)) / (high - low)).toFixed(1);
}

function label(value: number): string {
  if (value === 0) return '0';
  const size = Math.abs(value);
  return size >= 1e5 || size < 1e-3
    ? value.toExponential(2).replace(/\.?0+e/, 'e')
    : String(Number(value.toPrecision(6)));
}

function thinned<T>(points: readonly T[]): readonly T[] {
  const stride = Math.ceil(points.length / MOST_POINTS);
  return points.filter((_, i) => i % stride === 0 || i === points.length - 1);
}

function isFinitePoint([x, y]: readonly [number, number]): boolean {
  return Number.isFinite(x) && Number.isFinite(y);
}
