/** The executed notebook as a file: a copy of the source to fill, and the notes that lead a reader to a failed cell. */
import { escapeHtml } from '../../display';
import { cellTags, makeCell, readNotebook } from '../format/nbformat';
import type { Notebook, NotebookCell } from '../format/nbformat';
import type { CellResult } from './run-types';

const ERROR_TAG = 'tunebook-error';

/** The first line of code, for lists. */
export function cellTitle(source: string): string {
  const lines = source.split('\n').map((line) => line.trim());
  const title =
    lines.find((line) => line !== '' && !/^(?:\/\/|\/\*|\*|import\b)/.test(line)) ?? lines[0] ?? '';
  return title.slice(0, 100);
}

/** A copy to be filled: nbformat 4.5 with ids, without outputs, notes of an earlier failure left out. */
export function executedCopy(source: Notebook): Notebook {
  const cells = source.cells
    .filter((cell) => !cellTags(cell).includes(ERROR_TAG))
    .map((cell): NotebookCell => {
      const copy: NotebookCell = { ...cell, metadata: { ...cell.metadata } };
      copy.id ??= makeCell('code', '').id;
      if (copy.cell_type === 'code') {
        copy.outputs = [];
        copy.execution_count = null;
      }
      return copy;
    });
  return {
    ...source,
    metadata: { ...source.metadata },
    nbformat_minor: Math.max(5, source.nbformat_minor),
    cells,
  };
}

/** Goes above the failed cell: the target of the note's link. */
export function anchorCell(): NotebookCell {
  const cell = makeCell('markdown', '<span id="tunebook-failed-cell">The cell below failed.</span>', [
    ERROR_TAG,
  ]);
  return { ...cell, id: 'tunebook-failed-cell' };
}

/** Goes at the top: which cell failed, and why. */
export function failureNote(number: number, message: string): NotebookCell {
  const text = escapeHtml(message);
  const note = makeCell(
    'markdown',
    `<div style="border:2px solid #c0392b;padding:0.5em">This run failed in ` +
      `<a href="#tunebook-failed-cell">code cell ${number}</a>: <code>${text.split('\n')[0]}</code></div>`,
    [ERROR_TAG],
  );
  return { ...note, id: 'tunebook-failure-note' };
}

/** How long each cell took in the run that an executed notebook holds, in ms; empty unless all went well. */
export function earlierDurations(file: string): number[] {
  try {
    const record = readNotebook(file).metadata.tunebook as { cells?: CellResult[] } | undefined;
    const cells = record?.cells ?? [];
    return cells.every(({ status }) => status === 'ok') ? cells.map(({ durationMs }) => durationMs) : [];
  } catch {
    return [];
  }
}
