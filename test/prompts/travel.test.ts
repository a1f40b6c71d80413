/**
 * The prompt travels with the model: what is read back from a saved folder asks as the training did, token for token,
 * and so does transformers with the chat template of that folder.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { chatTemplate, instructionTemplate, loadPrompt, promptOf, savePrompt } from '../../lib/prompts';
import { promptIds } from '../../lib/tokenizer';
import { RECORDS, savedPrompt, TEMPLATES, tokenizerOf } from '../golden/prompt/cases';
import { ROOT } from '../support/paths';

interface Case {
  name: string;
  jinja: string;
  conversations: { role: string; content: string }[][];
}
const readGolden = (file: string): unknown =>
  JSON.parse(fs.readFileSync(path.join(ROOT, 'test', 'golden', 'prompt', file), 'utf8'));
const cases = readGolden('cases.json') as Case[];
const golden = readGolden('golden.json') as { name: string; rows: { text: string; ids: number[] }[] }[];
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-prompts-'));
after(() => fs.rmSync(scratch, { recursive: true, force: true }));
const folderOf = (name: string): string => fs.mkdtempSync(path.join(scratch, name));

describe('a saved prompt', () => {
  for (const [index, [name, form]] of Object.entries(TEMPLATES).entries()) {
    it(`${name}: the training's tokens, here and in transformers`, async () => {
      const folder = folderOf('form');
      const prompt = await savedPrompt(folder, form);
      const { tokenizer } = prompt;
      const template = form.make(await tokenizerOf(form.tokenizer));
      const { rows } = golden[index];
      assert.equal(golden[index].name, name);
      assert.equal(prompt.chatTemplate, cases[index].jinja);
      assert.equal(fs.readFileSync(path.join(folder, 'chat_template.jinja'), 'utf8'), prompt.chatTemplate);
      for (const [i, record] of RECORDS.entries()) {
        const training = template.formatPrompt(record);
        assert.equal(prompt.render(record), training);
        assert.equal(prompt.render(prompt.messages(record)), training);
        assert.deepEqual(promptIds(tokenizer, training), rows[i].ids);
        assert.ok(rows[i].text.endsWith(training));
      }
      for (const [i, turns] of cases[index].conversations.entries())
        assert.equal(
          tokenizer.applyChatTemplate(turns, { tokenize: false, addGenerationPrompt: true }),
          rows[i].text,
        );
    });
  }

  it('has the first token once, and adds no foreign system text', async () => {
    const { rows } = golden[Object.keys(TEMPLATES).indexOf('instruction, mistral')];
    for (const { ids } of rows) assert.equal(ids.filter((id) => id === 1).length, 1);
    const [own, foreign] = [rows[0], rows[RECORDS.length + 1]];
    assert.equal(foreign.text, own.text);
  });

  it('treats a text as a turn, and a whole prompt as it is', async () => {
    const prompt = await savedPrompt(folderOf('text'), TEMPLATES['instruction, gpt2']);
    const whole = prompt.render('How was it?');
    assert.equal(whole, '### Instruction:\nYou are a coach.\n\n### Input:\nHow was it?\n\n### Response:\n');
    assert.equal(prompt.render(whole), whole);
    assert.deepEqual(prompt.frame, {
      before: '### Instruction:\nYou are a coach.\n\n### Input:\n',
      after: '\n\n### Response:\n',
    });
  });

  it("a record's own system text is rendered, and refused as turns", async () => {
    const prompt = await savedPrompt(folderOf('own'), TEMPLATES['instruction, gpt2']);
    const record = { system: 'Own.', input: 'a', context: 'b' };
    assert.match(prompt.render(record), /^### Instruction:\nOwn\.\n/);
    assert.throws(() => prompt.messages(record), /expected records without a system text/);
  });

  it('stop strings and defaults travel; a saved tokenizer keeps the prompt', async () => {
    const folder = folderOf('stops');
    const tokenizer = await tokenizerOf('mistral');
    const template = instructionTemplate({ stopStrings: ['###'], defaults: { context: 'none' } });
    await savePrompt(folder, { tokenizer, template });
    await tokenizer.savePretrained(folder); // as notebooks did before
    const prompt = await loadPrompt(folder);
    assert.deepEqual(prompt?.stopStrings, ['###']);
    assert.deepEqual(prompt?.description.defaults, { context: 'none' });
    assert.match(prompt?.render({ input: 'a' }) ?? '', /### Context:\nnone\n/);
    const config = JSON.parse(fs.readFileSync(path.join(folder, 'tokenizer_config.json'), 'utf8')) as {
      chat_template: string;
    };
    assert.equal(config.chat_template, prompt?.chatTemplate);
    const again = folderOf('again');
    await prompt?.tokenizer.savePretrained(again);
    assert.deepEqual((await loadPrompt(again))?.description, prompt?.description);
  });

  it("a new system text takes the place of a tuned model's, in a chat template that has it", async () => {
    const folder = folderOf('again');
    const { tokenizer } = await savedPrompt(folder, TEMPLATES['chat, system text']);
    const template = chatTemplate({ tokenizer, system: 'New.' });
    assert.equal(template.formatPrompt(RECORDS[0]), '[INST] New.\n\nHow was it?\n\ntime: 61 [/INST]');
    await savePrompt(folder, { tokenizer, template });
    assert.deepEqual((await loadPrompt(folder))?.frame, { before: '[INST] New.\n\n', after: ' [/INST]' });
  });

  it('without a saved prompt: the own chat template, or none', async () => {
    const [gpt2, mistral] = await Promise.all(['gpt2', 'mistral'].map((name) => tokenizerOf(name)));
    assert.equal(promptOf(gpt2), undefined);
    assert.equal(promptOf(mistral)?.render('Hi'), '[INST] Hi [/INST]');
    assert.equal(promptOf(mistral)?.source, 'the chat template of mistral');
  });

  it('a damaged file is named with what to do', async () => {
    const folder = folderOf('damaged');
    await savedPrompt(folder, TEMPLATES['instruction, gpt2']);
    const file = path.join(folder, 'tunebook_prompt.json');
    fs.writeFileSync(file, '{ "version": 2, "form": "instruction" }');
    await assert.rejects(
      loadPrompt(folder),
      /tunebook_prompt\.json: .*expected version 1[^]*Save the model again/,
    );
    fs.writeFileSync(file, '{');
    await assert.rejects(loadPrompt(folder), /tunebook_prompt\.json: expected a JSON object/);
  });

  it('a template that does not say its form: the tokenizer is saved, and the console says so', async (t) => {
    const warn = t.mock.method(console, 'warn', () => undefined);
    const folder = folderOf('mute');
    const tokenizer = await tokenizerOf('gpt2');
    const template = { formatPrompt: () => 'a', formatResponse: () => 'b' };
    const files = await savePrompt(folder, { tokenizer, template });
    assert.deepEqual(files, ['tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json']);
    assert.match(String(warn.mock.calls[0].arguments[0]), /does not say its form/);
  });
});
