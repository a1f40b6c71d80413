/** `tunebook generate` through the built program: a saved adapter answers as it did in the process that made it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import type { GeneratedAnswers } from '../../../lib/pretrained';
import { textGenerator } from '../../../lib/generation';
import { AutoModelForCausalLM, getPeftModel, saveAdapter, savePretrained } from '../../../lib/pretrained';
import { instructionTemplate } from '../../../lib/prompts';
import { LoraConfig } from '../../../lib/models';
import { BitsAndBytesConfig } from '../../../lib/quantization';
import { AutoTokenizer } from '../../../lib/tokenizer';
import { CLI } from '../../support/paths';
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-generate-'));
after(() => fs.rmSync(folder, { recursive: true, force: true }));

function tunebook(...words: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [CLI, 'generate', ...words], { cwd: folder, encoding: 'utf8' });
}

describe('tunebook generate', () => {
  it('loads base and adapter in a fresh process, and answers the same', async () => {
    const quantizationConfig = new BitsAndBytesConfig({
      loadIn4bit: true,
      bnb4bitQuantType: 'nf4',
      bnb4bitUseDoubleQuant: true,
    });
    const model = await AutoModelForCausalLM.fromPretrained('mistral-mini', { quantizationConfig });
    const tokenizer = await AutoTokenizer.fromPretrained('mistral-mini');
    const answer = textGenerator({ model, tokenizer, maxNewTokens: 12 });
    const prompts = ['The race was', 'total_time: 3196, predicted:'];
    const plain = await answer(prompts);
    getPeftModel(model, new LoraConfig({ r: 4, loraAlpha: 16 }));
    for (const { name, data } of model.trainableParameters()) {
      if (name.endsWith('lora_B')) data.forEach((_, i) => (data[i] = 0.3 * Math.sin(i)));
    }
    const wanted = await answer(prompts);
    const exact = await textGenerator({ model, tokenizer, maxNewTokens: 12, dtype: 'float32' })(prompts);
    assert.notDeepEqual(wanted, plain);
    await saveAdapter(model, path.join(folder, 'adapter'), 'mistral-mini');
    await model.dispose();
    fs.writeFileSync(path.join(folder, 'more.json'), JSON.stringify(prompts.slice(1)));

    const common = ['-a', 'adapter', '-q', 'nf4', '-n', '12', '--prompts', 'more.json', prompts[0]];
    const offloaded = ['--max-memory', '8.6MB', '--offload-folder', 'offload', '--dtype', 'float32'];
    for (const place of [[], offloaded]) {
      const run = tunebook(...common, ...place, '--json');
      assert.equal(run.status, 0, run.stderr);
      const result = JSON.parse(run.stdout) as GeneratedAnswers;
      assert.deepEqual(result.answers, place === offloaded ? exact : wanted);
      assert.ok(result.loadMs > 0 && result.generateMs > 0 && result.peakMemoryBytes > 50e6);
      assert.equal(run.stderr.includes('disk'), place.length > 0, run.stderr);
    }
    assert.ok(fs.existsSync(path.join(folder, 'offload')));
    const words = tunebook('-m', 'mistral-mini', '-q', 'nf4', '-n', '12', prompts[0]);
    assert.equal(words.stdout, `${plain[0]}\n`);
  });

  it('uses the prompt saved in the folder, and says so; records, texts and whole prompts give the same', async () => {
    const model = await AutoModelForCausalLM.fromPretrained('gpt2-mini');
    const tokenizer = await AutoTokenizer.fromPretrained('gpt2-mini');
    const template = instructionTemplate({ system: 'Be a coach.', stopStrings: ['\n\n'] });
    await savePretrained(model, path.join(folder, 'tuned'), { prompt: { tokenizer, template } });
    const record = { input: 'How was it?', context: 'time: 61' };
    const whole = template.formatPrompt(record);
    const [answer, raw] = await textGenerator({ model, tokenizer, maxNewTokens: 12, stopStrings: ['\n\n'] })([
      ...[whole, 'How was it?'],
    ]);
    await model.dispose();
    fs.writeFileSync(path.join(folder, 'records.jsonl'), `${JSON.stringify(record)}\n`);
    const turn = 'How was it?\n\n### Context:\ntime: 61';
    const run = tunebook(
      'tuned',
      JSON.stringify(record),
      whole,
      turn,
      '--records',
      'records.jsonl',
      '-n',
      '12',
    );
    assert.equal(run.status, 0, run.stderr);
    assert.deepEqual(run.stdout, `${[answer, answer, answer, answer].join('\n---\n')}\n`);
    assert.match(run.stderr, /^Asked in the instruction prompt of tuned\/tunebook_prompt\.json\.$/m);
    const plain = tunebook('-m', 'tuned', 'How was it?', '--raw', '-n', '12', '--stop', '\n\n', '--json');
    const result = JSON.parse(plain.stdout) as GeneratedAnswers;
    assert.deepEqual([result.answers, result.prompt], [[raw], undefined]);
    const lost = tunebook('-m', 'gpt2-mini', JSON.stringify(record));
    assert.equal(lost.status, 1);
    assert.match(lost.stderr, /gpt2-mini without tunebook_prompt\.json and without a chat template/);
  });

  it("samples, stops and limits length as told, otherwise as the model's config says", () => {
    const ask = (...words: string[]): string => {
      const run = tunebook('-m', 'gpt2-mini', 'The race was', ...words);
      assert.equal(run.status, 0, run.stderr);
      return run.stdout.trimEnd();
    };
    const drawn = ask('--sample', '--seed', '3', '--top-p', '0.9', '-n', '12');
    assert.equal(ask('--sample', '--seed', '3', '--top-p', '0.9', '-n', '12'), drawn);
    assert.notEqual(ask('--sample', '--seed', '4', '--top-p', '0.9', '-n', '12'), drawn);
    assert.equal(ask('--sample', '--top-k', '1', '-n', '12'), ask('-n', '12'));
    const whole = ask('-n', '12');
    const stop = whole.slice(4, 6);
    assert.equal(
      ask('-n', '12', '--stop', 'never', '--stop', stop),
      whole.slice(0, whole.indexOf(stop)).trimEnd(),
    );
    const wrong = tunebook('-m', 'gpt2-mini', 'x', '--temperature', '-1');
    assert.match(wrong.stderr, /temperature.*expected a number above 0/);
  });

  it('says what is missing', () => {
    fs.mkdirSync(path.join(folder, 'nameless'), { recursive: true });
    fs.writeFileSync(path.join(folder, 'nameless/adapter_config.json'), '{"base_model_name_or_path": ""}');
    fs.writeFileSync(path.join(folder, 'numbers.json'), '[1, 2]');
    for (const [words, message] of [
      [['-m', 'mistral-mini'], /expected a prompt, got none/],
      [['hello'], /expected --model or --adapter, got neither/],
      [
        ['-a', 'nowhere', 'hello'],
        /nowhere\/adapter_config\.json: expected a JSON object, but the file cannot be read/,
      ],
      [['-a', 'nameless', 'hello'], /base_model_name_or_path, got none\. Name the base with --model/],
      [['-m', 'mistral-mini', '--prompts', 'numbers.json'], /numbers\.json: expected a JSON array of texts/],
      [['-m', 'mistral-mini', '--max-memory', '8.6MB', '-q', 'nf4', 'hello'], /offloadFolder/],
    ] as const) {
      const run = tunebook(...words);
      assert.equal(run.status, 1, words.join(' '));
      assert.match(run.stderr, message);
    }
  });
});
