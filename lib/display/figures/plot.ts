/**
 * `plot()`: one call shows a Plotly figure, interactive where scripts run (Jupyter) and as a static image
 * everywhere (GitHub, VS Code, a saved file). `livePlot()` redraws one in place while something runs.
 */
import { createHash } from 'node:crypto';
import path from 'node:path';
import { requireOptions } from '../../options';
import { TunebookError } from '../../types';
import { makeFolderSync, writeFileAtomicSync } from '../../files';
import { displayHandle, isInNotebook, show } from '../output/display';
import type { ShownOutput } from '../output/display';
import { figureTitle, styledFigure } from './figure';
import type { Figure, FigureSize } from './figure';
import { lineSvg } from './line-svg';
import { KERNEL_NAME, PLOTLY_FILE } from '../output/kernel-names';
import { renderFigure, svgToPng } from './render-figure';

/** Interactive figures of this process so far. */
let figureCount = 0;

/** JSON that can stand inside a script element. */
function scriptJson(value: unknown): string {
  return JSON.stringify(value)
    .replace(/</g, '\\u003c')
    .replace(/\u2028/g, '\\u2028')
    .replace(/\u2029/g, '\\u2029');
}

/**
 * The interactive form: a page piece that finds plotly.js on the notebook server (beside the kernelspec, or in
 * node_modules of any folder above the notebook), draws, and hides the static image beside it. Without plotly.js the
 * image stays.
 * @param image where the static image stands: in the output that follows, or in the one before
 */
export function interactiveHtml(
  figure: Figure,
  size: FigureSize = {},
  image: 'after' | 'before' = 'after',
): string {
  const { data, layout } = styledFigure(figure, size);
  // The same in each run of a notebook, and another for each figure of it.
  const id = `tunebook-${createHash('sha256')
    .update(`${figureCount++} ${scriptJson({ data, layout })}`)
    .digest('hex')
    .slice(0, 12)}`;
  return `<div id="${id}"></div><script>(function(){
var e=document.getElementById("${id}"),f=${scriptJson({ data, layout })},w=window;
function hide(n){var c=e.closest(".output_area,.jp-OutputArea-child"),s=c&&c.${image === 'after' ? 'nextElementSibling' : 'previousElementSibling'};
if(s&&s.querySelector("svg,img"))s.style.display="none";else if(n)setTimeout(hide,500,n-1)}
function draw(p){p.newPlot(e,f.data,f.layout,{responsive:true}).then(function(){hide(10)})}
if(w.Plotly)return draw(w.Plotly);
var c=document.getElementById("jupyter-config-data"),b=document.body.dataset.baseUrl||(c&&JSON.parse(c.textContent).baseUrl)||"/",
t=[b+"kernelspecs/${KERNEL_NAME}/${PLOTLY_FILE}"],
p=decodeURI(location.pathname).split(/\\/(?:notebooks|lab\\/tree|doc\\/tree|tree)\\//)[1]||"",d=p.split("/");
while(d.length){d.pop();t.push(b+"files/"+d.concat("node_modules/plotly.js-dist/plotly.js").join("/"))}t.push("plotly.js");
(function next(){var u=t.shift();if(!u)return;
if(w.require&&w.define&&w.define.amd)return w.require([u],function(p){draw(p||w.Plotly)},next);
var s=document.createElement("script");s.src=u;s.onload=function(){draw(w.Plotly)};s.onerror=next;document.head.appendChild(s)})()
})()</script>`;
}

/** A figure in words, for terminals: its title, and for each trace how far its values go. */
export function figureText(figure: Figure): string {
  const lines = figure.data.map((trace, i) => {
    const values = (Array.isArray(trace.y) ? trace.y : Array.isArray(trace.x) ? trace.x : []) as unknown[];
    const numbers = values.filter(
      (value): value is number => typeof value === 'number' && Number.isFinite(value),
    );
    const name = typeof trace.name === 'string' ? trace.name : `trace ${i + 1}`;
    if (numbers.length === 0) return `  ${name}`;
    const low = numbers.reduce((a, b) => Math.min(a, b));
    const high = numbers.reduce((a, b) => Math.max(a, b));
    const short = (n: number): string => String(Number(n.toPrecision(4)));
    return `  ${name}: ${numbers.length} values from ${short(low)} to ${short(high)}, last ${short(numbers[numbers.length - 1])}`;
  });
  return [`[figure] ${figureTitle(figure)}`, ...lines].join('\n');
}

/** An SVG of more bytes than this makes a notebook slow to open: many thousands of points are sent as pixels. */
const MAX_SVG_BYTES = 1_000_000;

/** The static picture as an output; where none can be drawn, the figure in words and why. */
async function staticImage(figure: Figure, size: FigureSize): Promise<ShownOutput> {
  const text = figureText(figure);
  try {
    const svg = await renderFigure(figure, { ...size, format: 'svg' });
    if (svg.length <= MAX_SVG_BYTES)
      return { data: { 'image/svg+xml': svg, 'text/plain': text }, metadata: {} };
    const scale = 2; // PNG's pixels for each of the figure's
    const png = svgToPng(svg, { scale });
    const [width, height] = [16, 20].map((at) => png.readUInt32BE(at) / scale);
    return {
      data: { 'image/png': png.toString('base64'), 'text/plain': text },
      metadata: { 'image/png': { width, height } },
    };
  } catch (error) {
    if (!(error instanceof TunebookError)) throw error;
    return { data: { 'text/plain': `${text}\n  (${error.message})` }, metadata: {} };
  }
}

/**
 * Shows a figure: interactive and, in an output of its own, static; in words in a terminal, and where it has no
 * static picture.
 * @example
 * ```ts
 * import { lineFigure, plot, saveFigure } from 'tunebook';
 *
 * const figure = lineFigure([{ name: 'train', x: [1, 2, 3], y: [3.1, 2.2, 1.9] }], { title: 'Loss', x: 'step' });
 * await plot(figure);
 * await saveFigure(figure, 'loss.svg');
 * ```
 */
export async function plot(figure: Figure, size: FigureSize = {}): Promise<void> {
  if (!isInNotebook()) {
    show({ 'text/plain': figureText(figure) });
    return;
  }
  for (const { data, metadata } of await plotForms(figure, size)) show(data, metadata);
}

/** The two outputs of a figure in a notebook: interactive, then static. */
export async function plotForms(figure: Figure, size: FigureSize = {}): Promise<ShownOutput[]> {
  const image = await staticImage(figure, size);
  return [{ data: { 'text/html': interactiveHtml(figure, size), 'text/plain': figureText(figure) } }, image];
}

/** A figure that is redrawn in place. */
export interface LivePlot {
  /** Shows the figure as it is now; calls that come too fast are put together, the last one wins. */
  update(figure: Figure): void;
  /** Shows the last figure for good, static and interactive. */
  finish(figure?: Figure): Promise<void>;
}

/** Settings of `livePlot`. */
export interface LivePlotOptions extends FigureSize {
  /** Shortest time between two drawings, in ms; drawing never takes more than a twentieth of the time. Default 1000. */
  readonly throttleMs?: number;
  /**
   * While it is live, lines are drawn by short code of our own, which takes no time worth counting; so that a page far
   * away follows as well, it sends 50 kB a second at most. Default false.
   */
  readonly draft?: boolean;
}

/** Of drafts: 50 kB a second. */
const MOST_BYTES_A_MS = 50;

/** The figure's lines as an svg that takes a millisecond; none where there is anything but lines. */
function draftSvg(figure: Figure): string | undefined {
  const series = figure.data.map(({ type, name, x, y }, i) => {
    if (type !== 'scatter' || !Array.isArray(x) || !Array.isArray(y)) return undefined;
    const points = x.map((at: unknown, k) => [Number(at), Number(y[k])] as const);
    return { name: typeof name === 'string' ? name : `trace ${i + 1}`, points };
  });
  if (series.length === 0 || !series.every((one) => one !== undefined)) return undefined;
  return lineSvg({ title: figureTitle(figure), series }, { standalone: true });
}

/** Starts a figure that is redrawn in place, during training for instance. */
export function livePlot(options: LivePlotOptions = {}): LivePlot {
  requireOptions<LivePlotOptions>(options, {
    where: 'livePlot',
    names: { throttleMs: true, draft: true, width: true, height: true },
  });
  const { throttleMs = 1000, draft = false, ...size } = options;
  const handle = displayHandle();
  let latest: Figure | undefined;
  let drawing: Promise<void> | undefined;
  let nextMs = 0;

  const draw = async (figure: Figure): Promise<void> => {
    const text = figureText(figure);
    if (!isInNotebook()) {
      handle.update({ 'text/plain': text });
      return;
    }
    const start = Date.now();
    const { data, metadata } = await staticImage(figure, size);
    handle.update(data, metadata);
    nextMs = Date.now() + Math.max(throttleMs, 20 * (Date.now() - start));
  };
  return {
    update(figure) {
      latest = figure;
      if (drawing || Date.now() < nextMs) return;
      nextMs = Date.now() + throttleMs;
      const svg = draft && isInNotebook() ? draftSvg(figure) : undefined;
      if (svg !== undefined) {
        handle.update({ 'image/svg+xml': svg, 'text/plain': figureText(figure) });
        nextMs = Date.now() + Math.max(throttleMs, svg.length / MOST_BYTES_A_MS);
        return;
      }
      drawing = draw(figure)
        .catch((error: unknown) =>
          handle.update({ 'text/plain': `[figure] cannot be drawn: ${String(error)}` }),
        )
        .finally(() => {
          drawing = undefined;
        });
    },
    async finish(figure = latest ?? undefined) {
      await drawing;
      if (!figure) return;
      await draw(figure);
      // The interactive form goes below: it must not stand in an output that is updated without it.
      if (isInNotebook())
        show({ 'text/html': interactiveHtml(figure, size, 'before'), 'text/plain': figureText(figure) });
    },
  };
}

/**
 * Saves a figure; the name's ending says how: `.svg`, `.png`, `.json` (Plotly's own form).
 * @throws TunebookError for another ending
 */
export async function saveFigure(figure: Figure, file: string, size: FigureSize = {}): Promise<void> {
  const kind = path.extname(file).toLowerCase();
  makeFolderSync(path.dirname(path.resolve(file)));
  if (kind === '.svg') writeFileAtomicSync(file, await renderFigure(figure, { ...size, format: 'svg' }));
  else if (kind === '.png') writeFileAtomicSync(file, await renderFigure(figure, { ...size, format: 'png' }));
  else if (kind === '.json') writeFileAtomicSync(file, `${JSON.stringify(figure)}\n`);
  else throw new TunebookError(`saveFigure: expected a file that ends in .svg, .png or .json, got ${file}`);
}
