/** Texts of which some pieces are marked, one below the other: what a model learns of its examples. */
import { escapeHtml } from './html';
import { CELL_STYLE, plainText } from './table';

/** A text in pieces. */
export interface MarkedText {
  readonly caption: string;
  readonly pieces: readonly { readonly text: string; readonly isMarked: boolean }[];
}

/** Readable on light and on dark ground; `mark` alone is seen where styles are left out, as on GitHub. */
const MARK_STYLE = 'background:rgba(60,180,90,.32);color:inherit';

const linesHtml = (text: string): string => escapeHtml(text).replace(/\r?\n/g, '<br>');

/** The texts as HTML (escaped) and, with `{+` and `+}` around what is marked, as text. */
export function renderMarkedTexts(
  texts: readonly MarkedText[],
  legend: string,
): { html: string; text: string } {
  const rows = texts.map(({ caption, pieces }) => {
    const body = pieces
      .map(({ text, isMarked }) =>
        isMarked ? `<mark style="${MARK_STYLE}">${linesHtml(text)}</mark>` : linesHtml(text),
      )
      .join('');
    const style = `${CELL_STYLE}text-align:left`;
    return {
      html:
        `<tr><td style="${style}">${escapeHtml(caption)}</td>` +
        `<td style="${style};white-space:pre-wrap;font-family:monospace">${body}</td></tr>`,
      text: [
        `${caption}:`,
        pieces.map(({ text, isMarked }) => (isMarked ? `{+${plainText(text)}+}` : plainText(text))).join(''),
      ].join('\n'),
    };
  });
  return {
    html:
      `<table style="border-collapse:collapse"><caption style="text-align:left"><mark style="${MARK_STYLE}">` +
      `${escapeHtml(legend)}</mark></caption><tbody>${rows.map(({ html }) => html).join('\n')}</tbody></table>`,
    text: [`{+${legend}+}`, ...rows.map(({ text }) => text)].join('\n\n'),
  };
}
