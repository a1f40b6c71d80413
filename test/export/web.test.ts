/** The page of `exportWeb` in a browser: a record asked in the form gets tunebook's own answer; all of it is the folder's. */
import assert from 'node:assert/strict';
import fs from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { exportWeb } from '../../lib/export';
import { ownResponder } from '../../lib/export/proof/own-answers';
import type { PageSettings } from '../../lib/export/web/page-types';
import { textGenerator } from '../../lib/generation';
import { AutoModelForCausalLM, savePretrained } from '../../lib/pretrained';
import { chatTemplate, instructionTemplate } from '../../lib/prompts';
import { AutoTokenizer } from '../../lib/tokenizer';
import { familyModel } from '../models/families/family-model';
import { GOLDEN, readGolden } from '../models/families/golden-run';
import { LONG } from '../support/long';
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
    const settings = JSON.parse(await fs.readFile(path.join(site, 'page.json'), 'utf8')) as PageSettings;
    const [{ probe }] = settings.dtypes;
    const known = await ownResponder(model, tokenizer).logProbabilities(probe.ids, probe.ids.length);
    assert.ok(probe.ids.length > 10);
    for (const [at, row] of known.entries()) {
      assert.equal(probe.next[at], row.indexOf(Math.max(...row)));
      assert.ok(Math.abs(row[probe.next[at]] - probe.logProbabilities[at]) < 1e-4);
    }
    const probes = settings.dtypes.map((file) => file.probe);
    assert.deepEqual(settings, {
      ...{ title, model: 'model', maxNewTokens: 24, stopStrings: [' of the'] },
      dtypes: [
        {
          name: 'fp32',
          sizeBytes: (await fs.stat(path.join(site, 'model/onnx/model.onnx'))).size,
          probe: probes[0],
        },
        {
          name: 'q8',
          sizeBytes: (await fs.stat(path.join(site, 'model/onnx/model_quantized.onnx'))).size,
          probe: probes[1],
        },
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
      assert.match(
        page.status,
        /\(processor, fp32\).* The GPU is not used: (WebGPU finds none|this browser has no WebGPU)\.$/,
      );
      assert.deepEqual(page.problems, []);
    } finally {
      await page.close();
    }
  },
);

const CHAT_ML =
  '{% for turn in messages %}<|im_start|>{{ turn.role }}\n{{ turn.content }}<|im_end|>\n{% endfor %}' +
  '{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}';

test(
  'a Qwen3 and a Gemma 3 that were tuned on conversations answer as tunebook does',
  { skip: SKIP === false ? LONG.skip : SKIP, timeout: 600_000 },
  async (t) => {
    const { cases } = readGolden('families/golden.json') as {
      cases: Record<string, { config: Record<string, unknown> }>;
    };
    const tokenizer = await AutoTokenizer.fromPretrained(path.join(GOLDEN, 'tokenizer', 'byte-level'));
    for (const name of ['qwen3', 'gemma3']) {
      const folder = await temporaryFolder(t);
      const sizes = { vocab_size: 320, intermediate_size: 64, max_position_embeddings: 512 };
      const model = await familyModel({ ...cases[name].config, ...sizes });
      t.after(() => model.dispose());
      const template = chatTemplate({ tokenizer, chatTemplate: CHAT_ML, system: 'You are a coach.' });
      const saved = path.join(folder, 'saved');
      await savePretrained(model, saved, { prompt: { tokenizer, template } });
      const site = path.join(folder, 'site');
      await exportWeb(saved, site, { dtypes: ['fp32', 'q4'], check: false, maxNewTokens: 16 });
      const record = { input: 'Was the sled slow?' };
      const ask = textGenerator({ model, tokenizer, maxNewTokens: 16, doSample: false });
      const [wanted] = await ask([template.formatPrompt(record)]);
      for (const dtype of ['fp32', 'q4']) {
        const page = await openInBrowser(site, { dtype });
        try {
          const answer = await page.ask(record);
          // Rounded weights answer something.
          if (dtype === 'fp32') assert.equal(answer, wanted);
          else assert.notEqual(answer, '');
          assert.match(page.status, new RegExp(dtype));
          assert.deepEqual(page.problems, []);
        } finally {
          await page.close();
        }
      }
    }
  },
);
