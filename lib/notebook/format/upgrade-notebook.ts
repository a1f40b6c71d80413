/** Notebooks of nbformat 3 (worksheets) as nbformat 4.5. */
import { createHash } from 'node:crypto';
import { isJsonObject } from '../../files';
import { splitText } from './nbformat';
import type { CellOutput, Notebook, NotebookCell } from './nbformat';

/** An id that depends on the place and the content only: the same file gives the same repair. */
export function idFor(seed: string, taken: Set<string>): string {
  for (let i = 0; ; i++) {
    const id = createHash('sha256').update(`${seed}#${i}`).digest('hex').slice(0, 8);
    if (taken.has(id)) continue;
    taken.add(id);
    return id;
  }
}

type Part = Readonly<Record<string, unknown>>;

const partOf = (value: unknown): Part => (isJsonObject(value) ? value : {});
const partsOf = (value: unknown): Part[] => (Array.isArray(value) ? value.filter(Boolean).map(partOf) : []);
const textOf = (value: unknown): string =>
  Array.isArray(value)
    ? value.map(textOf).join('')
    : typeof value === 'object' && value !== null
      ? JSON.stringify(value)
      : String((value as string | number | null | undefined) ?? '');
const countOf = (value: unknown): number | null =>
  Number.isInteger(value) && Number(value) >= 0 ? Number(value) : null;

const OLD_MIMES: Record<string, string> = {
  text: 'text/plain',
  html: 'text/html',
  svg: 'image/svg+xml',
  png: 'image/png',
  jpeg: 'image/jpeg',
  latex: 'text/latex',
  json: 'application/json',
  javascript: 'application/javascript',
};

/** A value of nbformat 3 under its mime type; JSON stood there as text. */
function upgradeData(mime: string, value: unknown): unknown {
  if (mime === 'image/png' || mime === 'image/jpeg') return textOf(value);
  if (mime !== 'application/json') return splitText(textOf(value));
  try {
    return JSON.parse(textOf(value)) as unknown;
  } catch {
    return textOf(value);
  }
}

/** An output of nbformat 3 as one of nbformat 4. */
export function upgradeOutput(output: Part): CellOutput {
  if (output.output_type === 'stream')
    return {
      output_type: 'stream',
      name: output.stream === 'stderr' ? 'stderr' : 'stdout',
      text: splitText(textOf(output.text)),
    };
  if (output.output_type === 'pyerr') {
    const { traceback } = output;
    return {
      output_type: 'error',
      ename: textOf(output.ename),
      evalue: textOf(output.evalue),
      traceback: Array.isArray(traceback) ? traceback.map(textOf) : splitText(textOf(traceback)),
    };
  }
  const renamed = (from: Part): [string, unknown][] =>
    Object.entries(from).map(([key, value]) => [OLD_MIMES[key] ?? key, value]);
  const data = Object.fromEntries(
    renamed(output)
      .filter(([key]) => key.includes('/'))
      .map(([mime, value]) => [mime, upgradeData(mime, value)]),
  );
  const metadata = Object.fromEntries(renamed(partOf(output.metadata)));
  return output.output_type === 'pyout'
    ? { output_type: 'execute_result', execution_count: countOf(output.prompt_number), data, metadata }
    : { output_type: 'display_data', data, metadata };
}

function upgradeCell(cell: Part, id: string, text: string): NotebookCell {
  const metadata = { ...partOf(cell.metadata) };
  if (cell.cell_type === 'code') {
    if (typeof cell.collapsed === 'boolean') metadata.collapsed = cell.collapsed;
    return {
      cell_type: 'code',
      id,
      metadata,
      source: splitText(text),
      outputs: partsOf(cell.outputs).map(upgradeOutput),
      execution_count: countOf(cell.prompt_number),
    };
  }
  const level = Math.min(6, Math.max(1, Number(cell.level) || 1));
  const heading = cell.cell_type === 'heading';
  return {
    cell_type: cell.cell_type === 'raw' ? 'raw' : 'markdown',
    id,
    metadata,
    source: splitText(heading ? `${'#'.repeat(level)} ${text.split(/\r?\n/).join(' ')}` : text),
  };
}

/** Converts a notebook of nbformat 3 (worksheets) to 4.5, as nbformat's own `convert` does. */
export function upgradeNotebook(old: Readonly<Record<string, unknown>>): Notebook {
  const taken = new Set<string>();
  const cells = partsOf(old.worksheets)
    .flatMap(({ cells: list }) => partsOf(list))
    .map((cell, i) => {
      const text = textOf(cell.cell_type === 'code' ? cell.input : cell.source);
      return upgradeCell(cell, idFor(`${i}:${text}`, taken), text);
    });
  // `name` and `signature` belong to nbformat 3.
  const members = Object.entries(partOf(old.metadata));
  const metadata = Object.fromEntries(members.filter(([key]) => key !== 'name' && key !== 'signature'));
  return { cells, metadata, nbformat: 4, nbformat_minor: 5 };
}
