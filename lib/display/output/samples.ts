/** Samples beside the truth, and the differences of two texts. */
import { requireOptions } from '../../options';
import { diffWords } from './diff';
import type { DiffPart } from './diff';
import { showHtml } from './display';
import { escapeHtml } from './html';
import { CELL_STYLE, plainText } from './table';

const MARKS = {
  missing: ['del', 'background:rgba(255,80,80,.25);text-decoration:line-through'],
  extra: ['ins', 'background:rgba(60,180,90,.28);text-decoration:none'],
} as const;

/** Long texts scroll in their cells, so that a screen shows several samples; where styles are left out they are whole. */
const scrolling = (html: string): string =>
  html.length < 160 ? html : `<div style="max-height:8.5em;overflow:auto">${html}</div>`;

/** Text with its lines as `<br>`: where styles are left out, line ends would be blanks. */
const linesHtml = (text: string): string => escapeHtml(text).replace(/\r?\n/g, '<br>');

/** Elements that are marked without a style as well: GitHub leaves styles out. */
function diffHtml(parts: readonly DiffPart[]): string {
  return parts
    .map(({ kind, text }, i) => {
      if (kind === 'same') return linesHtml(text);
      const [tag, style] = MARKS[kind];
      // What is deleted and what stands in its place do not touch.
      const gap = kind === 'extra' && parts[i - 1]?.kind === 'missing' ? ' ' : '';
      return `${gap}<${tag} style="${style}">${linesHtml(text)}</${tag}>`;
    })
    .join('');
}

function diffText(parts: readonly DiffPart[]): string {
  const around = { same: ['', ''], missing: ['[-', '-]'], extra: ['{+', '+}'] } as const;
  return parts.map(({ kind, text }) => `${around[kind][0]}${plainText(text)}${around[kind][1]}`).join('');
}

/** Where a generated text departs from the expected one, as HTML (escaped) and as text. */
export function renderDiff(expected: string, actual: string): { html: string; text: string } {
  const parts = diffWords(expected, actual);
  return { html: `<div style="white-space:pre-wrap">${diffHtml(parts)}</div>`, text: diffText(parts) };
}

/** Shows where a generated text departs from the expected one, word by word. */
export function showDiff(expected: string, actual: string): void {
  const { html, text } = renderDiff(expected, actual);
  showHtml(html, text);
}

/** A question with the expected and the generated answer. */
export interface Sample {
  readonly question: string;
  readonly truth: string;
  readonly answer: string;
  /** Whether it counts as right; default: equal but for blanks around. */
  readonly correct?: boolean;
}

/** Settings of `showSamples`. */
export interface SamplesOptions {
  /** Default 10. */
  readonly maxRows?: number;
  readonly caption?: string;
}

/** The samples as HTML (escaped) and as text: question, truth, answer side by side, differences marked. */
export function renderSamples(
  samples: readonly Sample[],
  options: SamplesOptions = {},
): { html: string; text: string } {
  const { maxRows = 10, caption } = options;
  const shown = samples.slice(0, maxRows);
  const style = `${CELL_STYLE}white-space:pre-wrap;text-align:left;max-width:28em`;
  const rows = shown.map(({ question, truth, answer, correct }) => {
    const right = correct ?? truth.trim() === answer.trim();
    const parts = diffWords(truth, answer);
    return {
      html:
        `<tr><td style="${CELL_STYLE}">${right ? '✓' : '✗'}</td><td style="${style}">${scrolling(linesHtml(question))}</td>` +
        `<td style="${style}">${scrolling(linesHtml(truth))}</td><td style="${style}">${scrolling(diffHtml(parts))}</td></tr>`,
      text: [
        `${right ? '✓' : '✗'} question: ${plainText(question)}`,
        `  truth:    ${plainText(truth)}`,
        `  answer:   ${plainText(answer)}`,
        ...(right ? [] : [`  changes:  ${diffText(parts)}`]),
      ].join('\n'),
    };
  });
  const rest = samples.length - shown.length;
  const restText = rest > 0 ? `… and ${rest} more` : '';
  const head = ['', 'question', 'truth', 'answer']
    .map((name) => `<th style="${style}">${name}</th>`)
    .join('');
  const html =
    `<table style="border-collapse:collapse">` +
    (caption === undefined ? '' : `<caption style="text-align:left">${escapeHtml(caption)}</caption>`) +
    `<thead><tr>${head}</tr></thead>\n<tbody>${rows.map((row) => row.html).join('\n')}</tbody></table>` +
    (restText === '' ? '' : `<p>${restText}</p>`);
  const text = [...(caption === undefined ? [] : [caption]), ...rows.map((row) => row.text), restText]
    .filter((line) => line !== '')
    .join('\n\n');
  return { html, text };
}

/** Shows questions with truth and answer side by side, differences marked. */
export function showSamples(samples: readonly Sample[], options: SamplesOptions = {}): void {
  requireOptions<SamplesOptions>(options, { where: 'showSamples', names: { maxRows: true, caption: true } });
  const { html, text } = renderSamples(samples, options);
  showHtml(html, text);
}
