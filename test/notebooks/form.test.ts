/** What holds for every notebook of the project: its form, and outputs that belong to its cells. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { cellSource, readNotebook } from '../../lib/notebook/format/nbformat';
import { ROOT } from '../support/paths';

const FOLDER = path.join(ROOT, 'notebooks');
const NAMES = fs.readdirSync(FOLDER).filter((name) => name.endsWith('.ipynb'));
/** What GitHub still shows as a page. */
const MAX_BYTES = 820_000;
const words = (text: string): number => text.split(/\s+/).filter((word) => word !== '').length;

for (const name of NAMES) {
  describe(`notebooks/${name}`, () => {
    const { cells } = readNotebook(path.join(FOLDER, name));

    it('has its sources as lists of lines, as nbformat writes them', () => {
      assert.deepEqual(
        cells.flatMap(({ source }, i) => (Array.isArray(source) ? [] : [`cell ${i + 1}`])),
        [],
      );
    });

    it('holds its results, at a size that GitHub shows', () => {
      assert.ok(fs.statSync(path.join(FOLDER, name)).size < MAX_BYTES);
    });

    it('shows nothing that another run or machine would not', () => {
      const changing = /tokens\/s|s\/step|\belapsed\b|\d{4}-\d\d-\d\dT\d|(?:\/home|\/tmp|\/work|\/Users)\//;
      const found = cells.flatMap((cell, i) =>
        (cell.outputs ?? []).flatMap((output) => {
          const texts = 'data' in output ? [output.data['text/plain'], output.data['text/markdown']] : [];
          if (output.output_type === 'stream') texts.push(output.text);
          const text = texts.map((one) =>
            typeof one === 'string' || Array.isArray(one) ? [one].flat().join('') : '',
          );
          const match = changing.exec(text.join('\n'));
          return match === null ? [] : [`cell ${i + 1} shows ${match[0]}`];
        }),
      );
      assert.deepEqual(found, []);
    });

    it('has code that fits a screen, with words around it', () => {
      const wrong = cells.flatMap((cell, i) => {
        if (cell.cell_type !== 'code') return [];
        const lines = cellSource(cell).split('\n');
        const beside = [cells[i - 1], cells[i + 1]].filter((near) => near?.cell_type === 'markdown');
        return [
          ...lines.filter((line) => line.length > 100).map((line) => `cell ${i + 1} is too wide: ${line}`),
          ...(lines.length > 25 ? [`cell ${i + 1} has ${lines.length} lines`] : []),
          ...(beside.some((near) => words(cellSource(near)) >= 10) ? [] : [`cell ${i + 1} has no words`]),
        ];
      });
      assert.deepEqual(wrong, []);
    });
  });
}
