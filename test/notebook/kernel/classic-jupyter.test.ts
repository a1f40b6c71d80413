/**
 * Notebook 01 as a person meets it: Debian's Jupyter in a real browser, with the kernel that `tunebook kernel
 * install` registers. And Debian's nbconvert, which runs notebooks without a person.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { joinText, readNotebook } from '../../../lib/notebook/format/nbformat';
import {
  browserMissing,
  installKernelInto,
  JupyterBrowser,
  jupyterEnvironment,
  nbconvertProgram,
} from './jupyter-browser';
import { sleep } from './kernel-session';
import { Workplace } from '../../support/make-notebook';
import { makeProject, NOTEBOOK_CELLS, SHORT_STEPS } from './short-notebook';
import { LONG } from '../../support/long';

const { training: trainingCell, samples: samplesCell, verdicts, data, last } = NOTEBOOK_CELLS;

describe('notebook 01 in a browser', { skip: browserMissing, timeout: 240_000 }, () => {
  const place = new Workplace();
  let jupyter: JupyterBrowser;
  const cell = (index: number): ReturnType<JupyterBrowser['cell']> => jupyter.cell(index);
  const output = (index: number): Promise<string> => cell(index).locator('.output').innerText();
  /** Waits until a cell has run, and says its number. */
  const ran = async (index: number): Promise<string> => {
    const prompt = cell(index).locator('.input_prompt', { hasText: /\[\d+\]/ });
    await prompt.waitFor({ timeout: 120_000 });
    return prompt.innerText();
  };

  before(async () => {
    const project = makeProject(place);
    const prefix = place.file('prefix');
    assert.match(installKernelInto(prefix), /share.jupyter.kernels.tunebook/);
    const env = { ...jupyterEnvironment(prefix), TUNEBOOK_OUTPUT: place.file('results') };
    jupyter = await JupyterBrowser.open(project, 'notebooks/01.ipynb', env);
  });
  after(async () => {
    await jupyter.stop();
    place.remove();
  });

  it('runs the cells before training; the interactive figures draw and stand for their images', async () => {
    await cell(trainingCell).locator('.CodeMirror').click();
    await jupyter.menu('Cell', '#run_all_cells_above');
    await ran(NOTEBOOK_CELLS.trainer);
    const figure = cell(verdicts).locator('.js-plotly-plot');
    await figure.locator('.bars path').first().waitFor();
    assert.equal(await figure.count(), 1);
    assert.equal(await figure.locator('.bars path').count(), 3);
    await cell(verdicts).locator('.output_svg svg').waitFor({ state: 'hidden' });
    assert.match(await output(data), /2395 records loaded/);
    assert.equal(await jupyter.page.locator('.output_error').count(), 0);
  });

  it('knows the types of the library: completion and hover', async () => {
    await jupyter.page.evaluate(
      'IPython.notebook.select(6); IPython.notebook.insert_cell_below("code"); IPython.notebook.select(7); IPython.notebook.edit_mode()',
    );
    const { keyboard } = jupyter.page;
    await keyboard.type('new tb.TrainingArg');
    await keyboard.press('Tab');
    const editor = cell(7).locator('.CodeMirror-code');
    await editor.getByText('TrainingArguments').waitFor();
    await keyboard.type('; tb.barFig');
    await keyboard.press('Tab');
    await editor.getByText('barFigure').waitFor();
    await keyboard.press('Shift+Tab');
    const hover = jupyter.page.locator('#tooltip .tooltiptext');
    await hover.getByText('titles: ').waitFor();
    assert.match(
      await hover.innerText(),
      /barFigure\(bars: .*Record<string, number>.*titles: .*\): .*Figure/s,
    );
    await keyboard.press('Escape');
    await jupyter.page.evaluate('IPython.notebook.delete_cell(7)');
  });

  it(
    'shows the loss while it falls; an interrupt keeps it, the next run goes on to the end',
    LONG,
    async () => {
      await cell(trainingCell).locator('.CodeMirror').click();
      await jupyter.page.keyboard.press('Control+Enter');
      const live = cell(trainingCell).locator('.output_svg svg');
      const bar = cell(trainingCell).locator('progress');
      const seen = new Set<string>();
      for (let i = 0; i < 600 && seen.size < 2; i++) {
        if ((await live.count()) > 0) seen.add(await live.first().innerHTML());
        await sleep(100);
      }
      assert.equal(seen.size, 2, 'expected the figure to change');
      const reached = async (): Promise<number> => SHORT_STEPS * Number(await bar.getAttribute('value'));
      for (let i = 0; i < 600 && (await reached()) < 11; i++) await sleep(100); // some steps are logged
      assert.ok((await reached()) >= 11);
      const shot = place.file('training.png');
      await jupyter.page.screenshot({ path: shot });
      assert.ok(fs.statSync(shot).size > 10_000);

      await jupyter.page.locator('button[data-jupyter-action="jupyter-notebook:interrupt-kernel"]').click();
      const first = await ran(trainingCell);
      const stopped = /interrupt\w* after (\d+) steps/.exec(await output(trainingCell));
      assert.ok(stopped, await output(trainingCell));
      assert.ok(Number(stopped[1]) < SHORT_STEPS);

      await cell(trainingCell).locator('.CodeMirror').click();
      await jupyter.menu('Cell', '#run_all_cells_below');
      await ran(last);
      assert.notEqual(await ran(trainingCell), first);
      assert.match(await output(trainingCell), new RegExp(`after ${SHORT_STEPS} steps`));
      const figure = cell(trainingCell).locator('.js-plotly-plot');
      await figure.locator('.scatterlayer .trace').first().waitFor();
      await live.waitFor({ state: 'hidden' });
      const steps = await figure.evaluate((node: unknown) => (node as { data: { x: number[] }[] }).data[0].x);
      assert.deepEqual([steps[0], steps.at(-1)], [1, SHORT_STEPS]);
      const before = steps.filter((step) => step <= Number(stopped[1]));
      assert.ok(before.length > 1, 'expected the steps before the interrupt in the figure');
      assert.equal(await cell(samplesCell).locator('td', { hasText: /[✓✗]/ }).count(), 2);
      assert.equal(await jupyter.page.locator('.output_error').count(), 0);
    },
  );
});

/** What a test looks at of each cell's outputs, text in one piece. */
function outputsOf(file: string): unknown[][] {
  return readNotebook(file).cells.map((cell) =>
    (cell.outputs ?? []).map((output) => {
      if (output.output_type === 'stream') return { text: joinText(output.text) };
      if (output.output_type === 'error') return { ename: output.ename, evalue: output.evalue };
      const data = Object.entries(output.data).map(([type, value]) => [type, joinText(value as string)]);
      return { data: Object.fromEntries(data) as unknown };
    }),
  );
}

describe(
  'nbconvert',
  {
    skip: LONG.skip === false ? nbconvertProgram === null && 'it is not installed' : LONG.skip,
    timeout: 60_000,
  },
  () => {
    const place = new Workplace();
    after(() => place.remove());

    /** Runs `jupyter nbconvert --execute` on cells. */
    const execute = (name: string, sources: readonly string[], flags: readonly string[] = []): string => {
      const prefix = place.file('prefix');
      installKernelInto(prefix);
      const file = place.write(`${name}.ipynb`, sources);
      const args = ['--to', 'notebook', '--execute', ...flags, '--output', `${name}-out.ipynb`, file];
      execFileSync(nbconvertProgram ?? '', args, {
        env: { ...jupyterEnvironment(prefix) },
        cwd: place.folder,
        stdio: 'pipe',
      });
      return place.file(`${name}-out.ipynb`);
    };

    it('runs cells, keeps order and display updates, and loses no output', () => {
      const file = execute('good', [
        'for (let i = 0; i < 5000; i++) console.log("line", i);\n6 * 7',
        'import { displayHandle } from "tunebook";\nconst handle = displayHandle();\n' +
          'for (const text of ["first", "last"]) { handle.update({ "text/plain": text }); await new Promise((r) => setTimeout(r, 20)); }',
      ]);
      const [first, second] = outputsOf(file);
      const lines = Array.from({ length: 5000 }, (_, i) => `line ${i}\n`).join('');
      assert.deepEqual(first, [{ text: lines }, { data: { 'text/plain': '42' } }]);
      assert.deepEqual(second, [{ data: { 'text/plain': 'last' } }]);
    });

    it('gets an error with name and value, and goes on when told to', () => {
      const sources = ['throw new RangeError("too far");', 'console.log("after")'];
      assert.throws(() => execute('bad', sources), /RangeError: too far/);
      const [bad, good] = outputsOf(execute('allowed', sources, ['--allow-errors']));
      assert.deepEqual(bad, [{ ename: 'RangeError', evalue: 'too far' }]);
      assert.deepEqual(good, [{ text: 'after\n' }]);
    });
  },
);
