/** The page at `/` in a browser: an answer that streams, feedback on a race, and nothing that its policy refuses. */
import assert from 'node:assert/strict';
import fs from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { checkRaces, fit, readRaces, saveState } from '../../lib/hyrox';
import { SAMPLE_FOLDER } from '../../data/hyrox/generate';
import { chromiumProgram, launchBrowser } from '../notebook/kernel/jupyter-browser';
import { temporaryFolder } from '../support/temporary-folder';
import { startSmall } from './small-server';

const SKIP = chromiumProgram === null ? 'chromium is not installed' : false;

test('the page chats and writes feedback', { skip: SKIP, timeout: 120_000 }, async (t) => {
  const state = path.join(await temporaryFolder(t), 'races.state.json');
  const { table, log } = readRaces(path.join(SAMPLE_FOLDER, 'hyrox-sample.csv'));
  await saveState(state, fit(checkRaces(table, log), { k: 3 }));
  const token = 'of-the-page';
  const { server, client } = await startSmall(t, { state, token, adapters: ['one'] });
  const browser = await launchBrowser();
  t.after(() => browser.close());
  const page = await browser.newPage();
  const problems: string[] = [];
  const requested: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' && !/status of 401/.test(message.text())) problems.push(message.text());
  });
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('request', (request) => requested.push(request.url()));
  await page.goto(server.url);
  await page.locator('#token-field:not([hidden]) input').fill(token);
  await page.locator('#token').blur();
  await page.locator('#model option').nth(1).waitFor({ state: 'attached' });
  await page.selectOption('#model', 'one');
  await page.fill('#length', '40');
  await page.fill('#question', 'How was the <b>sled</b>?');
  await page.click('#send');
  await page.locator('#stop:disabled').waitFor();
  const answer = await client.chat.completions.create({
    ...{ model: 'one', temperature: 0, max_tokens: 40 },
    messages: [{ role: 'user', content: 'How was the <b>sled</b>?' }],
  });
  assert.equal(await page.locator('.turn.assistant').textContent(), answer.choices[0].message.content);
  assert.equal(await page.locator('.turn.user').textContent(), 'How was the <b>sled</b>?');
  assert.equal(await page.locator('.turn b').count(), 0, 'texts are no markup');

  // A new chat in the midst of an answer takes nothing of the old one along.
  const sent: unknown[] = [];
  page.on('request', (request) => {
    if (request.url().endsWith('/completions')) sent.push(request.postDataJSON());
  });
  await page.fill('#question', 'And the row?');
  await page.press('#question', 'Enter');
  await page.click('#clear');
  await page.locator('#stop:disabled').waitFor();
  await page.fill('#question', 'Who won?');
  await page.press('#question', 'Enter');
  await page.locator('#stop:disabled').waitFor();
  const messages = sent.map((body) => (body as { messages: unknown[] }).messages.length);
  assert.deepEqual(messages, [3, 1]);
  assert.deepEqual(await page.locator('.turn').count(), 2);

  const fields = page.locator('#fields input');
  assert.equal(await fields.count(), 23);
  const [header, row] = (await fs.readFile(path.join(SAMPLE_FOLDER, 'hyrox-sample.csv'), 'utf8'))
    .split('\n')
    .slice(0, 2)
    .map((line) => line.split(','));
  for (let i = 0; i < 23; i++) {
    const name = (await fields.nth(i).getAttribute('name')) ?? '';
    await fields.nth(i).fill(row[header.indexOf(name)]);
  }
  await page.selectOption('#fields select[name=gender]', row[0]);
  await page.selectOption('#fields select[name=age_group]', row[1]);
  await page.click('#race-form button');
  const frame = page.frameLocator('#feedback');
  await frame.locator('h1').waitFor();
  const [finish] = await frame.locator('dd.big').allTextContents();
  assert.equal(finish, row[header.indexOf('total_time')].replace(/^0:/, ''));
  assert.match((await frame.locator('main').textContent()) ?? '', /races of races\.state\.json/);
  // What is no race is named, and what was there stays.
  await fields.first().fill('never');
  await page.click('#race-form button');
  await page.locator('#problem:not([hidden])').waitFor();
  assert.match((await page.locator('#problem').textContent()) ?? '', /run_1: expected a time .* got "never"/);
  assert.deepEqual(
    problems.filter((text) => !/status of 400/.test(text)),
    [],
  );
  assert.deepEqual(
    requested.filter((url) => !url.startsWith(`${server.url}/`) && !url.startsWith('data:')),
    [],
  );
});
