/** What lies beside an export's weights: a card of its own, and what an adapter says of its base. */
import assert from 'node:assert/strict';
import fs from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { exportGgufAdapter, exportOnnx } from '../../lib/export';
import { openModelSource } from '../../lib/export/source/open-source';
import { LoraConfig } from '../../lib/models';
import {
  AutoModelForCausalLM,
  baseQuantization,
  getPeftModel,
  loadAdapter,
  savePretrained,
  saveAdapter,
} from '../../lib/pretrained';
import { instructionTemplate } from '../../lib/prompts';
import { quantizationConfigOf } from '../../lib/quantization';
import type { QuantizationConfig } from '../../lib/quantization';
import { AutoTokenizer } from '../../lib/tokenizer';
import { fewTokens } from '../support/few-tokens';
import { isError } from '../support/refusals';
import { temporaryFolder } from '../support/temporary-folder';

process.env.TUNEBOOK_PROVIDER = 'cpu';

test('an ONNX folder has a card: the model’s licence and prompt, and a section for each file', async (t) => {
  const folder = await temporaryFolder(t);
  const [saved, out] = [path.join(folder, 'saved'), path.join(folder, 'race-coach')];
  const tokenizer = await AutoTokenizer.fromPretrained('gpt2');
  const model = await AutoModelForCausalLM.fromConfig(
    { model_type: 'gpt2', n_embd: 32, n_layer: 1, n_head: 2, n_positions: 64 },
    { seed: 3 },
  );
  const template = instructionTemplate({ system: 'You are a coach.' });
  await savePretrained(model, saved, {
    prompt: { tokenizer, template },
    card: { license: 'mit', language: 'en' },
  });
  await model.dispose();
  // An answer ends there where it ends here.
  const generation = path.join(saved, 'generation_config.json');
  await fs.writeFile(generation, JSON.stringify({ eos_token_id: [50256, 13], top_p: 0.9 }));
  const check = { prompts: ['The race'], maxNewTokens: 2 };
  for (const dtype of ['fp32', 'q8'] as const) await exportOnnx(saved, out, { dtypes: [dtype], check });
  const written = JSON.parse(await fs.readFile(path.join(out, 'generation_config.json'), 'utf8')) as object;
  assert.deepEqual(written, {
    ...{ eos_token_id: [50256, 13], top_p: 0.9 },
    bos_token_id: 50256,
    pad_token_id: 50256,
  });
  const card = await fs.readFile(path.join(out, 'README.md'), 'utf8');
  assert.match(card, /^---\nlicense: mit\nlanguage:\n- en\nlibrary_name: transformers\.js\n/);
  assert.match(card, /\n# race-coach\n/);
  assert.match(card, /### Instruction:\nYou are a coach\.\n\n### Input:\n\{input\}/);
  assert.match(
    card,
    /## Export model\.onnx\n\ntransformers\.js, fp32\. ONNX Runtime, model\.onnx: 1 of 1 answers/,
  );
  assert.equal(card.split('## Export model_quantized.onnx').length, 2);
  await fs.writeFile(path.join(out, 'README.md'), 'Mine.\n');
  await exportOnnx(saved, out, { dtypes: ['fp32'], check: false });
  assert.equal(await fs.readFile(path.join(out, 'README.md'), 'utf8'), 'Mine.\n');
});

test('ONNX files beside the model itself: its card, its fields and its bytes stay', async (t) => {
  const folder = await temporaryFolder(t);
  const read = (name: string): Promise<string> => fs.readFile(path.join(folder, name), 'utf8');
  const readObject = async (name: string): Promise<object> => JSON.parse(await read(name)) as object;
  const tokenizer = await AutoTokenizer.fromPretrained('mistral-mini');
  const model = await AutoModelForCausalLM.fromPretrained('mistral-mini');
  await savePretrained(model, folder, {
    prompt: { tokenizer, template: instructionTemplate({ system: 'You are a coach.' }) },
    card: { license: 'mit', metrics: { verdictAccuracy: 0.875 } },
  });
  await model.dispose();
  // As other tools write them.
  for (const name of ['tokenizer.json', 'config.json', 'generation_config.json'])
    await fs.writeFile(path.join(folder, name), JSON.stringify(await readObject(name), null, 1));
  const config = { ...(await readObject('config.json')), _name_or_path: 'mine/coach' };
  await fs.writeFile(path.join(folder, 'config.json'), JSON.stringify(config));
  const same = [
    'README.md',
    'tokenizer.json',
    'model.safetensors',
    'chat_template.jinja',
    'tunebook_prompt.json',
  ];
  const before = await Promise.all(same.map(read));
  const generation = await readObject('generation_config.json');
  assert.match(before[0], /verdict_accuracy/);
  for (const out of [folder, path.join(folder, '..', path.basename(folder), '.')]) {
    await exportOnnx(folder, out, { dtypes: ['q8'], check: false });
    assert.deepEqual(await Promise.all(same.map(read)), before);
    assert.deepEqual({ ...(await readObject('config.json')), ...config }, await readObject('config.json'));
    assert.deepEqual(
      { ...(await readObject('generation_config.json')), ...generation },
      await readObject('generation_config.json'),
    );
  }
  const again = await AutoModelForCausalLM.fromPretrained(folder);
  await again.dispose();
});

test('an adapter says how its base was quantized, and is merged into those weights by default', async (t) => {
  const folder = await temporaryFolder(t);
  const base = 'test/golden/mistral/model';
  const name = 'layers.0.self_attn.q_proj.weight';
  const file = path.join(folder, 'tunebook_base.json');
  const tune = async (quantizationConfig: QuantizationConfig | undefined): Promise<void> => {
    const model = await AutoModelForCausalLM.fromPretrained(base, { quantizationConfig });
    getPeftModel(model, new LoraConfig({ r: 2, targetModules: ['v_proj'] }));
    await saveAdapter(model, folder, base);
    await model.dispose();
  };
  const merged = async (quantizationConfig?: QuantizationConfig): Promise<Float32Array> => {
    const source = await openModelSource(
      folder,
      { tokenizer: await fewTokens(t, 97), quantizationConfig },
      'test',
    );
    const values = (await source.weights.read(name)).slice();
    await source.close();
    return values;
  };
  await tune(undefined);
  assert.equal(await baseQuantization(folder), undefined);
  const plain = await merged();
  const nf4 = quantizationConfigOf('nf4');
  const quantized = await merged(nf4);
  assert.notDeepEqual(quantized, plain);
  await tune(nf4);
  assert.deepEqual(await merged(), quantized);
  assert.deepEqual((await baseQuantization(folder))?.toJson(), nf4?.toJson());
  const asked = quantizationConfigOf('int8');
  assert.equal(await baseQuantization(folder, asked), asked);
  // PEFT's own file stays as PEFT writes it.
  const config = JSON.parse(await fs.readFile(path.join(folder, 'adapter_config.json'), 'utf8')) as object;
  assert.ok(!Object.keys(config).some((key) => /quant/.test(key)));
  await fs.writeFile(file, '{"version":2}');
  await assert.rejects(merged(), isError('tunebook_base.json', 'expected version 1'));
  await tune(undefined);
  assert.equal(await baseQuantization(folder), undefined, 'an older file is replaced');
});

test('an adapter is refused on another base of the same shape, and taken on its own however that is stored', async (t) => {
  const folder = await temporaryFolder(t);
  const [own, half, other, adapter] = ['own', 'half', 'other', 'adapter'].map((name) =>
    path.join(folder, name),
  );
  const config = {
    ...{ model_type: 'mistral', vocab_size: 64, hidden_size: 64, intermediate_size: 64 },
    ...{ num_hidden_layers: 4, num_attention_heads: 2, num_key_value_heads: 1 },
  };
  const tuned = await AutoModelForCausalLM.fromConfig(config, { seed: 1 });
  await savePretrained(tuned, own);
  await savePretrained(tuned, half, { dtype: 'BF16' });
  // Tables and norms are the same here: an adapter was merged.
  const queries = new LoraConfig({ r: 2, targetModules: ['q_proj'], layersToTransform: [2] });
  getPeftModel(tuned, queries);
  for (const { data } of tuned.trainableParameters()) data.fill(0.02);
  await savePretrained(tuned.mergeAndUnload(), other);
  await tuned.dispose();

  const nf4 = quantizationConfigOf('nf4');
  const lora = new LoraConfig({ r: 2, targetModules: ['v_proj'] });
  const tokenizer = await fewTokens(t, 64);
  for (const trainedOn of [undefined, nf4]) {
    const base = await AutoModelForCausalLM.fromPretrained(own, { quantizationConfig: trainedOn });
    await saveAdapter(getPeftModel(base, lora), adapter, own);
    await base.dispose();
    for (const quantizationConfig of [undefined, nf4])
      for (const place of [own, half, other]) {
        const model = await AutoModelForCausalLM.fromPretrained(place, { quantizationConfig });
        const loaded = loadAdapter(model, adapter);
        if (place !== other) await loaded;
        else
          await assert.rejects(
            loaded,
            isError('another base model', 'layers.2.self_attn.q_proj.weight', 'remove "weights"'),
          );
        await model.dispose();
      }
    await assert.rejects(openModelSource(other, { adapter, tokenizer }, 'test'), isError('another base'));
    await (await openModelSource(half, { adapter, tokenizer }, 'test')).close();
  }
  await assert.rejects(
    exportGgufAdapter(adapter, path.join(folder, 'a.gguf'), { base: other }),
    isError('another base'),
  );
  await fs.rm(path.join(adapter, 'tunebook_base.json')); // as PEFT saves them
  const model = await AutoModelForCausalLM.fromPretrained(other);
  assert.deepEqual((await loadAdapter(model, adapter)).adapterNames, ['default']);
  await model.dispose();
});
