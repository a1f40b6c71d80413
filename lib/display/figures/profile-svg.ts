/**
 * Where one stands among others, in several things at once: a dot a row between the slowest and the fastest.
 * SVG text like `line-svg.ts`; a page's style sheet may restyle its classes, and nothing is lost without one.
 */
import { escapeHtml } from '../output/html';
import { COLORWAY, INK } from './figure';
import { clipText, svgSize } from './svg-parts';
import type { RowFigureOptions } from './svg-parts';

/** One thing. */
export interface ProfileRow {
  readonly label: string;
  /** The own value, as text. */
  readonly value: string;
  /** Share of the others that this is better than, 0 .. 100. */
  readonly share: number;
  /** The distance, as text. */
  readonly note: string;
  /** Drawn so that the eye falls on it. */
  readonly strong?: boolean;
}

/** A profile and its words. */
export interface ProfileFigure {
  /** Says all of it, for those who do not see it. */
  readonly title: string;
  readonly rows: readonly ProfileRow[];
  /** Words at the ends and in the middle of the scale. */
  readonly scale: readonly [low: string, middle: string, high: string];
}

/** From this share on a dot counts as ahead; as much below 50 as behind. */
const AHEAD = 60;
const COLORS = { ahead: COLORWAY[0], behind: COLORWAY[1], middle: INK };
const HEAD = 22;

/** How a share is to be read, also as a class of the svg. */
export function standing(share: number): 'ahead' | 'behind' | 'middle' {
  return share >= AHEAD ? 'ahead' : share <= 100 - AHEAD ? 'behind' : 'middle';
}

/** The figure as an svg element; in `narrow` ones each row has two lines, for a phone. */
export function profileSvg(figure: ProfileFigure, options: RowFigureOptions = {}): string {
  const { narrow = false } = options;
  const width = narrow ? 350 : 680;
  const track = narrow ? { from: 14, to: width - 14 } : { from: 232, to: 560 };
  const rowHeight = narrow ? 50 : 30;
  const height = HEAD + figure.rows.length * rowHeight + 4;
  const x = (share: number): number => track.from + ((track.to - track.from) * share) / 100;
  const rule = (share: number, [from, to]: readonly [number, number]): string =>
    `<line class="${share === 50 ? 'median' : 'quarter'}" stroke="${INK}" stroke-opacity="${share === 50 ? 0.7 : 0.2}" ` +
    `x1="${x(share)}" x2="${x(share)}" y1="${from}" y2="${to}"/>`;
  const rules = (from: number, to: number): string[] => [25, 50, 75].map((share) => rule(share, [from, to]));
  const [low, middle, high] = figure.scale;
  const words = [
    `<text class="scale" x="${track.from}" y="12">${escapeHtml(low)}</text>`,
    `<text class="scale" text-anchor="middle" x="${x(50)}" y="12">${escapeHtml(middle)}</text>`,
    `<text class="scale" text-anchor="end" x="${track.to}" y="12">${escapeHtml(high)}</text>`,
  ];
  const rows = figure.rows.map((row, i) => {
    const top = HEAD + i * rowHeight;
    const y = top + (narrow ? 34 : rowHeight / 2);
    const line = narrow ? top + 16 : y + 4;
    const kind = standing(row.share);
    const [at, value, note] = narrow ? [0, width - 96, width] : [0, 214, width];
    const bold = row.strong ? ' font-weight="700"' : '';
    return (
      `<g class="row ${kind}${row.strong ? ' strong' : ''}">${narrow ? rules(y - 7, y + 7).join('') : ''}` +
      `<text class="label" x="${at}" y="${line}"${bold}>${escapeHtml(clipText(row.label, narrow ? 24 : 22))}</text>` +
      `<text class="value" text-anchor="end" x="${value}" y="${line}"${bold}>${escapeHtml(row.value)}</text>` +
      `<line class="track" stroke="${INK}" stroke-opacity="0.35" x1="${track.from}" x2="${track.to}" y1="${y}" y2="${y}"/>` +
      `<line class="stem" stroke="${COLORS[kind]}" stroke-width="${row.strong ? 5 : 3}" x1="${x(50)}" x2="${x(row.share).toFixed(1)}" y1="${y}" y2="${y}"/>` +
      `<circle class="dot" fill="${COLORS[kind]}" cx="${x(row.share).toFixed(1)}" cy="${y}" r="${row.strong ? 12 : 10.5}"/>` +
      `<text class="share" fill="#fff" font-size="${row.share > 99 ? 9.2 : 10.5}" font-weight="600" text-anchor="middle" x="${x(row.share).toFixed(1)}" y="${y + 3.7}">${Math.round(row.share)}</text>` +
      `<text class="note" text-anchor="end" x="${note}" y="${line}"${bold}>${escapeHtml(row.note)}</text></g>`
    );
  });
  return svgSize({ width, height, ...options, title: figure.title }, [
    ...words,
    ...(narrow ? [] : rules(HEAD - 4, height - 4)),
    ...rows,
  ]);
}
