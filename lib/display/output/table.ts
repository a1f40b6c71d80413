/** Tables in notebooks: records and danfojs frames. */
import { isJsonObject } from '../../files';
import { requireOptions } from '../../options';
import { TunebookError } from '../../types';
import { showHtml } from './display';
import { escapeHtml } from './html';

/** What danfojs and the like have in common. */
export interface FrameLike {
  readonly columns: readonly string[];
  readonly values: readonly unknown[];
}

/** Records with the same keys. */
export type TableRows = readonly Readonly<Record<string, unknown>>[];

/** Settings of a table. */
export interface TableOptions {
  /** Columns to show, in this order. Default: all. */
  readonly columns?: readonly string[];
  /** Rows to show; the rest is counted below. Default 20. */
  readonly maxRows?: number;
  /** Significant digits of numbers that are not whole. Default 4. */
  readonly digits?: number;
  /** Words above the table. */
  readonly caption?: string;
}

interface Grid {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly unknown[])[];
  readonly total: number;
}

function isFrame(source: TableRows | FrameLike): source is FrameLike {
  return !Array.isArray(source) && Array.isArray((source as FrameLike).columns) && 'values' in source;
}

function toGrid(source: TableRows | FrameLike, { columns, maxRows = 20 }: TableOptions): Grid {
  if (isFrame(source)) {
    const chosen = columns ?? source.columns;
    const at = chosen.map((column) => source.columns.indexOf(column));
    const missing = chosen.filter((_, i) => at[i] < 0);
    if (missing.length > 0)
      throw new TunebookError(
        `showTable: there is no column ${missing.join(', ')}; there is ${source.columns.join(', ')}`,
      );
    const rows = source.values
      .slice(0, maxRows)
      .map((row) => (Array.isArray(row) ? at.map((i) => (row as unknown[])[i]) : [row]));
    return { columns: chosen, rows, total: source.values.length };
  }
  if (!Array.isArray(source))
    throw new TunebookError('showTable: expected an array of records or a data frame');
  const records = source as TableRows;
  const shown = records.slice(0, maxRows);
  const odd = shown.findIndex((row) => !isJsonObject(row));
  if (odd >= 0)
    throw new TunebookError(
      `showTable: expected records, got ${JSON.stringify(shown[odd])} in row ${odd + 1}`,
    );
  const chosen = columns ?? [...new Set(shown.flatMap((row) => Object.keys(row)))];
  const missing = chosen.filter((column) => !records.some((row) => column in row));
  if (missing.length > 0 && records.length > 0)
    throw new TunebookError(
      `showTable: there is no column ${missing.join(', ')}; there is ${Object.keys(records[0]).join(', ')}`,
    );
  const rows = shown.map((row) => chosen.map((column) => row[column]));
  return { columns: chosen, rows, total: records.length };
}

function objectText(value: object): string {
  try {
    return JSON.stringify(ArrayBuffer.isView(value) ? [...(value as Float32Array)] : value);
  } catch {
    return Object.prototype.toString.call(value); // a circle, a bigint inside
  }
}

/** A value as a table shows it; empty for nothing. */
export function cellText(value: unknown, digits = 4): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'number') {
    if (Number.isInteger(value)) return String(value);
    if (!Number.isFinite(value)) return String(value);
    const size = Math.abs(value);
    return size >= 1e-4 && size < 1e7
      ? String(Number(value.toPrecision(digits)))
      : value.toExponential(digits - 1);
  }
  if (value instanceof Date) return value.toISOString();
  if (typeof value === 'object') return objectText(value);
  return String(value as string | boolean | bigint);
}

/** How every cell of our tables looks. */
export const CELL_STYLE = 'padding:2px 10px;border-bottom:1px solid rgba(127,127,127,.3);vertical-align:top;';

/** The table as HTML (escaped) and as aligned text. */
export function renderTable(
  source: TableRows | FrameLike,
  options: TableOptions = {},
): { html: string; text: string } {
  const { digits = 4, caption } = options;
  const grid = toGrid(source, options);
  const texts = grid.rows.map((row) => row.map((value) => cellText(value, digits)));
  const numeric = grid.columns.map((_, i) =>
    grid.rows.every((row) => row[i] === null || row[i] === undefined || typeof row[i] === 'number'),
  );
  const rest = grid.total - grid.rows.length;
  const restText =
    grid.total === 0 ? '(no rows)' : rest > 0 ? `… and ${rest} more row${rest === 1 ? '' : 's'}` : '';
  // GitHub leaves out styles, and keeps `align`.
  const align = (i: number): string => {
    const side = numeric[i] ? 'right' : 'left';
    return `align="${side}" style="${CELL_STYLE}text-align:${side}"`;
  };
  const head = grid.columns.map((name, i) => `<th ${align(i)}>${escapeHtml(name)}</th>`).join('');
  const body = texts
    .map((row) => `<tr>${row.map((text, i) => `<td ${align(i)}>${escapeHtml(text)}</td>`).join('')}</tr>`)
    .join('\n');
  const html =
    `<table style="border-collapse:collapse">` +
    (caption === undefined ? '' : `<caption style="text-align:left">${escapeHtml(caption)}</caption>`) +
    `<thead><tr>${head}</tr></thead>\n<tbody>${body}</tbody></table>${restText === '' ? '' : `<p>${restText}</p>`}`;
  const oneLine = texts.map((row) =>
    row.map((text) => shorten(plainText(text.replace(/\s*\n\s*/g, ' ⏎ ')), 60)),
  );
  const names = grid.columns.map(plainText);
  const widths = names.map((name, i) =>
    Math.max(...[name, ...oneLine.map((row) => row[i])].map(terminalWidth)),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((text, i) => {
        const blank = ' '.repeat(widths[i] - terminalWidth(text));
        return numeric[i] ? blank + text : text + blank;
      })
      .join('  ')
      .trimEnd();
  const lines = [
    ...(caption === undefined ? [] : [caption]),
    ...(names.length === 0 ? [] : [line(names), widths.map((width) => '-'.repeat(width)).join('  ')]),
    ...oneLine.map(line),
    ...(restText === '' ? [] : [restText]),
  ];
  return { html, text: lines.join('\n') };
}

const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;

/** Columns that a text takes in a terminal. */
function terminalWidth(text: string): number {
  let width = 0;
  for (const sign of text) width += WIDE.test(sign) ? 2 : /[\p{M}\u200b-\u200f\ufe0f]/u.test(sign) ? 0 : 1;
  return width;
}

function shorten(text: string, width: number): string {
  if (terminalWidth(text) <= width) return text;
  let start = '';
  for (const sign of text) {
    if (terminalWidth(start + sign) > width - 1) break;
    start += sign;
  }
  return `${start}…`;
}

/** The text for a terminal: control characters, which could change its state, as the pictures of them. */
export function plainText(text: string): string {
  return text.replace(/[\0-\x08\x0b-\x1f\x7f-\x9f]/g, (sign) =>
    sign < ' ' ? String.fromCharCode(0x2400 + sign.charCodeAt(0)) : '␡',
  );
}

/**
 * Shows records or a danfojs frame as a table.
 * @example
 * ```ts
 * import { showTable } from 'tunebook';
 *
 * showTable([{ measure: 'loss', value: 1.25 }], { caption: 'After training' });
 * ```
 */
export function showTable(source: TableRows | FrameLike, options: TableOptions = {}): void {
  requireOptions<TableOptions>(options, {
    where: 'showTable',
    names: { columns: true, maxRows: true, digits: true, caption: true },
  });
  const { html, text } = renderTable(source, options);
  showHtml(html, text);
}
