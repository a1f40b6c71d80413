/** LoRA and its variants against peft, adapters side by side, merging, and what is refused. */
import assert from 'node:assert/strict';
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
  allocateGradients,
  architectureOf,
  countLabels,
  forwardBackward,
  LoraConfig,
  trainableSummary,
} from '../../../lib/models';
import {
  AutoModelForCausalLM,
  getPeftModel,
  loadAdapter,
  mergeAndUnload,
  PeftModel,
  saveAdapter,
} from '../../../lib/pretrained';
import { openSafetensors } from '../../../lib/checkpoint';
import type { CausalLM } from '../../../lib/pretrained';
import type { LoraOptions } from '../../../lib/models';
import type { SafetensorsFile } from '../../../lib/checkpoint';
import { assertClose } from '../../support/assert-close';
import { isError } from '../../support/refusals';
import {
  adamLosses,
  assertGradients,
  GOLDEN,
  goldenBatch,
  goldenRun,
  loadBase,
  readGolden,
} from '../families/golden-run';
import { temporaryFolder } from '../../support/temporary-folder';

interface Variant {
  base: 'gpt2' | 'mistral';
  loss: number;
  losses: number[];
  printed: string;
  numTrainable: number;
}
const { variants } = readGolden('lora/golden.json') as { variants: Record<string, Variant> };
const logitsOf = async (model: CausalLM): Promise<Float32Array> =>
  (await model.forward(goldenRun(model.architecture.modelType))).logits.data.slice();

describe('variants of LoRA, as peft computes them', () => {
  let values: SafetensorsFile;
  before(async () => (values = await openSafetensors(path.join(GOLDEN, 'lora/golden.safetensors'))));
  after(() => values.close());

  for (const [name, variant] of Object.entries(variants)) {
    it(name, async (t) => {
      const folder = path.join(GOLDEN, 'lora', name);
      const model = await PeftModel.fromPretrained(await loadBase(variant.base), folder);
      t.after(() => model.dispose());
      const run = goldenRun(variant.base);
      const batch = goldenBatch(run);
      assert.equal(model.numParameters({ onlyTrainable: true }), variant.numTrainable);
      const lines: unknown[] = [];
      t.mock.method(console, 'log', (line: unknown) => lines.push(line));
      model.printTrainableParameters();
      t.mock.restoreAll();
      assert.deepEqual(lines, [variant.printed]);

      const { logits } = await model.forward(run);
      assertClose(
        logits.data,
        await values.read(`${name}.logits`),
        { absolute: 1e-4, relative: 0 },
        'logits',
      );
      const { adapter } = model;
      assert.ok(adapter !== undefined);
      for (const gradientCheckpointing of [true, false]) {
        const gradients = allocateGradients(model.trainableParameters());
        gradients.flat.fill(NaN);
        const request = {
          batch,
          lossScale: 1 / countLabels(batch),
          accumulate: false,
          gradientCheckpointing,
        };
        const loss = await forwardBackward(model, gradients, request);
        assert.ok(Math.abs(loss - variant.loss) < 1e-5);
        const goldenName = (own: string): string => `${name}.grad.${adapter.storedName(own)}`;
        await assertGradients(gradients, values, goldenName);
      }
      const losses = await adamLosses(model, batch, 3, 0);
      assertClose(losses, variant.losses, { absolute: 1e-3, relative: 0 }, 'losses');
    });

    it(`${name}, saved as peft saves it`, async (t) => {
      const folder = await temporaryFolder(t);
      const original = path.join(GOLDEN, 'lora', name);
      const model = await loadAdapter(await loadBase(variant.base), original);
      t.after(() => model.dispose());
      await saveAdapter(model, folder);
      const [ours, theirs] = await Promise.all(
        [folder, original].map((f) => openSafetensors(path.join(f, 'adapter_model.safetensors'))),
      );
      t.after(() => Promise.all([ours.close(), theirs.close()]));
      assert.deepEqual([...ours.names].sort(), [...theirs.names].sort());
      for (const tensor of theirs.names) assert.deepEqual(await ours.read(tensor), await theirs.read(tensor));
      const config = async (f: string): Promise<Record<string, unknown>> =>
        JSON.parse(await fs.readFile(path.join(f, 'adapter_config.json'), 'utf8')) as Record<string, unknown>;
      const [saved, wanted] = [await config(folder), await config(original)];
      for (const [key, value] of Object.entries(saved)) {
        if (key === 'base_model_name_or_path' || key === 'target_modules') continue;
        assert.deepEqual(value, wanted[key], key);
      }
      const again = await loadAdapter(await loadBase(variant.base), folder);
      t.after(() => again.dispose());
      assert.deepEqual(await logitsOf(again), await logitsOf(model));
    });

    it(`${name}, merged`, async (t) => {
      const model = await loadAdapter(await loadBase(variant.base), path.join(GOLDEN, 'lora', name));
      t.after(() => model.dispose());
      const apart = await logitsOf(model);
      mergeAndUnload(model);
      assert.equal(model.adapter, undefined);
      assert.deepEqual(model.adapterNames, []);
      assertClose(await logitsOf(model), apart, { absolute: 1e-4, relative: 0 }, 'logits');
    });
  }
});

describe('adapters', () => {
  const everything: LoraOptions = { targetModules: 'all-linear', r: 3, loraAlpha: 20, seed: 7 };
  for (const [what, base, options] of [
    ['GPT-2', 'gpt2', everything],
    ['GPT-2, DoRA', 'gpt2', { ...everything, useDora: true, bias: 'all' }],
    ['Mistral', 'mistral', { ...everything, useRslora: true }],
    ['Mistral, DoRA', 'mistral', { ...everything, useDora: true, modulesToSave: ['lm_head', 'norm'] }],
  ] as const) {
    it(`change no logit before they are trained: ${what}`, async (t) => {
      const model = await loadBase(base);
      t.after(() => model.dispose());
      const before = await logitsOf(model);
      getPeftModel(model, new LoraConfig(options));
      const tolerance = { absolute: 'useDora' in options ? 1e-5 : 0, relative: 0 };
      assertClose(await logitsOf(model), before, tolerance, 'logits');
      const gradients = allocateGradients(model.trainableParameters());
      const batch = goldenBatch(goldenRun(base));
      await forwardBackward(model, gradients, {
        batch,
        lossScale: 1 / countLabels(batch),
        accumulate: false,
        gradientCheckpointing: true,
      });
      assert.ok(
        gradients.flat.some((value) => value !== 0),
        'nothing would be trained',
      );
    });
  }

  it('are switched and turned off, side by side', async (t) => {
    const model = await loadBase('mistral');
    t.after(() => model.dispose());
    const plain = await logitsOf(model);
    const parameters = model.numParameters();
    await PeftModel.fromPretrained(model, path.join(GOLDEN, 'mistral/adapter'), { adapterName: 'first' });
    const first = await logitsOf(model);
    const folder = path.join(GOLDEN, 'lora/mistral-modules-to-save');
    await PeftModel.fromPretrained(model, folder, { adapterName: 'second' });
    const second = await logitsOf(model);
    assert.notDeepEqual(first, plain);
    assert.notDeepEqual(first, second);
    assert.deepEqual(model.adapterNames, ['first', 'second']);
    assert.equal(model.activeAdapter, 'second');
    model.setAdapter('first');
    assert.deepEqual(await logitsOf(model), first);
    model.disableAdapters();
    assert.deepEqual(await logitsOf(model), plain);
    assert.throws(() => model.trainableParameters(), isError('first, second', 'enableAdapters'));
    assert.throws(() => mergeAndUnload(model), isError('adapter in use'));
    model.enableAdapters();
    assert.deepEqual(await logitsOf(model), first);
    model.setAdapter('second');
    assert.deepEqual(await logitsOf(model), second);
    assert.throws(() => model.setAdapter('third'), isError('first, second', "'third'"));
    model.deleteAdapter('second');
    assert.deepEqual(await logitsOf(model), first);
    model.deleteAdapter('first');
    assert.deepEqual(await logitsOf(model), plain);
    assert.equal(model.numParameters(), parameters);
  });

  it('are merged into a file of 16 bits', async (t) => {
    const model = await loadAdapter(await loadBase('gpt2'), path.join(GOLDEN, 'lora/gpt2-several'));
    const apart = await logitsOf(model);
    const folder = await temporaryFolder(t);
    const adapterFolder = await temporaryFolder(t);
    assert.ok((await model.savePretrained(adapterFolder)).includes('adapter_config.json'));
    const merging = model.mergeAndUnload();
    assert.ok((await merging.savePretrained(folder, { dtype: 'BF16' })).includes('config.json'));
    const merged = await AutoModelForCausalLM.fromPretrained(folder);
    t.after(() => Promise.all([model.dispose(), merged.dispose()]));
    assertClose(await logitsOf(merged), apart, { absolute: 0.2, relative: 0 }, 'logits');
    assert.notDeepEqual(await logitsOf(merged), apart);
  });
});

it('counts the adapter of the second experiment as PEFT does, without allocating the model', () => {
  const config = { model_type: 'mistral', rms_norm_eps: 1e-5, sliding_window: 4096, num_key_value_heads: 8 };
  const lora = new LoraConfig({
    r: 8,
    loraAlpha: 16,
    loraDropout: 0.05,
    targetModules: ['q_proj', 'v_proj'],
  });
  assert.equal(
    trainableSummary(architectureOf(config), lora),
    'trainable params: 3,407,872 || all params: 7,245,139,968 || trainable%: 0.0470',
  );
});

describe('refuses impossible adapters', () => {
  const small = architectureOf({
    model_type: 'mistral',
    vocab_size: 50,
    hidden_size: 16,
    intermediate_size: 24,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
  });
  for (const [what, options, words] of [
    [
      'unknown target',
      { targetModules: ['q_proj', 'c_attn'] },
      ['c_attn', 'self_attn.q_proj', 'mlp.down_proj'],
    ],
    ['pattern without match', { targetModules: 'q_proj' }, ['"q_proj"', 'model.layers.0.self_attn.q_proj']],
    ['broken pattern', { targetModules: '(' }, ['regular expression', '"("']],
    ['layer beyond the last', { layersToTransform: [1, 2] }, ['0 to 1', 'got 2']],
    ['unknown module to save', { modulesToSave: ['classifier'] }, ['lm_head', 'got classifier']],
  ] as const) {
    it(what, () => {
      assert.throws(() => trainableSummary(small, new LoraConfig(options)), isError(...words));
    });
  }

  it('options', () => {
    const wrong = { r: 0, loraDropout: 1, lora_alpha: 3, targetModules: [] };
    assert.throws(
      () => new LoraConfig(wrong as object),
      isError('r', 'loraDropout', 'lora_alpha', 'targetModules'),
    );
  });

  for (const [what, base, adapter, words] of [
    ['of another family', 'gpt2', 'mistral/adapter', ['another base model', 'q_proj', 'attn.c_attn']],
    ['of other sizes', 'wide', 'mistral/adapter', ['self_attn.q_proj.lora_A', '[4, 32]', '[4, 16]']],
  ] as const) {
    it(`adapter ${what}`, async (t) => {
      const model =
        base === 'wide' ? await AutoModelForCausalLM.fromConfig(small.toJson()) : await loadBase(base);
      t.after(() => model.dispose());
      const before = await model.forward({ inputIds: [[1, 2, 3]] });
      await assert.rejects(loadAdapter(model, path.join(GOLDEN, adapter)), isError(...words));
      assert.equal(model.adapter, undefined);
      assert.deepEqual(await model.forward({ inputIds: [[1, 2, 3]] }), before);
    });
  }

  it('adapter of a kind that computes something else', async (t) => {
    const folder = await temporaryFolder(t);
    await fs.cp(path.join(GOLDEN, 'mistral/adapter'), folder, { recursive: true });
    const file = path.join(folder, 'adapter_config.json');
    const config = JSON.parse(await fs.readFile(file, 'utf8')) as object;
    await fs.writeFile(file, JSON.stringify({ ...config, target_parameters: ['q_proj.weight'] }));
    const model = await loadBase('mistral');
    t.after(() => model.dispose());
    await assert.rejects(loadAdapter(model, folder), isError('target_parameters', file));
  });
});
