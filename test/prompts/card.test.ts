/** Model cards: what the hub reads of them, what a person reads, and whose README.md it is. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, it } from 'node:test';
import { parse } from 'yaml';
import { addCardSection, modelCard, writeCard } from '../../lib/pretrained';
import type { ModelCardOptions } from '../../lib/pretrained';
import { instructionTemplate } from '../../lib/prompts';

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-card-'));
after(() => fs.rmSync(scratch, { recursive: true, force: true }));

const ADAPTER: ModelCardOptions = {
  ...{ title: 'Race: coach "x"', kind: 'adapter', base: 'openai-community/gpt2', isBaseOnHub: true },
  ...{ license: 'mit', language: ['en', 'no'], datasets: ['me/races'], data: '1,280 records of races' },
  ...{ labels: 'from fitted expectations', measuredOn: '160 test records', tags: ['sport'] },
  metrics: { exactMatch: 0.9, eval_loss: 0.123456, segmentMicroF1: 0.978, none: null },
  prompt: instructionTemplate({ system: 'You are a coach.\n```' }).travel?.description,
};

const matterOf = (card: string): unknown => parse(/^---\n([^]*?)\n---\n/.exec(card)?.[1] ?? '');

it("has Hugging Face's front matter", () => {
  assert.deepEqual(matterOf(modelCard(ADAPTER)), {
    license: 'mit',
    language: ['en', 'no'],
    library_name: 'peft',
    pipeline_tag: 'text-generation',
    base_model: 'openai-community/gpt2',
    base_model_relation: 'adapter',
    datasets: ['me/races'],
    tags: ['tunebook', 'sport'],
    'model-index': [
      {
        name: 'Race: coach "x"',
        results: [
          {
            task: { type: 'text-generation' },
            dataset: { name: '160 test records', type: 'me/races' },
            metrics: [
              { type: 'exact_match', name: 'exactMatch', value: 0.9 },
              { type: 'eval_loss', name: 'eval_loss', value: 0.123456 },
              { type: 'segment_micro_f1', name: 'segmentMicroF1', value: 0.978 },
            ],
          },
        ],
      },
    ],
  });
  assert.deepEqual(matterOf(modelCard({ title: 'x', kind: 'model', base: 'gpt2-mini' })), {
    ...{ library_name: 'transformers', pipeline_tag: 'text-generation', tags: ['tunebook'] },
  });
});

it('says prompt, data, measures, base, licence, and how to load this kind of folder', () => {
  const card = modelCard(ADAPTER);
  for (const part of [
    '# Race: coach "x"\n',
    '````text\n### Instruction:\nYou are a coach.\n```\n\n### Input:\n{input}\n',
    'Data: 1,280 records of races.',
    'Labels: from fitted expectations.',
    'On 160 test records.\n\n| measure | value |\n| --- | --- |\n| exactMatch | 0.9 |\n| eval_loss | 0.1235 |\n',
    'tunebook generate --model openai-community/gpt2 --adapter .',
    'PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained("openai-community/gpt2"), ".")',
    '`mit`, as far as its base allows (`openai-community/gpt2`).',
  ])
    assert.ok(card.includes(part), `${part}\n\nis not in\n\n${card}`);
  const tools = {
    model: /apply_chat_template/,
    gguf: /llama-cli -m/,
    onnx: /pipeline\('text-generation', "x"\)/,
  };
  for (const [kind, tool] of Object.entries(tools)) {
    const text = modelCard({ title: 'x', kind: kind as ModelCardOptions['kind'] });
    for (const other of Object.values(tools)) assert.equal(other.test(text), other === tool, kind);
  }
  assert.match(modelCard({ title: 'x', kind: 'model', base: 'b' }), /Not stated\. That of its base, `b`/);
});

it("leaves a person's README.md alone, and adds sections to its own, each once", async () => {
  const file = path.join(scratch, 'README.md');
  fs.writeFileSync(file, 'mine\n');
  assert.deepEqual(await writeCard(scratch, ADAPTER), []);
  assert.equal(await addCardSection(scratch, { title: 'Agreement', text: 'x' }), false);
  assert.equal(fs.readFileSync(file, 'utf8'), 'mine\n');
  fs.rmSync(file);
  assert.deepEqual(await writeCard(scratch, ADAPTER), ['README.md']);
  assert.equal(await addCardSection(scratch, { title: 'Agreement', text: '8 of 8 $& equal.' }), true);
  assert.equal(await addCardSection(scratch, { title: 'Other', text: 'b' }), true);
  assert.equal(await addCardSection(scratch, { title: 'Agreement', text: '7 of 8 equal.' }), true);
  const text = fs.readFileSync(file, 'utf8');
  assert.ok(text.startsWith(modelCard(ADAPTER)));
  assert.deepEqual(text.match(/^## .*$/gm)?.slice(-2), ['## Other', '## Agreement']);
  assert.ok(text.includes('7 of 8 equal.') && !text.includes('8 of 8'));
  await assert.rejects(addCardSection(scratch, { title: 'a\nb', text: '' }), /a title of one line/);
});
