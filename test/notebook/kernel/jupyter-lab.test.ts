/** Notebook 01 in JupyterLab 4, where it is installed: as a person meets it, with Lab's own keys and buttons. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { installKernelInto, jupyterEnvironment } from './jupyter-browser';
import { JupyterLab, labMissing } from './jupyter-lab';
import { sleep } from './kernel-session';
import { Workplace } from '../../support/make-notebook';
import { makeProject, NOTEBOOK_CELLS, SHORT_STEPS } from './short-notebook';

describe('notebook 01 in JupyterLab', { skip: labMissing, timeout: 240_000 }, () => {
  const place = new Workplace();
  const { training, samples, verdicts, data, last } = NOTEBOOK_CELLS;
  let lab: JupyterLab;
  const output = (index: number): Promise<string> => lab.cell(index).locator('.jp-OutputArea').innerText();
  /** Waits until a cell has run, and says its number. */
  const ran = async (index: number): Promise<string> => {
    const prompt = lab.cell(index).locator('.jp-InputPrompt', { hasText: /\[\d+\]/ });
    await prompt.waitFor({ timeout: 120_000 });
    return prompt.innerText();
  };
  const errors = (): Promise<number> =>
    lab.page.locator('.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.error"]').count();

  before(async () => {
    const project = makeProject(place);
    const prefix = place.file('prefix');
    installKernelInto(prefix);
    const env = { ...jupyterEnvironment(prefix), TUNEBOOK_OUTPUT: place.file('results') };
    lab = await JupyterLab.open(project, 'notebooks/01.ipynb', env, 'dark');
  });
  after(async () => {
    await lab.stop();
    place.remove();
  });

  it('runs the cells before training; the interactive figures draw and stand for their images', async () => {
    await lab.cell(training).locator('.cm-content').click();
    await lab.menu('Run', 'Run All Above Selected Cell');
    await ran(NOTEBOOK_CELLS.trainer);
    const figure = lab.cell(verdicts).locator('.js-plotly-plot');
    await figure.locator('.bars path').first().waitFor();
    assert.equal(await figure.locator('.bars path').count(), 3);
    const image = lab.cell(verdicts).locator('.jp-RenderedSVG');
    await image.waitFor({ state: 'hidden' });
    assert.match(await output(data), /2395 records loaded/);
    assert.equal(await errors(), 0);
  });

  it('knows the types of the library: completion with Tab, hover with Shift-Tab', async () => {
    const { page } = lab;
    await lab.cell(data).locator('.cm-content').click();
    await page.keyboard.press('Escape');
    await page.keyboard.press('b');
    const editor = lab.cell(data + 1).locator('.cm-content');
    await editor.click();
    await page.keyboard.type('new tb.TrainingArg');
    await page.keyboard.press('Tab');
    const list = page.locator('.jp-Completer');
    await list.getByText('TrainingArguments', { exact: true }).waitFor();
    await page.keyboard.press('Enter');
    await editor.getByText('TrainingArguments').waitFor();
    await page.keyboard.type('; tb.save');
    await page.keyboard.press('Tab');
    await list.getByText('savePretrained', { exact: true }).waitFor();
    await list.getByText('saveSplits', { exact: true }).waitFor();
    await page.keyboard.press('Escape');
    await page.keyboard.type('Adapter');
    await page.keyboard.press('Shift+Tab');
    const hover = page.locator('.jp-Tooltip');
    await hover.getByText('saveAdapter').waitFor();
    assert.match(
      await hover.innerText(),
      /saveAdapter\(model: CausalLM, folder: string.*Promise<.*Writes the model's adapter/s,
    );
    await page.keyboard.press('Escape');
    await page.keyboard.press('Escape');
    await page.keyboard.press('d');
    await page.keyboard.press('d');
    await lab
      .cell(data + 1)
      .locator('.cm-content', { hasText: 'saveAdapter' })
      .waitFor({ state: 'detached' });
  });

  it('shows the loss while it falls; an interrupt keeps it, the next run goes on to the end', async () => {
    const { page } = lab;
    await lab.cell(training).locator('.cm-content').click();
    await page.keyboard.press('Control+Enter');
    const live = lab.cell(training).locator('.jp-RenderedSVG').first();
    const bar = lab.cell(training).locator('progress');
    const seen = new Set<string>();
    for (let i = 0; i < 600 && seen.size < 2; i++) {
      if ((await live.count()) > 0) seen.add(await live.innerHTML());
      await sleep(100);
    }
    assert.equal(seen.size, 2, 'expected the figure to change');
    const reached = async (): Promise<number> => SHORT_STEPS * Number(await bar.getAttribute('value'));
    for (let i = 0; i < 600 && (await reached()) < 11; i++) await sleep(100); // some steps are logged
    assert.ok((await reached()) >= 11);
    const shot = place.file('training.png');
    await page.screenshot({ path: shot });
    assert.ok(fs.statSync(shot).size > 10_000);

    await page
      .locator('.jp-NotebookPanel-toolbar [data-jp-item-name="interrupt"] :is(button, jp-button)')
      .first()
      .click();
    const first = await ran(training);
    const stopped = /interrupt\w* after (\d+) steps/.exec(await output(training));
    assert.ok(stopped, await output(training));
    assert.ok(Number(stopped[1]) < SHORT_STEPS);

    await lab.cell(training).locator('.cm-content').click();
    await lab.menu('Run', 'Run Selected Cell and All Below');
    await ran(last);
    assert.notEqual(await ran(training), first);
    assert.match(await output(training), new RegExp(`after ${SHORT_STEPS} steps`));
    const figure = lab.cell(training).locator('.js-plotly-plot');
    await figure.locator('.scatterlayer .trace').first().waitFor();
    await live.waitFor({ state: 'hidden' });
    const steps = await figure.evaluate((node: unknown) => (node as { data: { x: number[] }[] }).data[0].x);
    assert.deepEqual([steps[0], steps.at(-1)], [1, SHORT_STEPS]);
    assert.equal(await lab.cell(samples).locator('td', { hasText: /[✓✗]/ }).count(), 2);
    assert.equal(await errors(), 0);
  });
});
