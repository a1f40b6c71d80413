/**
 * Layers on the GPU, in memory and on disk at once, run as a program (`node placement-suite.js`) where WebGPU can
 * start: a small Mistral gives what it gives on the CPU, and what the GPU keeps goes up once and comes back the same.
 */
import assert from 'node:assert/strict';
import path from 'node:path';
import { it } from 'node:test';
import { generate } from '../../../lib/generation';
import { allocateGradients, countLabels, forwardBackward, LoraConfig } from '../../../lib/models';
import { AutoModelForCausalLM, getPeftModel, savePretrained } from '../../../lib/pretrained';
import type { CausalLM, FromPretrainedOptions } from '../../../lib/pretrained';
import type { DeviceMap } from '../../../lib/models';
import { BitsAndBytesConfig } from '../../../lib/quantization';
import { assertClose } from '../../support/assert-close';
import { goldenBatch } from '../families/golden-run';
import { holdWebGpu } from '../../support/hold-webgpu';
import { temporaryFolder } from '../../support/temporary-folder';

holdWebGpu();

const LAYERS = 6;
const CONFIG = {
  model_type: 'mistral',
  vocab_size: 60,
  hidden_size: 64,
  intermediate_size: 128,
  num_hidden_layers: LAYERS,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  initializer_range: 0.2,
};
/** 64 x 64 twice, 32 x 64 twice, 64 x 128 three times. */
const LAYER_SIZE = 2 * 64 * 64 + 2 * 32 * 64 + 3 * 64 * 128;
const ids = Array.from({ length: 12 }, (_, i) => (i * 7) % 60);
const batch = goldenBatch({ inputIds: [ids], attentionMask: [ids.map(() => 1)], labels: [ids] });

const DOUBLE = { loadIn4bit: true, bnb4bitQuantType: 'nf4', bnb4bitUseDoubleQuant: true } as const;
/** Outputs of a layer's modules. */
const ROWS = 64 * 3 + 32 * 2 + 128 * 2;
// With the bytes of a layer on the GPU, and how many of these are there to be read back only.
for (const [what, quantizationConfig, gpuLayer, sources] of [
  [
    'NF4, double quantization',
    new BitsAndBytesConfig(DOUBLE),
    LAYER_SIZE / 2 + (5 * LAYER_SIZE) / 64,
    LAYER_SIZE / 64,
  ],
  [
    'FP4',
    new BitsAndBytesConfig({ loadIn4bit: true, bnb4bitQuantType: 'fp4' }),
    LAYER_SIZE / 2 + LAYER_SIZE / 16,
    0,
  ],
  ['int8', new BitsAndBytesConfig({ loadIn8bit: true }), LAYER_SIZE + 8 * ROWS, 4 * ROWS],
  ['16 bits', undefined, 4 * LAYER_SIZE, 0],
] as const) {
  it(`three places compute what the CPU does: ${what}`, async (t) => {
    const [source, offloadFolder, saved] = [
      await temporaryFolder(t),
      path.join(await temporaryFolder(t), 'offload'),
      await temporaryFolder(t),
    ];
    const made = await AutoModelForCausalLM.fromConfig(CONFIG);
    await savePretrained(made, source, { dtype: 'BF16' });
    await made.dispose();
    const maps: DeviceMap[] = [];
    const load = async (options: FromPretrainedOptions): Promise<CausalLM> => {
      const onDeviceMap = (_table: string, deviceMap: DeviceMap): void => void maps.push(deviceMap);
      const model = await AutoModelForCausalLM.fromPretrained(source, {
        ...{ quantizationConfig, deviceMap: 'auto', onDeviceMap, ...options },
      });
      t.after(() => model.dispose());
      return model;
    };
    const onCpu = await load({ engine: { threads: 1 } });
    const [all] = maps;
    const layer = all.modules.find(({ module }) => module.endsWith('layers.0'))?.bytes ?? NaN;
    // Two of six on the GPU; two buffers and one layer in memory.
    const normBytes = 4 * 64 * (2 * LAYERS + 1);
    const headBytes = 4 * 60 * 64;
    const gpu = normBytes + headBytes + 4 * LAYER_SIZE + 2 * gpuLayer;
    const cpu = all.memoryBytes - LAYERS * layer + 3 * layer;
    const placed = await load({
      ...{ maxMemory: { gpu, cpu }, offloadFolder },
      engine: { provider: 'webgpu', threads: 1 },
    });
    const deviceMap = maps[1];
    assert.deepEqual([...deviceMap.gpuLayers], [0, 1]);
    assert.deepEqual([...deviceMap.diskLayers], [3, 4, 5]);
    assert.equal(deviceMap.gpuBytes, 2 * gpuLayer + normBytes + headBytes);
    const { device } = placed.engine;
    assert.ok(device !== undefined);
    assert.equal(device.traffic.toDevice, 2 * gpuLayer + headBytes);

    assert.equal(placed.numParameters(), onCpu.numParameters());
    const isShort = what === 'FP4' || what === 'int8';
    const results = [];
    for (const model of [onCpu, placed]) {
      const { logits } = await model.forward({ inputIds: [ids] });
      getPeftModel(model, new LoraConfig({ r: 4, seed: 3, layersToTransform: [1, 2, 5] }));
      for (const { name, data } of model.trainableParameters())
        if (name.endsWith('lora_B')) data.forEach((_, i) => (data[i] = Math.sin(i)));
      const gradients = allocateGradients(model.trainableParameters());
      for (const gradientCheckpointing of isShort ? [] : [true, false]) {
        const request = { batch, lossScale: 1 / countLabels(batch), gradientCheckpointing };
        await forwardBackward(model, gradients, { ...request, accumulate: !gradientCheckpointing });
      }
      const prompt = { inputIds: [[3, 1, 4]], maxNewTokens: 3, eosTokenId: null };
      const newTokens = isShort ? [] : (await generate(model, prompt)).newTokens;
      results.push({ logits: logits.data, gradients: gradients.flat, newTokens });
    }
    const [wanted, got] = results;
    assertClose(got.logits, wanted.logits, { absolute: 1e-4, relative: 0 }, 'logits');
    assertClose(got.gradients, wanted.gradients, { absolute: 1e-4, relative: 1e-3 }, 'gradients');
    assert.deepEqual(got.newTokens, wanted.newTokens);

    // The four layers of memory and disk go up with a pass, in the form that they would stay in; no other does.
    placed.disableAdapters();
    const before = device.traffic;
    await placed.forward({ inputIds: [[3, 1]] });
    const travels = gpuLayer - sources;
    const up = device.traffic.toDevice - before.toDevice;
    assert.ok(
      up > 4 * travels && up < 4 * travels + headBytes,
      `${up} bytes went up, ${travels} for each layer`,
    );

    // What comes back from the GPU is what went there.
    placed.weights.adapters.clear();
    await placed.savePretrained(saved);
    onCpu.weights.adapters.clear();
    const again = await AutoModelForCausalLM.fromPretrained(saved, { engine: { threads: 1 } });
    t.after(() => again.dispose());
    assert.deepEqual(await again.forward({ inputIds: [ids] }), await onCpu.forward({ inputIds: [ids] }));
    // A head that is changed is the one that counts.
    placed.weights.setParameter('lm_head.weight', new Float32Array(60 * 64));
    assert.ok((await placed.forward({ inputIds: [[3, 1]] })).logits.data.every((logit) => logit === 0));
    assert.throws(() => getPeftModel(placed, new LoraConfig({ useDora: true })), /layer 0.*on the GPU/s);
  });
}
