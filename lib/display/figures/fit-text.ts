/**
 * Space for the texts of a static figure. In a browser Plotly measures and its legend scrolls; drawn without one, what
 * does not fit would be cut off: titles and legend entries wrap, margins and height grow.
 */
import type { Figure, FigureSize } from './figure';
import { textWidth } from './font';

/** The text with `<br>` where a line would be wider than `maxWidth` pixels; words stay whole unless one is wider. */
export function wrapText(text: string, maxWidth: number, fontSize: number): string {
  const lines: string[] = [];
  for (const given of text.split(/<br\s*\/?>/)) {
    let line = '';
    for (const word of given.split(' ').flatMap((part) => splitWord(part, maxWidth, fontSize))) {
      const longer = line === '' ? word : `${line} ${word}`;
      if (line !== '' && textWidth(longer, fontSize) > maxWidth) {
        lines.push(line);
        line = word;
      } else line = longer;
    }
    lines.push(line);
  }
  return lines.join('<br>');
}

function splitWord(word: string, maxWidth: number, fontSize: number): string[] {
  if (textWidth(word, fontSize) <= maxWidth) return [word];
  const parts = [''];
  for (const character of word) {
    const last = parts.length - 1;
    if (parts[last] !== '' && textWidth(parts[last] + character, fontSize) > maxWidth) parts.push(character);
    else parts[last] += character;
  }
  return parts;
}

const linesOf = (text: string): number => text.split('<br>').length;

/** Widths of the names of an axis's categories, in pixels. */
function categoryWidths(figure: Figure, axis: 'x' | 'y'): number[] {
  const labels = new Set<string>();
  for (const trace of figure.data)
    for (const value of Array.isArray(trace[axis]) ? (trace[axis] as unknown[]) : [])
      if (typeof value === 'string' && Number.isNaN(Number(value))) labels.add(value);
  return [...labels].map((label) => textWidth(label, 12));
}

/** Below the plot: names that do not fit side by side are turned by 30 degrees, or upright where they are many. */
function bottomMargin(widths: readonly number[], plotWidth: number): number {
  const widest = Math.max(0, ...widths);
  const slot = plotWidth / Math.max(1, widths.length);
  if (widest <= slot - 6) return 60;
  return Math.min(260, slot < 30 ? widest + 50 : 0.55 * widest + 60);
}

function legendShown({ data, layout }: Figure): boolean {
  if (typeof layout?.showlegend === 'boolean') return layout.showlegend;
  return data.filter(({ showlegend }) => showlegend !== false).length > 1;
}

/** A figure with its texts in lines, and what is to be set aside for them in pixels. */
export interface FittedFigure {
  readonly figure: Figure;
  readonly size: FigureSize;
  readonly margins: Readonly<Record<string, number>>;
}

/** Fits the texts of a figure into it; a legend with many entries makes the figure higher. */
export function fitTexts(figure: Figure, size: FigureSize = {}): FittedFigure {
  const layout: Record<string, unknown> = { ...figure.layout };
  const width = size.width ?? Number(layout.width ?? 720);
  const height = size.height ?? Number(layout.height ?? 420);
  const margins: Record<string, number> = {};
  const { title } = layout;
  const text = typeof title === 'string' ? title : (title as { text?: unknown } | undefined)?.text;
  let top = title === undefined ? 25 : 50;
  if (typeof text === 'string') {
    const wrapped = wrapText(text, width - 50, 17);
    layout.title = typeof title === 'string' ? wrapped : { ...(title as object), text: wrapped };
    top += 22 * (linesOf(wrapped) - 1);
    if (linesOf(wrapped) > 1) margins.t = top;
  }
  let data = figure.data;
  let legendWidth = 0;
  let legendHeight = 0;
  if (legendShown(figure)) {
    data = data.map((trace) =>
      typeof trace.name === 'string' ? { ...trace, name: wrapText(trace.name, 0.32 * width, 12) } : trace,
    );
    const names = data.filter(({ showlegend }) => showlegend !== false).map(({ name }) => String(name ?? ''));
    const lines = names.flatMap((name) => name.split('<br>'));
    legendWidth = 60 + Math.max(0, ...lines.map((line) => textWidth(line, 12)));
    legendHeight = names.reduce((sum, name) => sum + 4 + 16 * linesOf(name), 30);
  }
  margins.l = Math.max(70, Math.min(260, Math.max(0, ...categoryWidths(figure, 'y')) + 40));
  margins.b = bottomMargin(categoryWidths(figure, 'x'), width - margins.l - 25 - legendWidth);
  const needed = top + margins.b + legendHeight;
  return {
    figure: { data, layout },
    size: needed > height ? { ...size, height: Math.ceil(needed) } : size,
    margins,
  };
}
