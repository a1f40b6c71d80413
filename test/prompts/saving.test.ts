/** Every save carries the prompt: models, adapters, checkpoints of a trainer, merged models, what is saved again. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, it } from 'node:test';
import { encodeRecords } from '../../lib/dataset';
import { LoraConfig } from '../../lib/models';
import {
  AutoModelForCausalLM,
  getPeftModel,
  loadAdapter,
  mergeAndUnload,
  saveAdapter,
  savePretrained,
} from '../../lib/pretrained';
import type { CausalLM } from '../../lib/pretrained';
import { instructionTemplate, loadPrompt } from '../../lib/prompts';
import type { PromptOptions } from '../../lib/prompts';
import { AutoTokenizer } from '../../lib/tokenizer';
import { Trainer, TrainingArguments } from '../../lib/trainer';

const CONFIG = { model_type: 'gpt2', vocab_size: 50257, n_positions: 64, n_embd: 8, n_layer: 1, n_head: 2 };
const COMPANIONS = [
  ...['tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json'],
  ...['chat_template.jinja', 'tunebook_prompt.json'],
];
const RECORD = { input: 'How was it?', context: 'time: 61', response: 'Good.' };
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-saving-'));
after(() => fs.rmSync(scratch, { recursive: true, force: true }));
const folderOf = (name: string): string => path.join(scratch, name);
const json = (...file: string[]): Record<string, unknown> =>
  JSON.parse(fs.readFileSync(path.join(...file), 'utf8')) as Record<string, unknown>;

let prompt: PromptOptions;
before(async () => {
  const tokenizer = await AutoTokenizer.fromPretrained('gpt2');
  prompt = { tokenizer, template: instructionTemplate({ system: 'Be a coach.' }) };
});

const small = (): Promise<CausalLM> =>
  AutoModelForCausalLM.fromConfig(CONFIG, { engine: { provider: 'cpu' } });

async function assertCarries(folder: string): Promise<void> {
  const found = await loadPrompt(folder);
  assert.equal(found?.render(RECORD), prompt.template.formatPrompt(RECORD), folder);
  const { eos_token_id: end, bos_token_id: begin } = json(folder, 'generation_config.json');
  assert.deepEqual([begin, end], [50256, 50256]);
}

it('a model, what is loaded of it, and what is saved of that', async () => {
  const model = await small();
  const files = await savePretrained(model, folderOf('model'), { prompt });
  assert.deepEqual(files, [
    ...['config.json', 'model.safetensors', 'generation_config.json', ...COMPANIONS, 'README.md'],
  ]);
  await model.dispose();
  await assertCarries(folderOf('model'));
  const again = await AutoModelForCausalLM.fromPretrained(folderOf('model'));
  await again.savePretrained(folderOf('again'), { dtype: 'F16' });
  await again.dispose();
  await assertCarries(folderOf('again'));
});

it('an adapter, the model that it is merged into, and the checkpoints of its training', async () => {
  const model = await small();
  await savePretrained(model, folderOf('base'));
  await model.dispose();
  assert.deepEqual(fs.readdirSync(folderOf('base')), ['config.json', 'model.safetensors']);

  const base = await AutoModelForCausalLM.fromPretrained(folderOf('base'));
  getPeftModel(base, new LoraConfig({ r: 2, targetModules: ['c_attn'] }));
  const { examples } = encodeRecords([RECORD], { ...prompt, maxLength: 64 });
  const trainer = new Trainer({
    ...{ model: base, trainDataset: examples, prompt, callbacks: [] },
    args: new TrainingArguments({
      ...{ outputDir: folderOf('run'), maxSteps: 1, perDeviceTrainBatchSize: 1, saveSteps: 1 },
      ...{ saveStrategy: 'steps', preflight: false },
    }),
  });
  await trainer.train();
  await assertCarries(folderOf('run/checkpoint-1'));
  const files = await saveAdapter(base, folderOf('adapter'));
  const named = ['tunebook_base.json', 'generation_config.json', ...COMPANIONS, 'README.md'];
  assert.deepEqual(files.slice(2), named);
  assert.equal(json(folderOf('adapter'), 'adapter_config.json').base_model_name_or_path, folderOf('base'));
  await base.dispose();
  await assertCarries(folderOf('adapter'));

  const fresh = await AutoModelForCausalLM.fromPretrained(folderOf('base'));
  await loadAdapter(fresh, folderOf('adapter'));
  await savePretrained(mergeAndUnload(fresh), folderOf('merged'));
  await fresh.dispose();
  for (const name of COMPANIONS)
    assert.equal(
      fs.readFileSync(path.join(folderOf('merged'), name), 'utf8'),
      fs.readFileSync(path.join(folderOf('adapter'), name), 'utf8'),
    );
});

it('refuses an invalid prompt before anything is written', async () => {
  const model = await small();
  const wrong = { tokenizer: prompt.tokenizer } as PromptOptions;
  await assert.rejects(savePretrained(model, folderOf('none'), { prompt: wrong }), /expected a template/);
  await assert.rejects(
    savePretrained(model, folderOf('none'), { prompt: 'x' as never }),
    /expected a prompt \{ tokenizer, template \}, got "x"/,
  );
  assert.equal(fs.existsSync(folderOf('none')), false);
  await model.dispose();
});
