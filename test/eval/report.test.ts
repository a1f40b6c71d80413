/**
 * Generation over a test set, and the report of it.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { JSDOM } from 'jsdom';
import type { DataRecord } from '../../lib/dataset';
import { evaluateGeneration, writeReport } from '../../lib/eval';
import { judgeVerdict, namedSegments, raceMetrics, verdictAccuracy } from '../../lib/hyrox';

const RACE = { metrics: raceMetrics(), judge: judgeVerdict };

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-report-'));
after(() => fs.rmSync(scratch, { recursive: true, force: true }));

const HOSTILE = '<script>alert(1)</script> & "x" | `code` *bold* [link](x)\nnext\u0000 😀';

const records: DataRecord[] = [
  { input: 'one', context: 'time: 10', response: 'You performed close to expected levels.' },
  { input: 'two', context: 'time: 20', response: 'You performed slower than expected. improve: Row, Ski.' },
  { input: HOSTILE, context: '', response: 'You outperformed the prediction.' },
];

/** The right answer to the first, half of the second, mischief for the third. */
function generate(prompts: string[]): Promise<string[]> {
  return Promise.resolve(
    prompts.map((prompt) => {
      if (prompt.includes('\none\n')) return ' You performed close to expected levels.\n';
      if (prompt.includes('\ntwo\n')) return 'You performed slower than expected. improve: Row. 20 or 21?';
      return HOSTILE;
    }),
  );
}

describe('evaluateGeneration', () => {
  it('asks in batches, in order, and measures the answers', async () => {
    const sizes: number[] = [];
    const steps: number[] = [];
    const evaluation = await evaluateGeneration({
      ...RACE,
      records,
      batchSize: 2,
      generate: (prompts) => {
        sizes.push(prompts.length);
        return generate(prompts);
      },
      onProgress: ({ done, total }) => steps.push(done / total),
    });
    assert.deepEqual(sizes, [2, 1]);
    assert.deepEqual(steps, [2 / 3, 1]);
    const { metrics, samples } = evaluation;
    const [truths, answers] = [samples.map(({ truth }) => truth), samples.map(({ answer }) => answer)];
    assert.equal(metrics.count, 3);
    assert.equal(metrics.exactMatch, 1 / 3);
    assert.equal(metrics.verdictAccuracy, 2 / 3);
    // Row of Row and Ski.
    assert.equal(metrics.segmentMicroF1, 2 / 3);
    // 20 and the 1 of alert(1) are in their prompts, 21 is not.
    assert.equal(metrics.supportedNumbers, 2 / 3);
    assert.ok(metrics.timeMs >= 0);
    assert.deepEqual(verdictAccuracy(truths, answers).confusion.outperformed, { none: 1 });
    assert.equal(samples[0]?.exact, true);
    assert.equal(samples[0]?.question, 'one\ntime: 10');
    assert.match(samples[1]?.prompt ?? '', /### Response:\n$/);
    assert.deepEqual(namedSegments(truths[1] ?? ''), ['Row', 'Ski']);
    assert.deepEqual(
      samples.map(({ mark }) => mark),
      ['exact', 'verdict right', 'verdict wrong'],
    );
    assert.ok(!('verdictAccuracy' in (await evaluateGeneration({ records, generate })).metrics));
  });

  it('names what is wrong', async () => {
    const short = (prompts: string[]): Promise<string[]> => Promise.resolve(prompts.slice(1));
    await assert.rejects(
      evaluateGeneration({ records, generate: short }),
      /expected 3 answers from generate.*got 2/,
    );
    await assert.rejects(
      evaluateGeneration({ records: [], generate }),
      /at least one record, got none\. Give more records/,
    );
    await assert.rejects(evaluateGeneration({ records, generate, batchSize: 0 }), /positive batchSize/);
    for (const name of Object.keys((await evaluateGeneration({ records, generate })).metrics))
      await assert.rejects(
        evaluateGeneration({ records, generate, metrics: { [name]: () => 1 } }),
        new RegExp(`names of their own, got ${name}, which every evaluation has`),
      );
    const broken = (): Promise<string[]> => Promise.reject(new Error('out of tokens'));
    await assert.rejects(evaluateGeneration({ records, generate: broken }), /out of tokens/);
  });
});

describe('writeReport', () => {
  it('writes JSON with everything, and no files but the three', async () => {
    const evaluation = await evaluateGeneration({ ...RACE, records, generate });
    const folder = path.join(scratch, 'all');
    const paths = await writeReport(evaluation, { folder, title: 'Before training' });
    assert.deepEqual(fs.readdirSync(folder).sort(), ['samples.html', 'samples.json', 'samples.md']);
    const saved = JSON.parse(fs.readFileSync(paths.json, 'utf8')) as Record<string, unknown>;
    assert.deepEqual(saved, JSON.parse(JSON.stringify({ title: 'Before training', ...evaluation })));
  });

  it('HTML shows texts as they are, runs nothing and fetches nothing', async () => {
    const evaluation = await evaluateGeneration({ ...RACE, records, generate });
    const { html } = await writeReport(evaluation, { folder: path.join(scratch, 'html'), title: 'A < B' });
    const text = fs.readFileSync(html, 'utf8');
    assert.doesNotMatch(text, /https?:|src=|<link|<script/);
    assert.match(text, /prefers-color-scheme: dark/);
    const { document } = new JSDOM(text).window;
    assert.equal(document.title, 'A < B');
    const rows = [...document.querySelectorAll('.samples tbody tr')];
    const cells = rows.map((row) => [...row.querySelectorAll('td')].map((cell) => cell.textContent));
    assert.equal(cells.length, 3);
    assert.deepEqual(
      cells.map((row) => row.at(-1)),
      ['exact', 'verdict right', 'verdict wrong'],
    );
    assert.equal(cells[2]?.[3], HOSTILE.replace('\u0000', '\ufffd'));
    assert.equal(document.querySelector('caption')?.textContent, 'All 3 answers');
    const figures = [...document.querySelectorAll('table:not(.samples) tr')].map((row) => row.textContent);
    assert.ok(figures.includes('Exact match33.33%'), figures.join());
    assert.ok(figures.includes('Verdict right (of 3)66.67%'), figures.join());
  });

  it('Markdown keeps one row per line, whatever the texts contain', async () => {
    const evaluation = await evaluateGeneration({ ...RACE, records, generate });
    const options = { folder: path.join(scratch, 'md'), name: 'after', maxRows: 2 };
    const { markdown } = await writeReport(evaluation, options);
    assert.equal(path.basename(markdown), 'after.md');
    const lines = fs.readFileSync(markdown, 'utf8').split('\n');
    assert.ok(lines.includes('The first 2 of 3 answers:'));
    assert.equal(lines.filter((line) => /^\| \d+ \|/.test(line)).length, 2);
    const whole = await writeReport(evaluation, { folder: path.join(scratch, 'md') });
    const row =
      fs
        .readFileSync(whole.markdown, 'utf8')
        .split('\n')
        .find((line) => line.startsWith('| 3 |')) ?? '';
    assert.match(
      row,
      /&lt;script&gt;alert\(1\)&lt;\/script&gt; &amp; "x" \\\| \\`code\\` \\\*bold\\\* \\\[link\\\]\(x\)<br>next/,
    );
  });

  it('an unwritable folder throws a clear error', async () => {
    const evaluation = await evaluateGeneration({ ...RACE, records, generate });
    const file = path.join(scratch, 'file');
    fs.writeFileSync(file, 'x');
    await assert.rejects(writeReport(evaluation, { folder: file }), {
      name: 'TunebookError',
      message: /could not be written/,
    });
  });
});
