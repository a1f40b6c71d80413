/** LoRA on GPT-2's Conv1D layers: a new adapter, training it, merging it, saving and loading it. */
import assert from 'node:assert/strict';
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import {
  AutoModelForCausalLM,
  getPeftModel,
  loadAdapter,
  mergeAndUnload,
  saveAdapter,
  savePretrained,
} from '../../../lib/pretrained';
import { LoraConfig } from '../../../lib/models';
import { openSafetensors, writeSafetensors } from '../../../lib/checkpoint';
import type { CausalLM } from '../../../lib/pretrained';
import type { EngineOptions } from '../../../lib/engine';
import { assertClose } from '../../support/assert-close';
import { GOLDEN, golden, lossAndGradients, loadGolden } from '../families/gpt2-suite';
import { temporaryFolder } from '../../support/temporary-folder';

const ADAPTER = path.join(GOLDEN, 'adapter');

async function base(t: TestContext, engine?: EngineOptions): Promise<CausalLM> {
  const model = await loadGolden(engine);
  t.after(() => model.dispose());
  return model;
}

async function logits(model: CausalLM): Promise<Float32Array> {
  return (await model.forward(golden)).logits.data;
}

describe('lora on gpt2', () => {
  it('a new adapter changes no logits, and is all that trains', async (t) => {
    const model = await base(t);
    const before = await logits(model);
    assert.equal(getPeftModel(model, new LoraConfig({ r: 4, targetModules: ['c_attn'] })), model);
    assert.deepEqual(await logits(model), before);
    // 3 layers of A [4, 32] and B [96, 4].
    assert.equal(model.numParameters({ onlyTrainable: true }), 3 * (4 * 32 + 96 * 4));
    assert.equal(model.numParameters(), golden.numParameters + 1536);
    const names = model.trainableParameters().map(({ name }) => name);
    assert.deepEqual(
      names.sort(),
      [0, 1, 2].flatMap((layer) => ['A', 'B'].map((which) => `h.${layer}.attn.c_attn.lora_${which}`)),
    );
  });

  it('a new adapter has a gradient in B alone, and the base stays unchanged', async (t) => {
    const model = getPeftModel(await base(t), new LoraConfig({ r: 4 }));
    const weights = model.weights.parameters.flat.slice();
    const { gradients } = await lossAndGradients(model);
    for (const [name, values] of gradients.byName) {
      const isZero = values.every((value) => value === 0);
      assert.equal(isZero, name.endsWith('lora_A'), name);
    }
    assert.deepEqual(model.weights.parameters.flat, weights);
  });

  it('merged equals unmerged within 1e-5', async (t) => {
    const model = await loadAdapter(await base(t), ADAPTER);
    const [plain, adapted] = [await logits(await base(t)), await logits(model)];
    assert.ok(adapted.some((value, i) => Math.abs(value - plain[i]) > 0.1));
    const before = new Map(
      [...model.weights.parameters.byName].map(([name, { data }]) => [name, data.slice()]),
    );
    mergeAndUnload(model);
    assert.equal(model.adapter, undefined);
    assertClose(await logits(model), adapted, { absolute: 1e-5, relative: 0 }, 'logits');
    for (const [name, values] of before) {
      const isSame = model.weights.parameter(name).data.every((value, i) => value === values[i]);
      assert.equal(isSame, !name.endsWith('attn.c_attn.weight'), name);
    }
  });

  it('a merged model saved and loaded gives the same logits', async (t) => {
    const model = mergeAndUnload(await loadAdapter(await base(t), ADAPTER));
    const folder = await temporaryFolder(t);
    await savePretrained(model, folder);
    const again = await AutoModelForCausalLM.fromPretrained(folder, { engine: { threads: 1 } });
    t.after(() => again.dispose());
    assert.deepEqual(await logits(again), await logits(model));
  });

  it('an adapter saved equals the one that PEFT saved, and loads again', async (t) => {
    const model = await loadAdapter(await base(t), ADAPTER);
    const folder = await temporaryFolder(t);
    const files = await saveAdapter(model, folder);
    assert.deepEqual(files, ['adapter_config.json', 'adapter_model.safetensors', 'tunebook_base.json']);
    const [ours, theirs] = await Promise.all(
      [folder, ADAPTER].map((place) => openSafetensors(path.join(place, 'adapter_model.safetensors'))),
    );
    assert.deepEqual([...ours.names].sort(), [...theirs.names].sort());
    for (const name of theirs.names) {
      assert.deepEqual(ours.info(name).shape, theirs.info(name).shape, name);
      assert.deepEqual(await ours.read(name), await theirs.read(name), name);
    }
    await Promise.all([ours.close(), theirs.close()]);
    const config = async (place: string): Promise<Record<string, unknown>> =>
      JSON.parse(await fs.readFile(path.join(place, 'adapter_config.json'), 'utf8')) as Record<
        string,
        unknown
      >;
    const [mine, peft] = [await config(folder), await config(ADAPTER)];
    for (const field of [
      'peft_type',
      'r',
      'lora_alpha',
      'lora_dropout',
      'fan_in_fan_out',
      'bias',
      'task_type',
    ])
      assert.deepEqual(mine[field], peft[field], field);
    assert.deepEqual(await logits(await loadAdapter(await base(t), folder)), await logits(model));
  });

  it('on every linear layer, with dropout: compiled equals eager', async (t) => {
    const targetModules = ['attn.c_attn', 'attn.c_proj', 'c_fc', 'mlp.c_proj'] as const;
    const run = async (engine: EngineOptions): ReturnType<typeof lossAndGradients> => {
      const config = new LoraConfig({ r: 2, loraAlpha: 6, loraDropout: 0.3, targetModules, seed: 3 });
      const model = getPeftModel(await base(t, engine), config);
      // B starts at zero; here it must not, or half of the gradients would be zero.
      for (const { name, data } of model.trainableParameters())
        if (name.endsWith('lora_B')) data.forEach((_, i) => (data[i] = Math.sin(i + name.length) / 10));
      return lossAndGradients(model, { dropout: { seed: 1, step: 2 } });
    };
    const [got, wanted] = [await run({ threads: 1 }), await run({ kind: 'eager' })];
    assert.equal(got.gradients.byName.size, 3 * 4 * 2);
    assertClose([got.loss], [wanted.loss], { absolute: 1e-5, relative: 1e-5 }, 'loss');
    for (const [name, values] of wanted.gradients.byName) {
      const scale = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      assert.ok(scale > 0, name);
      assertClose(
        got.gradients.byName.get(name) ?? [],
        values,
        { absolute: 1e-4 * scale, relative: 0 },
        name,
      );
    }
  });

  it('refuses targets that the model does not have, and names those that it has', async (t) => {
    const model = await base(t);
    assert.throws(
      () => getPeftModel(model, new LoraConfig({ targetModules: ['q_proj'] })),
      /c_attn.*q_proj/s,
    );
  });

  it('refuses an adapter of another shape, and lists its tensors', async (t) => {
    const folder = await temporaryFolder(t);
    await fs.copyFile(path.join(ADAPTER, 'adapter_config.json'), path.join(folder, 'adapter_config.json'));
    const file = await openSafetensors(path.join(ADAPTER, 'adapter_model.safetensors'));
    const [first, second, ...rest] = await Promise.all(
      file.names.map(async (name) => ({ name, shape: file.info(name).shape, values: await file.read(name) })),
    );
    await file.close();
    const wrong = { ...second, shape: [...second.shape].reverse() };
    await writeSafetensors(path.join(folder, 'adapter_model.safetensors'), [wrong, ...rest]);
    const model = await base(t);
    await assert.rejects(loadAdapter(model, folder), (error: unknown) => {
      const { message } = error as Error;
      return (
        message.includes(`${first.name} [`) &&
        /missing \(1\)/.test(message) &&
        /wrongly shaped \(1\)/.test(message)
      );
    });
    assert.equal(model.adapter, undefined);
  });
});
