/**
 * Figures without a browser: Plotly draws into jsdom, the SVG is taken from it, and PNG is made of that by resvg.
 * jsdom has no layout, so text is measured here by the metrics of the face that resvg draws with.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import type { DOMWindow, JSDOM as Dom } from 'jsdom';
import type * as Resvg from '@resvg/resvg-js';
import { TunebookError } from '../../types';
import { styledFigure } from './figure';
import type { Figure, FigureSize } from './figure';
import { drawableFigure } from './figure-kinds';
import { fitTexts } from './fit-text';
import { FONT_FAMILY, FONT_FILE, textWidth } from './font';
import { RasterCanvas } from './raster-canvas';

interface Plotly {
  readonly Snapshot: { toSVG(element: unknown, format: 'svg', scale: number): string };
  newPlot(element: unknown, data: unknown[], layout: unknown, config?: unknown): Promise<unknown>;
  purge(element: unknown): void;
}

function fontSizeOf(element: Element | null): number {
  for (let at = element; at; at = at.parentElement) {
    const styled = at as Partial<SVGElement>;
    const size = Number.parseFloat(styled.style?.fontSize || at.getAttribute('font-size') || '');
    if (size > 0) return size;
  }
  return 12;
}

/** Which part of a text lies before the place that it is drawn at. */
function shareBefore(element: Element): number {
  for (let at: Element | null = element; at; at = at.parentElement) {
    const anchor = (at as Partial<SVGElement>).style?.textAnchor || at.getAttribute('text-anchor');
    if (anchor) return anchor === 'middle' ? 0.5 : anchor === 'end' ? 1 : 0;
  }
  return 0;
}

/** Of the face: from the top of a line to its baseline, in font sizes; its middle is that of the line's height. */
const TOP_TO_BASELINE = 0.97;

function boxOf(element: Element): DOMRect {
  const fontSize = fontSizeOf(element);
  const lines = element.querySelectorAll?.('tspan.line') ?? [];
  const texts =
    lines.length > 0 ? [...lines].map((line) => line.textContent ?? '') : [element.textContent ?? ''];
  const width = Math.max(...texts.map((text) => textWidth(text, fontSize)));
  const height = texts.join('') === '' ? 0 : texts.length * fontSize * 1.25;
  const isText = element.localName === 'text';
  const place = (name: string): number => (isText ? Number(element.getAttribute(name) ?? 0) : 0);
  const x = place('x') - (isText ? width * shareBefore(element) : 0);
  const y = place('y') - (isText && height > 0 ? TOP_TO_BASELINE * fontSize : 0);
  const box = { x, y, left: x, top: y, width, height, right: x + width, bottom: y + height };
  return { ...box, toJSON: () => box };
}

/** What Plotly asks of a browser and jsdom lacks. */
function addLayout(window: DOMWindow): void {
  const element = window.Element.prototype;
  const svg = window.SVGElement.prototype;
  element.getBoundingClientRect = function (this: Element) {
    return boxOf(this);
  };
  Object.assign(svg, {
    getBBox(this: Element) {
      return boxOf(this);
    },
    getComputedTextLength(this: Element) {
      return boxOf(this).width;
    },
    getTotalLength: () => 100,
    getPointAtLength: () => ({ x: 0, y: 0 }),
  });
  const surfaces = new WeakMap<object, RasterCanvas>();
  Object.assign(window.HTMLCanvasElement.prototype, {
    getContext(this: HTMLCanvasElement, kind: string): RasterCanvas | null {
      if (kind !== '2d') return null;
      const surface = surfaces.get(this) ?? new RasterCanvas(this.width, this.height);
      surfaces.set(this, surface);
      return surface;
    },
    toDataURL(this: HTMLCanvasElement): string {
      return surfaces.get(this)?.toDataUrl() ?? 'data:,';
    },
  });
  const global = window as unknown as Record<string, unknown>;
  global.requestAnimationFrame = (task: (ms: number) => void) => setTimeout(() => task(Date.now()), 0);
  global.TextDecoder ??= TextDecoder;
  global.TextEncoder ??= TextEncoder;
  Object.assign(window.URL, { createObjectURL: () => 'blob:none', revokeObjectURL: () => undefined });
}

let loaded: { window: DOMWindow; plotly: Plotly } | undefined;

function loadPlotly(): { window: DOMWindow; plotly: Plotly } {
  if (loaded) return loaded;
  const load = createRequire(__filename);
  const { JSDOM, VirtualConsole } = load('jsdom') as { JSDOM: typeof Dom; VirtualConsole: new () => never };
  const { window } = new JSDOM('<!DOCTYPE html><body></body>', {
    runScripts: 'outside-only',
    url: 'http://localhost/',
    virtualConsole: new VirtualConsole(),
  });
  addLayout(window);
  window.eval(fs.readFileSync(load.resolve('plotly.js-dist'), 'utf8'));
  loaded = { window, plotly: (window as unknown as { Plotly: Plotly }).Plotly };
  return loaded;
}

/** Numbers in [0, 1) that follow from a text (mulberry32). */
function seededRandom(text: string): () => number {
  let state = createHash('sha256').update(text).digest().readUInt32LE();
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

async function renderSvg(figure: Figure, size: FigureSize): Promise<string> {
  const { window, plotly } = loadPlotly();
  const fitted = fitTexts(drawableFigure(figure), size);
  const { data, layout } = styledFigure(fitted.figure, fitted.size, fitted.margins);
  // Plotly writes into what it is given: it gets a copy of its own.
  const copy = JSON.parse(JSON.stringify({ data, layout })) as {
    data: unknown[];
    layout: Record<string, unknown>;
  };
  const element = window.document.createElement('div');
  window.document.body.appendChild(element);
  try {
    window.Math.random = seededRandom(JSON.stringify(copy)); // ids and jitter: same figure, same bytes
    await plotly.newPlot(element, copy.data, copy.layout, { staticPlot: true });
    const svg = plotly.Snapshot.toSVG(element, 'svg', 1);
    if (/\bNaN\b/.test(svg.replace(/>[^<]*</g, '><')))
      throw new TunebookError('plot: the figure contains values that cannot be drawn (NaN coordinates)');
    return svg;
  } finally {
    plotly.purge(element);
    element.remove();
  }
}

let queue: Promise<unknown> = Promise.resolve();

/** Settings of `renderFigure`. */
export interface RenderOptions extends FigureSize {
  readonly format: 'svg' | 'png';
  /** Pixels of the PNG for each pixel of the figure. Default 2. */
  readonly scale?: number;
  /** Background of the PNG. Default white: viewers of lone files are not themed. */
  readonly background?: string;
}

/** A figure as SVG text. @throws TunebookError for kinds that only a browser draws */
export async function renderFigure(
  figure: Figure,
  options: RenderOptions & { readonly format: 'svg' },
): Promise<string>;
/** A figure as PNG bytes; its text does not depend on the machine's fonts. */
export async function renderFigure(
  figure: Figure,
  options: RenderOptions & { readonly format: 'png' },
): Promise<Buffer>;
export async function renderFigure(figure: Figure, options: RenderOptions): Promise<string | Buffer> {
  // One at a time: Plotly keeps state in its window.
  const drawn = queue.then(() => renderSvg(figure, options));
  queue = drawn.catch(() => undefined);
  const svg = await drawn;
  return options.format === 'svg' ? svg : svgToPng(svg, options);
}

/** An SVG of `renderFigure` as PNG bytes. */
export function svgToPng(svg: string, options: Pick<RenderOptions, 'scale' | 'background'> = {}): Buffer {
  const { Resvg: Renderer } = createRequire(__filename)('@resvg/resvg-js') as typeof Resvg;
  const { scale = 2, background = 'white' } = options;
  const renderer = new Renderer(
    svg.replace(/image-rendering: ?pixelated/g, 'image-rendering: optimizeSpeed'),
    {
      background,
      fitTo: { mode: 'zoom', value: scale },
      font: {
        loadSystemFonts: false,
        fontFiles: [FONT_FILE],
        defaultFontFamily: FONT_FAMILY,
        sansSerifFamily: FONT_FAMILY,
        serifFamily: FONT_FAMILY,
        monospaceFamily: FONT_FAMILY,
      },
    },
  );
  return renderer.render().asPng();
}
