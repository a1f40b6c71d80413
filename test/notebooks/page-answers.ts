/** The page that a notebook wrote, opened in a browser: it answers a record as the model that the notebook saved. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { loadRecords } from '../../lib/dataset';
import { readJsonObject } from '../../lib/files';
import { textGenerator } from '../../lib/generation';
import type { CausalLM } from '../../lib/pretrained';
import { loadPrompt } from '../../lib/prompts';
import { AutoTokenizer } from '../../lib/tokenizer';
import { openInBrowser } from '../export/page-in-browser';
import { chromiumProgram } from '../notebook/kernel/jupyter-browser';

/**
 * Asks the page of a run its first test record.
 * @param folder what the run wrote: `site`, `splits`
 * @param saved folder of the model or adapter that `model` was loaded from
 */
export async function assertPageAnswers(folder: string, saved: string, model: CausalLM): Promise<void> {
  if (chromiumProgram === null) return;
  const { records } = await loadRecords(path.join(folder, 'splits', 'test.jsonl'));
  const record = Object.fromEntries(
    Object.entries(records[0]).map(([field, value]) => [field, String(value)]),
  );
  const prompt = (await loadPrompt(saved))?.render(record);
  assert.ok(prompt !== undefined && prompt.includes(record.input), 'expected a prompt with the question');
  const tokenizer = await AutoTokenizer.fromPretrained(saved);
  const { maxNewTokens } = (await readJsonObject(path.join(folder, 'site', 'page.json'))) as {
    maxNewTokens?: number;
  };
  const [wanted] = await textGenerator({ model, tokenizer, maxNewTokens, doSample: false })([prompt]);
  const page = await openInBrowser(path.join(folder, 'site'));
  try {
    const answer = await page.ask(record);
    assert.ok(answer.trim().length > 20, `expected a sentence, got "${answer}"`);
    assert.equal(answer.trim(), wanted.trim());
    assert.deepEqual(page.problems, []);
  } finally {
    await page.close();
  }
}
