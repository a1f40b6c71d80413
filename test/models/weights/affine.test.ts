/** Models on affine weights: as mlx_lm saves them, trained, saved again, and decoded by their own codes. */
import assert from 'node:assert/strict';
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { openSafetensors } from '../../../lib/checkpoint';
import { cachedDecoder } from '../../../lib/generation/decoders/cached-decoder';
import { UncachedDecoder } from '../../../lib/generation/decoders/decoder';
import { allocateGradients, countLabels, forwardBackward, layerCodes, LoraConfig } from '../../../lib/models';
import {
  AutoModelForCausalLM,
  baseQuantization,
  getPeftModel,
  loadAdapter,
  saveAdapter,
  savePretrained,
} from '../../../lib/pretrained';
import type { CausalLM } from '../../../lib/pretrained';
import { AffineConfig, dequantize, quantize } from '../../../lib/quantization';
import { assertClose } from '../../support/assert-close';
import { ROOT } from '../../support/paths';
import { temporaryFolder } from '../../support/temporary-folder';

const FOLDER = path.join(ROOT, 'test', 'golden', 'affine');
const CPU = { provider: 'cpu', threads: 1 } as const;
const PROMPTS = [[5, 6, 7, 8], [9]];

async function load(t: TestContext, folder = path.join(FOLDER, 'model')): Promise<CausalLM> {
  const model = await AutoModelForCausalLM.fromPretrained(folder, { engine: CPU });
  t.after(() => model.dispose());
  return model;
}

async function golden(
  t: TestContext,
): Promise<{ inputIds: number[][]; logits: Float32Array; qProj: Float32Array }> {
  const file = await openSafetensors(path.join(FOLDER, 'logits.safetensors'));
  t.after(() => file.close());
  const { buffer, byteOffset } = (await file.readBytes('ids')).slice();
  const ids = [...new Int32Array(buffer, byteOffset, 22)];
  return {
    inputIds: [ids.slice(0, 11), ids.slice(11)],
    logits: await file.read('logits'),
    qProj: await file.read('q_proj'),
  };
}

describe('a model that mlx_lm quantized', () => {
  it('gives the logits of transformers on the dequantized weights, and is saved for both', async (t) => {
    const { inputIds, logits, qProj } = await golden(t);
    const model = await load(t);
    assert.equal(model.isQuantized, true);
    const layer = await model.weights.frozen?.layer(1);
    const types = [...(layer ?? [])].map(([name, tensor]) => [
      name,
      'quantType' in tensor && tensor.quantType,
    ]);
    // Rows of 88 are no whole blocks: down_proj came in 16 bits.
    assert.deepEqual(types, [
      ...['q', 'k', 'v', 'o'].map((name) => [`self_attn.${name}_proj`, 'affine4']),
      ...['gate', 'up'].map((name) => [`mlp.${name}_proj`, 'affine8']),
    ]);
    const q = (await model.weights.frozen?.layer(0))?.get('self_attn.q_proj');
    assert.ok(q !== undefined && 'quantType' in q);
    assert.deepEqual(dequantize(q), qProj);
    const given = (await model.forward({ inputIds })).logits.data.slice();
    assertClose(given, logits, { absolute: 1e-5, relative: 1e-5 }, 'logits');

    const folder = await temporaryFolder(t);
    await savePretrained(model, folder);
    const again = await load(t, folder);
    assert.deepEqual((await again.forward({ inputIds })).logits.data, given);
    const config = JSON.parse(await fs.readFile(path.join(folder, 'config.json'), 'utf8')) as Record<
      string,
      unknown
    >;
    const said = { group_size: 32, bits: 4, mode: 'affine' };
    assert.deepEqual([config.quantization, config.quantization_config], [said, said]);
  });

  it('trains an adapter with the gradients of the dequantized weights', async (t) => {
    const { inputIds } = await golden(t);
    const [model, plain] = [await load(t), await load(t)];
    const ids = Int32Array.from(inputIds.flat());
    const batch = { inputIds: ids, labels: ids, attentionMask: ids.map(() => 1), shape: [2, 11] as const };
    const gradientsOf = async (one: CausalLM): Promise<Float32Array> => {
      getPeftModel(one, new LoraConfig({ r: 4, targetModules: ['q_proj', 'up_proj'] }));
      const { adapter } = one.runtime.weights;
      adapter?.parameters.flat.forEach((_, i, all) => (all[i] = ((i * 37) % 19) / 60 - 0.15));
      const gradients = allocateGradients(one.trainableParameters());
      const request = {
        batch,
        lossScale: 1 / countLabels(batch),
        accumulate: false,
        gradientCheckpointing: false,
      };
      await forwardBackward(one, gradients, request);
      return gradients.flat;
    };
    const folder = await temporaryFolder(t);
    await savePretrained(plain, folder, { dtype: 'F32' });
    const whole = await AutoModelForCausalLM.fromConfig(plain.weights.architecture.toJson(), { engine: CPU });
    t.after(() => whole.dispose());
    for (const { name, data } of whole.weights.parameters.byName.values()) {
      const found = plain.weights.parameters.byName.get(name);
      if (found !== undefined) data.set(found.data);
    }
    for (let layer = 0; layer < 2; layer++)
      for (const [module, tensor] of (await plain.weights.frozen?.layer(layer)) ?? [])
        if ('quantType' in tensor)
          whole.weights.parameters.byName
            .get(`layers.${layer}.${module}.weight`)
            ?.data.set(dequantize(tensor));
    assertClose(
      await gradientsOf(model),
      await gradientsOf(whole),
      { absolute: 1e-7, relative: 1e-4 },
      'gradients',
    );

    const adapter = path.join(folder, 'adapter');
    await saveAdapter(model, adapter);
    const quantization = await baseQuantization(adapter);
    assert.deepEqual(quantization?.toJson(), { group_size: 32, bits: 4, mode: 'affine' });
    const loaded = await loadAdapter(await load(t), adapter);
    assertClose(
      (await loaded.forward({ inputIds })).logits.data,
      (await model.forward({ inputIds })).logits.data.slice(),
      { absolute: 1e-6, relative: 0 },
      'logits of the adapter',
    );
  });
});

for (const bits of [4, 8] as const)
  it(`${bits} bits: products read the model's own codes, and come near the exact logits`, async (t) => {
    const source = await AutoModelForCausalLM.fromConfig(
      {
        ...{ model_type: 'mistral', max_position_embeddings: 200, hidden_size: 64, intermediate_size: 96 },
        ...{ num_hidden_layers: 2, num_attention_heads: 4, num_key_value_heads: 2, sliding_window: 6 },
        ...{ vocab_size: 50, initializer_range: 0.1 },
      },
      { engine: CPU },
    );
    t.after(() => source.dispose());
    const folder = await temporaryFolder(t);
    await savePretrained(source, folder);
    const quantizationConfig = new AffineConfig({ bits, blockSize: 32 });
    const model = await AutoModelForCausalLM.fromPretrained(folder, { quantizationConfig, engine: CPU });
    t.after(() => model.dispose());
    const name = `mlp.down_proj.weight.q${bits}`;
    const codes = layerCodes(model.runtime.weights, 1);
    const tensor = (await model.weights.frozen?.layer(1))?.get('mlp.down_proj');
    assert.ok(tensor !== undefined && 'packed' in tensor);
    assert.equal(codes?.[`${name}.codes`].data, tensor.packed);
    const decoder = cachedDecoder(model.runtime, { prompts: PROMPTS, longest: 60, isCoded: true });
    const exact = new UncachedDecoder(model.runtime, PROMPTS);
    let [actual, expected] = [await decoder.start(), await exact.start()];
    for (let step = 0; ; step++) {
      const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      const off =
        expected.reduce((most, value, i) => Math.max(most, Math.abs(value - actual[i])), 0) / largest;
      // Inputs of products are rounded to 8 bits, weights are not.
      assert.ok(off > 1e-6 && off < 0.05, `step ${step}: ${off}`);
      if (step === 8) break;
      [actual, expected] = [await decoder.step([20 + step, 3]), await exact.step([20 + step, 3])];
    }
    decoder.end?.();
  });

it('rows that are no whole blocks are refused with what to do', async () => {
  const quantizationConfig = new AffineConfig({ bits: 4 });
  await assert.rejects(
    AutoModelForCausalLM.fromPretrained('gpt2-mini', { quantizationConfig, engine: CPU }),
    {
      name: 'TunebookError',
      message: /rows of 96\. Use a block size of 32\./,
    },
  );
  assert.ok(quantize(new Float32Array(96), { quantType: 'affine4', shape: [1, 96], blockSize: 32 }));
});
