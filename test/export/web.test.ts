/** The page of `exportWeb` in a browser: a record asked in the form gets tunebook's own answer; all of it is the folder's. */
import assert from 'node:assert/strict';
import fs from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { exportWeb } from '../../lib/export';
import { textGenerator } from '../../lib/generation';
import { AutoModelForCausalLM, savePretrained } from '../../lib/pretrained';
import { instructionTemplate } from '../../lib/prompts';
import { AutoTokenizer } from '../../lib/tokenizer';
import { chromiumProgram } from '../notebook/kernel/jupyter-browser';
import { temporaryFolder } from '../support/temporary-folder';
import { openInBrowser } from './page-in-browser';

process.env.TUNEBOOK_PROVIDER = 'cpu';

const SKIP = chromiumProgram === null ? 'chromium is not installed' : false;

test(
  'a page answers a record as tunebook does, in float32 on wasm',
  { skip: SKIP, timeout: 240_000 },
  async (t) => {
    const folder = await temporaryFolder(t);
    const tokenizer = await AutoTokenizer.fromPretrained('gpt2-mini');
    const model = await AutoModelForCausalLM.fromPretrained('gpt2-mini');
    t.after(() => model.dispose());
    const template = instructionTemplate({ system: 'You are a coach.', stopStrings: [' of the'] });
    const saved = path.join(folder, 'saved');
    await savePretrained(model, saved, { prompt: { tokenizer, template } });
    const site = path.join(folder, 'site');
    const title = 'Ask <i>the</i> coach';
    await exportWeb(saved, site, { dtypes: ['fp32', 'q8'], check: false, title, maxNewTokens: 24 });
    const settings = JSON.parse(await fs.readFile(path.join(site, 'page.json'), 'utf8')) as object;
    assert.deepEqual(settings, {
      ...{ title, model: 'model', maxNewTokens: 24, stopStrings: [' of the'] },
      dtypes: [
        { name: 'fp32', sizeBytes: (await fs.stat(path.join(site, 'model/onnx/model.onnx'))).size },
        { name: 'q8', sizeBytes: (await fs.stat(path.join(site, 'model/onnx/model_quantized.onnx'))).size },
      ],
      prompt: {
        kind: 'text',
        text: '### Instruction:\n{system}\n\n### Input:\n{input}\n\n### Context:\n{context}\n\n### Response:\n',
        defaults: { context: '', system: 'You are a coach.' },
      },
    });
    const records = [
      { input: 'How was the {input} <b>race</b>?', context: 'total_time: 3196, predicted: 3300' },
      { input: 'Was the sled slow?', context: '' },
    ];
    const wanted = await textGenerator({
      ...{ model, tokenizer, maxNewTokens: 24, doSample: false, stopStrings: [' of the'] },
    })(records.map((record) => template.formatPrompt(record)));
    const page = await openInBrowser(site);
    try {
      for (const [i, record] of records.entries()) assert.equal(await page.ask(record), wanted[i]);
      assert.match(page.status, /processor, fp32/);
      assert.deepEqual(page.problems, []);
    } finally {
      await page.close();
    }
  },
);
