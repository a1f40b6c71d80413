/** Tables in notebooks: records, danfojs frames, samples beside the truth, differences of two texts. */
import { TunebookError } from '../types';
import { escapeHtml, showHtml } from './display';

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
  const chosen = columns ?? [...new Set(records.slice(0, maxRows).flatMap((row) => Object.keys(row)))];
  const rows = records.slice(0, maxRows).map((row) => chosen.map((column) => row[column]));
  return { columns: chosen, rows, total: records.length };
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
  if (typeof value === 'object') return JSON.stringify(value);
  return String(value as string | boolean | bigint);
}

const cellStyle = 'padding:2px 10px;border-bottom:1px solid rgba(127,127,127,.3);vertical-align:top;';

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
  const restText = rest > 0 ? `… and ${rest} more rows` : '';
  const align = (i: number): string => `${cellStyle}text-align:${numeric[i] ? 'right' : 'left'}`;
  const head = grid.columns.map((name, i) => `<th style="${align(i)}">${escapeHtml(name)}</th>`).join('');
  const body = texts
    .map(
      (row) =>
        `<tr>${row.map((text, i) => `<td style="${align(i)}">${escapeHtml(text)}</td>`).join('')}</tr>`,
    )
    .join('\n');
  const html =
    `<table style="border-collapse:collapse">` +
    (caption === undefined ? '' : `<caption style="text-align:left">${escapeHtml(caption)}</caption>`) +
    `<thead><tr>${head}</tr></thead>\n<tbody>${body}</tbody></table>${restText === '' ? '' : `<p>${restText}</p>`}`;
  const oneLine = texts.map((row) => row.map((text) => shorten(text.replace(/\s*\n\s*/g, ' ⏎ '), 60)));
  const widths = grid.columns.map((name, i) => Math.max(name.length, ...oneLine.map((row) => row[i].length)));
  const line = (row: readonly string[]): string =>
    row
      .map((text, i) => (numeric[i] ? text.padStart(widths[i]) : text.padEnd(widths[i])))
      .join('  ')
      .trimEnd();
  const lines = [
    ...(caption === undefined ? [] : [caption]),
    line(grid.columns),
    widths.map((width) => '-'.repeat(width)).join('  '),
    ...oneLine.map(line),
    ...(restText === '' ? [] : [restText]),
  ];
  return { html, text: lines.join('\n') };
}

function shorten(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}

/** Shows records or a danfojs frame as a table. */
export function showTable(source: TableRows | FrameLike, options: TableOptions = {}): void {
  const { html, text } = renderTable(source, options);
  showHtml(html, text);
}

/** One piece of a comparison of two texts, word by word. */
export interface DiffPart {
  readonly kind: 'same' | 'missing' | 'extra';
  readonly text: string;
}

/**
 * What `actual` lacks of `expected` and has beyond it, word by word: a longest common subsequence.
 * Source: the textbook dynamic programme, O(n m) in words.
 */
export function diffWords(expected: string, actual: string): DiffPart[] {
  const a = expected.match(/\s+|\w+|[^\w\s]/gu) ?? [];
  const b = actual.match(/\s+|\w+|[^\w\s]/gu) ?? [];
  const width = b.length + 1;
  const common = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      common[i * width + j] =
        a[i] === b[j]
          ? common[(i + 1) * width + j + 1] + 1
          : Math.max(common[(i + 1) * width + j], common[i * width + j + 1]);
  const parts: { kind: DiffPart['kind']; text: string }[] = [];
  const add = (kind: DiffPart['kind'], text: string): void => {
    const last = parts.at(-1);
    if (last?.kind === kind) last.text += text;
    else parts.push({ kind, text });
  };
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      add('same', a[i++]);
      j++;
    } else if (j >= b.length || (i < a.length && common[(i + 1) * width + j] >= common[i * width + j + 1])) {
      add('missing', a[i++]);
    } else add('extra', b[j++]);
  }
  return joinChanges(parts);
}

/** Changes with nothing but blanks between them become one: whole phrases read better than pairs of words. */
function joinChanges(parts: readonly DiffPart[]): DiffPart[] {
  const out: DiffPart[] = [];
  for (let from = 0; from < parts.length;) {
    let end = from;
    let until = from; // behind the last change of this run
    for (; end < parts.length; end++) {
      const { kind, text } = parts[end];
      if (kind !== 'same') until = end + 1;
      else if (end === from || text.trim() !== '') break;
    }
    if (until === from) {
      out.push(parts[from++]);
      continue;
    }
    const run = parts.slice(from, until);
    for (const kind of ['missing', 'extra'] as const) {
      const text = run
        .filter((part) => part.kind === kind || part.kind === 'same')
        .map((part) => part.text)
        .join('');
      if (text !== '') out.push({ kind, text });
    }
    from = until;
  }
  return out;
}

const marks = {
  missing: 'background:rgba(255,80,80,.25);text-decoration:line-through',
  extra: 'background:rgba(60,180,90,.28)',
} as const;

function diffHtml(parts: readonly DiffPart[]): string {
  return parts
    .map(({ kind, text }) =>
      kind === 'same' ? escapeHtml(text) : `<span style="${marks[kind]}">${escapeHtml(text)}</span>`,
    )
    .join('');
}

function diffText(parts: readonly DiffPart[]): string {
  const around = { same: ['', ''], missing: ['[-', '-]'], extra: ['{+', '+}'] } as const;
  return parts.map(({ kind, text }) => `${around[kind][0]}${text}${around[kind][1]}`).join('');
}

/** Shows where a generated text departs from the expected one, word by word. */
export function showDiff(expected: string, actual: string): void {
  const parts = diffWords(expected, actual);
  showHtml(`<div style="white-space:pre-wrap">${diffHtml(parts)}</div>`, diffText(parts));
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
  const style = `${cellStyle}white-space:pre-wrap;text-align:left;max-width:28em`;
  const rows = shown.map(({ question, truth, answer, correct }) => {
    const right = correct ?? truth.trim() === answer.trim();
    const parts = diffWords(truth, answer);
    return {
      html:
        `<tr><td style="${cellStyle}">${right ? '✓' : '✗'}</td><td style="${style}">${escapeHtml(question)}</td>` +
        `<td style="${style}">${escapeHtml(truth)}</td><td style="${style}">${diffHtml(parts)}</td></tr>`,
      text: [
        `${right ? '✓' : '✗'} question: ${question}`,
        `  truth:    ${truth}`,
        `  answer:   ${answer}`,
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
  const { html, text } = renderSamples(samples, options);
  showHtml(html, text);
}
