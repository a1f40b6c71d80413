/** Sources of cells: read as the schema allows them, written as nbformat writes them. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { cellSource, formatNotebook } from '../../../lib/notebook/format/nbformat';
import type { Notebook } from '../../../lib/notebook/format/nbformat';
import { makeNotebook } from '../../support/make-notebook';

it('a source of one string is written as a list of lines, and nothing else changes', () => {
  const asLists = makeNotebook(['let a = 1;\n\na', '', 'a\n']);
  const asTexts: Notebook = {
    ...asLists,
    cells: asLists.cells.map((cell) => ({ ...cell, source: cellSource(cell) })),
  };
  const written = formatNotebook(asTexts);
  assert.equal(written, formatNotebook(asLists));
  const sources = (JSON.parse(written) as Notebook).cells.map(({ source }) => source);
  assert.deepEqual(sources, [['let a = 1;\n', '\n', 'a'], [], ['a\n']]);
});
