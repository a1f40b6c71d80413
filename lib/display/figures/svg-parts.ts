/** What figures of rows have in common. */
import { escapeHtml } from '../output/html';
import { INK, PAPER } from './figure';

/** How a figure of rows is drawn. */
export interface RowFigureOptions {
  /** For 350 pixels in place of 680: labels above the marks. Default false. */
  readonly narrow?: boolean;
  /** With a size and paper of its own, for an image; default: it fills the width of its place. */
  readonly standalone?: boolean;
}

interface SvgFrame extends RowFigureOptions {
  readonly width: number;
  readonly height: number;
  readonly title: string;
}

/** Paper around the words of an image, in pixels. */
const PAPER_EDGE = 10;

/** Parts of a figure within their svg element, which has the figure's words as its label. */
export function svgSize(frame: SvgFrame, parts: readonly string[]): string {
  const { width, height, title, narrow = false, standalone = false } = frame;
  const size = standalone ? ` width="${width}" height="${height}"` : '';
  const edge = standalone ? PAPER_EDGE : 0;
  const box = `${-edge} ${-edge} ${width + 2 * edge} ${height + 2 * edge}`;
  const paper = standalone
    ? `<rect class="paper" fill="${PAPER}" x="${-edge}" y="${-edge}" width="100%" height="100%"/>`
    : '';
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" class="${narrow ? 'narrow' : 'wide'}"${size} viewBox="${box}" ` +
    `role="img" aria-label="${escapeHtml(title)}" font-family="Helvetica, Arial, sans-serif" font-size="13" fill="${INK}">` +
    `${paper}${parts.join('')}</svg>`
  );
}

/** A text that takes the width of so many letters at most. */
export function clipText(text: string, letters: number): string {
  return text.length <= letters ? text : `${text.slice(0, letters - 1).trimEnd()}…`;
}
