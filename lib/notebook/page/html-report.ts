/**
 * An executed notebook as one HTML file that opens offline: text, code, outputs and figures, no script, nothing
 * loaded from elsewhere. Scripts in outputs are left out; figures show their static image.
 */
import { stripVTControlCharacters } from 'node:util';
import { Marked } from 'marked';
import { escapeHtml } from '../../display';
import type { MimeBundle } from '../../display';
import { cellSource, joinText } from '../format/nbformat';
import type { CellOutput, Notebook } from '../format/nbformat';
import { isScripted } from '../format/untrusted';
import { colouredCode } from './coloured-code';
import { RUN_STYLE } from './run-style';

/** Addresses that a page of ours may link to; what would run or load something is left as text. */
const SAFE_ADDRESS = /^(?:https?:\/\/|#|[\w.-]+(?:\/|$))/i;

/** Markdown without HTML, and without pictures from elsewhere. */
const markdown = new Marked({
  gfm: true,
  renderer: {
    html: ({ text }) => escapeHtml(text),
    link({ href, tokens }) {
      const text = this.parser.parseInline(tokens);
      return SAFE_ADDRESS.test(href) ? `<a href="${escapeHtml(href)}">${text}</a>` : text;
    },
    image: ({ text }) => escapeHtml(text),
  },
});

/** Markdown as HTML. HTML in it is shown as text. */
export function markdownToHtml(source: string): string {
  return markdown.parse(source, { async: false }).trimEnd();
}

const textOf = (value: unknown): string =>
  typeof value === 'string'
    ? value
    : Array.isArray(value)
      ? joinText(value as string[])
      : JSON.stringify(value);

/** The richest form of an output that needs no script. */
function bundleHtml(data: MimeBundle): string {
  const image = (mime: string, base64: string): string =>
    `<img alt="" src="data:${mime};base64,${base64.replace(/\s/g, '')}">`;
  if ('image/svg+xml' in data)
    return image('image/svg+xml', Buffer.from(textOf(data['image/svg+xml'])).toString('base64'));
  for (const mime of ['image/png', 'image/jpeg'] as const)
    if (mime in data) return image(mime, textOf(data[mime]).replace(/[^A-Za-z0-9+/=]/g, ''));
  const html = 'text/html' in data ? textOf(data['text/html']) : '';
  if (html !== '' && !isScripted(html) && !/<link\b/i.test(html)) return `<div class="wide">${html}</div>`;
  if (/Plotly|newPlot/.test(html)) return ''; // its static image follows
  if ('text/markdown' in data) return markdownToHtml(textOf(data['text/markdown']));
  return 'text/plain' in data ? `<pre>${escapeHtml(textOf(data['text/plain']))}</pre>` : '';
}

function outputHtml(output: CellOutput): string {
  switch (output.output_type) {
    case 'stream':
      return `<pre class="${output.name}">${escapeHtml(stripVTControlCharacters(joinText(output.text)))}</pre>`;
    case 'error':
      return `<pre class="error">${escapeHtml(stripVTControlCharacters(output.traceback.join('\n')))}</pre>`;
    default:
      return bundleHtml(output.data);
  }
}

/**
 * What a person called the notebook: `title` of its metadata, or its first heading.
 * @param otherwise for one without either
 */
export function notebookTitle(notebook: Notebook, otherwise: string): string {
  const { title } = notebook.metadata as { title?: unknown };
  if (typeof title === 'string' && title.trim() !== '') return title.trim();
  for (const cell of notebook.cells) {
    if (cell.cell_type !== 'markdown') continue;
    const heading = /^#{1,2}\s+(.+?)\s*#*$/m.exec(cellSource(cell));
    if (heading) return heading[1].replace(/[*_`]|\[([^\]]*)\]\([^)]*\)/g, '$1');
  }
  return otherwise;
}

/** An executed notebook as a page. */
export function notebookToHtml(notebook: Notebook, title: string): string {
  const body = notebook.cells.map((cell) => {
    if (cell.cell_type === 'markdown')
      return `<div class="wide">${markdownToHtml(cellSource(cell).replace(/<\/?(?:span|div|a|code)\b[^>]*>/g, ''))}</div>`;
    if (cell.cell_type === 'raw') return `<pre>${escapeHtml(cellSource(cell))}</pre>`;
    return `<pre class="code">${colouredCode(cellSource(cell))}</pre>\n${(cell.outputs ?? []).map(outputHtml).join('\n')}`;
  });
  return `<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>${escapeHtml(title)}</title><style>${RUN_STYLE}</style></head>\n<body>\n${body.join('\n')}\n</body></html>\n`;
}
