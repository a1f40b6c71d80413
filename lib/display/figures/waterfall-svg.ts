/**
 * The way from one value to another, step by step, lying down: what is better is on the right.
 * SVG text like `profile-svg.ts`.
 */
import { escapeHtml } from '../output/html';
import { COLORWAY, INK } from './figure';
import { clipText, svgSize } from './svg-parts';
import type { RowFigureOptions } from './svg-parts';

/** A step on the way. */
export interface WaterfallStep {
  readonly label: string;
  /** Added to the value; below 0 it becomes better. */
  readonly by: number;
  /** The same as text. */
  readonly text: string;
  /** Drawn so that the eye falls on it. */
  readonly strong?: boolean;
}

/** A way and its ends; lower values are better. */
export interface WaterfallFigure {
  /** Says all of it, for those who do not see it. */
  readonly title: string;
  readonly from: { readonly label: string; readonly value: number; readonly text: string };
  readonly steps: readonly WaterfallStep[];
  /** Its value is that of `from` and all steps. */
  readonly to: { readonly label: string; readonly text: string };
}

const COLORS = { gain: COLORWAY[1], loss: COLORWAY[0] };

/** The figure as an svg element; in `narrow` ones each row has two lines, for a phone. */
export function waterfallSvg(figure: WaterfallFigure, options: RowFigureOptions = {}): string {
  const { narrow = false } = options;
  const width = narrow ? 350 : 680;
  const rowHeight = narrow ? 38 : 26;
  const place = narrow ? { from: 6, to: width - 6 } : { from: 170, to: width - 76 };
  const values = [figure.from.value];
  for (const { by } of figure.steps) values.push(values[values.length - 1] + by);
  const [best, worst] = [Math.min(...values), Math.max(...values)];
  const span = worst - best || 1;
  const x = (value: number): number => place.from + ((place.to - place.from) * (worst - value)) / span;
  const height = (figure.steps.length + 2) * rowHeight + 6;
  const end = values[values.length - 1];
  const rowAt = (i: number): { y: number; line: number } => {
    const top = 3 + i * rowHeight;
    return narrow
      ? { y: top + 27, line: top + 14 }
      : { y: top + rowHeight / 2, line: top + rowHeight / 2 + 4 };
  };
  // Between two lines of a narrow figure such rules would cross its words.
  const guide = (value: number): string =>
    `<line class="guide" stroke="${INK}" stroke-opacity="0.5" stroke-dasharray="2 3" x1="${x(value).toFixed(1)}" x2="${x(value).toFixed(1)}" y1="${rowAt(0).y}" y2="${rowAt(figure.steps.length + 1).y}"/>`;
  const mark = (i: number, kind: string, at: { label: string; text: string; value: number }): string => {
    const { y, line } = rowAt(i);
    return (
      `<g class="end ${kind}"><text class="label" font-weight="700" x="0" y="${line}">${escapeHtml(clipText(at.label, 24))}</text>` +
      `<circle class="dot" cx="${x(at.value).toFixed(1)}" cy="${y}" r="6"/>` +
      `<text class="value" font-weight="700" text-anchor="end" x="${width}" y="${line}">${escapeHtml(at.text)}</text></g>`
    );
  };
  const steps = figure.steps.map(({ label, by, text, strong }, i) => {
    const { y, line } = rowAt(i + 1);
    const [a, b] = [x(values[i]), x(values[i + 1])];
    const kind = by <= 0 ? 'gain' : 'loss';
    const bold = strong ? ' font-weight="700"' : '';
    const next = rowAt(i + 2).y;
    return (
      `<g class="step ${kind}${strong ? ' strong' : ''}">` +
      `<text class="label" x="0" y="${line}"${bold}>${escapeHtml(clipText(label, narrow ? 26 : 22))}</text>` +
      (narrow
        ? ''
        : `<line class="link" stroke="${INK}" stroke-opacity="0.35" x1="${b.toFixed(1)}" x2="${b.toFixed(1)}" y1="${y}" y2="${next}"/>`) +
      `<rect class="bar" fill="${COLORS[kind]}"${strong ? '' : ' fill-opacity="0.75"'} rx="1.5" x="${Math.min(a, b).toFixed(1)}" width="${Math.max(1.5, Math.abs(a - b)).toFixed(1)}" y="${y - 6}" height="12"/>` +
      `<text class="value" text-anchor="end" x="${width}" y="${line}"${bold}>${escapeHtml(text)}</text></g>`
    );
  });
  return svgSize({ width, height, ...options, title: figure.title }, [
    ...(narrow ? [] : [guide(figure.from.value), guide(end)]),
    mark(0, 'from', figure.from),
    ...steps,
    mark(figure.steps.length + 1, 'to', { ...figure.to, value: end }),
  ]);
}
