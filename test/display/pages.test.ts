/** The pages for readers (samples, run, notebook) in a browser: on a phone and a screen, with the filter. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { renderSamples } from '../../lib/display/output/samples';
import { evaluateGeneration, writeReport } from '../../lib/eval';
import { notebookTitle, notebookToHtml } from '../../lib/notebook/page';
import { reportPage } from '../../lib/trainer/reports/report-page';
import { TrainingArguments } from '../../lib/trainer';
import { initialState } from '../../lib/trainer/state/state';
import { chromiumProgram, launchBrowser } from '../notebook/kernel/jupyter-browser';
import { makeNotebook } from '../support/make-notebook';

const CONTEXT =
  'run_1: 5:12, sled_push: 3:40, wall_balls: 6:05, a_name_without_any_blank_that_goes_on_and_on_and_on_x: 1';
/** The height of a phone, and of a laptop's window less the browser's bars. */
const SCREEN_PX = 844;
/** JupyterLab's own rules for tables in outputs. */
const JUPYTER_STYLE =
  'body { font: 14px/1.3 sans-serif } table { table-layout: fixed; font-size: 12px; border: none } ' +
  'td, th, tr { vertical-align: middle; padding: .5em; line-height: normal; white-space: normal; max-width: none }';
const SKIP = chromiumProgram === null ? 'chromium is not installed' : false;

describe('pages in a browser', { skip: SKIP, timeout: 120_000 }, () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-pages-'));
  const files: Record<string, string> = {};
  let browser: Browser;

  before(async () => {
    const records = Array.from({ length: 12 }, (_, i) => ({
      ...{ input: `How did athlete ${i} do?`, context: `${CONTEXT}\n`.repeat(1 + (i % 3) * 4) },
      response: 'You were slower than expected by 12 seconds. Improve: Row, Ski.',
    }));
    const evaluation = await evaluateGeneration({
      records,
      batchSize: 12,
      judge: (_, answer) => (answer.includes('slower') ? 'verdict right' : 'verdict wrong'),
      generate: (prompts) =>
        Promise.resolve(
          prompts.map((_, i) =>
            i === 8
              ? `${'You were faster. '.repeat(40)}conclusion`
              : i % 3 === 0
                ? records[0].response
                : i % 3 === 1
                  ? 'You were slower than expected by 99 seconds. Improve: Row.'
                  : 'You were faster.',
          ),
        ),
    });
    files.samples = (await writeReport(evaluation, { folder, title: 'Race feedback, before training' })).html;
    const values = new TrainingArguments({ outputDir: 'outputs/x', runName: 'My run', maxTimeMs: 90_000 })
      .values;
    const log = Array.from({ length: 50 }, (_, step) => ({
      ...{ step, epoch: step / 10, loss: step < 2 ? 12 : 3 - step / 50, learning_rate: 1e-4, grad_norm: 1 },
      ...{ memory_bytes: 1.5e9, tokens_per_second: 900, time: 1.7e9 + step },
    }));
    const state = {
      ...initialState({ maxSteps: 50, numTrainEpochs: 5, microBatchSize: 8 }),
      runtimeMs: 75_000,
    };
    files.run = path.join(folder, 'run.html');
    fs.writeFileSync(files.run, reportPage(values.runName ?? '', { values, state, records: log }));
    const notebook = makeNotebook([
      '# Tuning a *small* model',
      `// A comment\nconst text = 'a string'; // ${'long '.repeat(40)}\nfor (let i = 0; i < 10; i++) await run(i);`,
    ]);
    const columns = Array.from({ length: 14 }, (_, i) => `<td>column_${i}</td>`).join('');
    notebook.cells[1].outputs = [
      {
        output_type: 'display_data',
        data: { 'text/html': `<table><tr>${columns}</tr></table>` },
        metadata: {},
      },
    ];
    const { html } = renderSamples(
      records.map(({ input, context, response }, i) => ({
        question: `${context}${input}`,
        truth: `${response} `.repeat(1 + (i % 4) * 3),
        answer: `${response} `.repeat(1 + (i % 4) * 3).replaceAll('12', String(i)) + 'conclusion',
      })),
      { maxRows: 12 },
    );
    for (const [name, style] of [
      ['view', 'body { font: 14px sans-serif }'],
      ['view in Jupyter', JUPYTER_STYLE],
    ]) {
      files[name] = path.join(folder, `${name}.html`);
      const meta = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">';
      fs.writeFileSync(files[name], `<!doctype html>${meta}<style>${style}</style><body>${html}`);
    }
    files.notebook = path.join(folder, 'notebook.html');
    fs.writeFileSync(files.notebook, notebookToHtml(notebook, notebookTitle(notebook, 'file')));
    browser = await launchBrowser();
  });
  after(async () => {
    await browser.close();
    fs.rmSync(folder, { recursive: true, force: true });
  });

  async function open(name: string, width: number, dark: boolean): Promise<{ page: Page; errors: string[] }> {
    const page = await browser.newPage({
      viewport: { width, height: SCREEN_PX },
      colorScheme: dark ? 'dark' : 'light',
    });
    const errors: string[] = [];
    page.on('console', (message) => void (message.type() === 'error' && errors.push(message.text())));
    page.on('pageerror', (error) => void errors.push(String(error)));
    await page.goto(pathToFileURL(files[name]).href);
    return { page, errors };
  }

  for (const name of ['samples', 'run', 'notebook'])
    for (const width of [390, 1280])
      it(`${name} at ${width} px: nothing overflows, no errors`, async () => {
        const { page, errors } = await open(name, width, width === 390);
        const widest = await page.evaluate('document.documentElement.scrollWidth');
        const shots = process.env.TUNEBOOK_SCREENSHOTS;
        if (shots !== undefined) await page.screenshot({ path: path.join(shots, `${name}-${width}.png`) });
        await page.close();
        assert.equal(widest, width);
        assert.deepEqual(errors, []);
      });

  it('samples are filtered, and what is wrong in them is marked', async () => {
    const { page } = await open('samples', 1280, false);
    const visible = (): Promise<number> => page.locator('.samples tbody tr:visible').count();
    assert.equal(await visible(), 12);
    for (const label of ['Right 4', 'Partly right 4', 'Wrong 4']) {
      await page.getByText(label, { exact: true }).click();
      assert.equal(await visible(), 4, label);
    }
    await page.getByText('All 12', { exact: true }).click();
    assert.equal(await visible(), 12);
    const second = page.locator('.samples tbody tr').nth(1);
    assert.deepEqual(await second.locator('mark.number').allTextContents(), ['99']);
    assert.deepEqual(await second.locator('del').allTextContents(), ['12', ', Ski']);
    assert.equal(await page.title(), 'Race feedback, before training');
    await page.close();
  });

  for (const width of [390, 1200]) {
    it(`a screen of ${width} px shows more than two and a half samples, on the page and in a notebook`, async () => {
      for (const name of ['samples', 'view', 'view in Jupyter']) {
        const { page } = await open(name, width, false);
        const rows = page.locator(name === 'samples' ? '.samples tbody tr' : 'tbody tr');
        const boxes = await Promise.all((await rows.all()).map((row) => row.boundingBox()));
        // From one to the next, the space between them included.
        const heights = boxes.slice(1).map((box, i) => (box?.y ?? 0) - (boxes[i]?.y ?? 0));
        const text = (await rows.allTextContents()).join();
        await page.close();
        assert.ok(text.includes('conclusion'), 'nothing of it is cut off');
        assert.ok(
          Math.min(...heights) > 20 && Math.max(...heights) < SCREEN_PX / 2.5,
          `${name}: ${heights.join()}`,
        );
        assert.equal(boxes.length, 12);
      }
    });
  }

  it('durations and sizes have units, titles are those that a person chose, code is coloured', async () => {
    const run = await open('run', 1280, false);
    const text = String(await run.page.textContent('body'));
    assert.match(text, /time1:15 min/);
    assert.match(text, /memory_bytes1\.5 GB/);
    assert.match(text, /maxTimeMs1:30 min/);
    assert.equal(await run.page.title(), 'My run');
    await run.page.close();
    const notebook = await open('notebook', 1280, false);
    assert.equal(await notebook.page.title(), 'Tuning a small model');
    const colours = (await notebook.page.evaluate(
      "[...document.querySelectorAll('pre.code span')].map((span) => [span.className, span.textContent.slice(0, 12)])",
    )) as string[][];
    assert.deepEqual(colours.slice(0, 3), [
      ['c', '// A comment'],
      ['k', 'const'],
      ['s', "'a string'"],
    ]);
    await notebook.page.close();
  });
});
