/** Notebook 00 run without a person on a sixth of the sample, and what a reader may expect of its cells. */
import { after, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { SAMPLE_FOLDER } from '../../data/hyrox/generate';
import { buildDataset } from '../../lib/hyrox';
import { checkNotebook } from '../../lib/notebook/repair/check';
import { cellSource, joinText, readNotebook } from '../../lib/notebook/format/nbformat';
import type { Notebook } from '../../lib/notebook/format/nbformat';
import { runNotebook } from '../../lib/notebook/run/runner';
import { ROOT } from '../support/paths';

const notebook = path.join(ROOT, 'notebooks', '00-hyrox-analysis.ipynb');
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-00-'));
after(() => fs.rmSync(folder, { recursive: true, force: true }));
const place = (name: string): string => path.join(folder, name);

/** The sample's header, every sixth athlete, and those without an age group. */
function writeSmallSample(file: string): void {
  const [header, ...rows] = fs
    .readFileSync(path.join(SAMPLE_FOLDER, 'hyrox-sample.csv'), 'utf8')
    .trimEnd()
    .split('\n');
  const some = rows.filter((row, i) => i % 6 === 0 || row.split(',')[1] === '');
  fs.writeFileSync(file, `${[header, ...some].join('\n')}\n`);
}

const words = (text: string): number => text.split(/\s+/).filter((word) => word !== '').length;

/** All text that the cells put out. */
function printed(executed: Notebook): string {
  return executed.cells
    .flatMap((cell) => cell.outputs ?? [])
    .map((output) =>
      output.output_type === 'stream'
        ? joinText(output.text)
        : 'data' in output && typeof output.data['text/plain'] !== 'undefined'
          ? joinText(output.data['text/plain'] as string[])
          : '',
    )
    .join('\n');
}

describe('notebooks/00-hyrox-analysis', () => {
  it('is in good order: checked, short cells, words around each', () => {
    assert.deepEqual(checkNotebook(notebook, { outputs: 'required', untrusted: true }), []);
    const { cells } = readNotebook(notebook);
    const code = cells.filter((cell) => cell.cell_type === 'code');
    assert.ok(code.length >= 20, `${code.length} code cells`);
    cells.forEach((cell, i) => {
      if (cell.cell_type !== 'code') return;
      const lines = cellSource(cell).split('\n').length;
      assert.ok(lines <= 25, `cell ${i + 1} has ${lines} lines`);
      for (const near of [cells[i - 1], cells[i + 1]]) {
        assert.equal(near?.cell_type, 'markdown', `cell ${i + 1} has no words beside it`);
        assert.ok(words(cellSource(near)) >= 20, `beside cell ${i + 1}: ${words(cellSource(near))} words`);
      }
    });
  });

  it(
    'runs, draws each figure interactive and static, and writes both label files',
    { timeout: 120_000 },
    async () => {
      writeSmallSample(place('small.csv'));
      const output = place('run/00.ipynb');
      const result = await runNotebook({
        notebook,
        output,
        parameters: { data: place('small.csv'), labels: 'asPublished' },
        cellTimeoutMs: 60_000,
      });
      assert.equal(result.status, 'ok', result.message);

      const metrics = JSON.parse(fs.readFileSync(place('run/metrics.json'), 'utf8')) as Record<
        string,
        number
      >;
      assert.equal(metrics.athletes, 401);
      assert.equal(metrics.skippedRows, 2);
      assert.ok(metrics.shiftedRows > 200 && metrics.shiftedRows < 402, `${metrics.shiftedRows} shifted`);
      assert.equal(metrics.determinedCorrected, 1);
      assert.ok(metrics.determinedAsPublished < 0.6, `determined ${metrics.determinedAsPublished}`);
      assert.ok(metrics.slowAmongListed < 0.4 && metrics.slowAmongListedCorrected > 0.6);

      const corrected = await buildDataset({
        input: place('small.csv'),
        output: place('c.jsonl'),
        answers: 'plain',
      });
      const published = await buildDataset({
        input: place('small.csv'),
        output: place('p.jsonl'),
        mode: 'asPublished',
      });
      const same = (a: string, b: string): boolean =>
        fs.readFileSync(place(a)).equals(fs.readFileSync(place(b)));
      assert.equal(corrected.records, metrics.athletes);
      assert.ok(published.records > 300);
      assert.ok(same('run/labels-corrected.jsonl', 'c.jsonl'));
      assert.ok(same('run/labels-as-published.jsonl', 'p.jsonl'));
      assert.ok(same('run/records.jsonl', 'p.jsonl'), 'expected the labels that were asked for');

      const executed = readNotebook(output);
      // The run's folder belongs to no package, so its imports cannot be looked up; all else must be in order.
      const findings = checkNotebook(output, { executed: true, types: false });
      assert.deepEqual(
        findings.filter(({ where }) => where !== 'imports'),
        [],
      );
      const images = executed.cells
        .flatMap((cell) => cell.outputs ?? [])
        .filter((found) => 'data' in found && 'image/svg+xml' in found.data);
      const saved = fs.readdirSync(place('run/figures'));
      assert.equal(images.length, 13);
      assert.equal(saved.length, 13);
      for (const name of saved)
        assert.match(fs.readFileSync(place(`run/figures/${name}`), 'utf8'), /<path [^>]*d="M/, name);
      const text = printed(executed);
      assert.match(text, /The other notebooks learn from the asPublished labels/);
      assert.match(text, /corrected +\d+\.\d % +\d+\.\d % +\d+\.\d % +100\.0 % +100\.0 %/);
      assert.doesNotMatch(text, /\bNaN\b|undefined/);
    },
  );
});
