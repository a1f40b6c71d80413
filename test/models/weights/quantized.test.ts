/** Models on quantized weights: golden values in NF4, loading and saving in bitsandbytes' layout, what is refused. */
import assert from 'node:assert/strict';
import { promises as fs, readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createEngine, linear4bit } from '../../../lib/engine';
import { generate } from '../../../lib/generation';
import { allocateGradients, countLabels, forwardBackward, LoraConfig } from '../../../lib/models';
import {
  AutoModelForCausalLM,
  getPeftModel,
  loadAdapter,
  mergeAndUnload,
  savePretrained,
} from '../../../lib/pretrained';
import { openSafetensors } from '../../../lib/checkpoint';
import type { CausalLM } from '../../../lib/pretrained';
import type { SafetensorsFile } from '../../../lib/checkpoint';
import { Trainer, TrainingArguments } from '../../../lib/trainer';
import { BitsAndBytesConfig, blockScales, dequantize, quantize } from '../../../lib/quantization';
import { assertClose } from '../../support/assert-close';
import { isError } from '../../support/refusals';
import { normal } from '../../engine/kernels/kernel-case';
import { adamLosses, assertGradients, goldenBatch } from '../families/golden-run';
import type { GoldenRun } from '../families/golden-run';
import { temporaryFolder } from '../../support/temporary-folder';

const FOLDER = path.resolve('test/golden/mistral');
const GPT2 = path.resolve('test/golden/gpt2/model');
interface Golden extends GoldenRun {
  numParameters: number;
  generation: { padTokenId: number; prompts: number[][] };
  nf4Lora: { loss: number; losses: number[]; greedy: { newTokens: number[][] } };
}
const golden = JSON.parse(readFileSync(path.join(FOLDER, 'golden.json'), 'utf8')) as Golden;
const batch = goldenBatch(golden);
const nf4 = new BitsAndBytesConfig({
  loadIn4bit: true,
  bnb4bitQuantType: 'nf4',
  bnb4bitUseDoubleQuant: true,
});
const logitsOf = async (model: CausalLM): Promise<Float32Array> =>
  (await model.forward(golden)).logits.data.slice();

for (const [name, load] of [
  [
    'quantized when loaded',
    () => AutoModelForCausalLM.fromPretrained(path.join(FOLDER, 'model'), { quantizationConfig: nf4 }),
  ],
  ['read in 4 bits', () => AutoModelForCausalLM.fromPretrained(path.join(FOLDER, 'model-nf4'))],
] as const) {
  describe(`Mistral in NF4, ${name}`, () => {
    let values: SafetensorsFile;
    before(async () => (values = await openSafetensors(path.join(FOLDER, 'golden.safetensors'))));
    after(() => values.close());

    it('gives the logits of PyTorch on the same weights', async (t) => {
      const model = await load();
      t.after(() => model.dispose());
      assert.equal(model.numParameters(), golden.numParameters);
      assert.equal(model.isQuantized, true);
      assert.equal(model.weights.parameters.byName.has('layers.0.self_attn.q_proj.weight'), false);
      assertClose(
        await logitsOf(model),
        await values.read('nf4.logits'),
        { absolute: 1e-4, relative: 0 },
        'logits',
      );
    });

    it('trains LoRA as peft does, and generates its tokens', async (t) => {
      const model = await loadAdapter(await load(), path.join(FOLDER, 'adapter'));
      t.after(() => model.dispose());
      const logits = await values.read('nf4Lora.logits');
      assertClose(await logitsOf(model), logits, { absolute: 1e-4, relative: 0 }, 'logits');
      for (const gradientCheckpointing of [true, false]) {
        const gradients = allocateGradients(model.trainableParameters());
        const request = {
          batch,
          lossScale: 1 / countLabels(batch),
          accumulate: false,
          gradientCheckpointing,
        };
        const loss = await forwardBackward(model, gradients, request);
        assert.ok(Math.abs(loss - golden.nf4Lora.loss) < 1e-5);
        const goldenName = (own: string): string => `nf4Lora.grad.base_model.model.model.${own}.weight`;
        await assertGradients(gradients, values, goldenName);
      }
      const { prompts: inputIds, padTokenId } = golden.generation;
      const options = { inputIds, padTokenId, eosTokenId: null, maxNewTokens: 24 };
      assert.deepEqual(
        (await generate(model, { ...options, dtype: 'float32' })).newTokens,
        golden.nf4Lora.greedy.newTokens,
      );
      const losses = await adamLosses(model, batch, 10);
      assertClose(losses, golden.nf4Lora.losses, { absolute: 1e-3, relative: 0 }, 'losses');
    });

    it('is saved byte for byte as bitsandbytes has it', async (t) => {
      const model = await load();
      t.after(() => model.dispose());
      const folder = await temporaryFolder(t);
      await savePretrained(model, folder);
      const [ours, theirs] = await Promise.all(
        [folder, path.join(FOLDER, 'model-nf4')].map((f) =>
          openSafetensors(path.join(f, 'model.safetensors')),
        ),
      );
      t.after(() => Promise.all([ours.close(), theirs.close()]));
      assert.deepEqual([...ours.names].sort(), [...theirs.names].sort());
      for (const tensor of theirs.names) {
        if (tensor.includes('quant_state')) continue; // JSON: spaces may differ
        assert.deepEqual(await ours.readBytes(tensor), await theirs.readBytes(tensor), tensor);
      }
      const again = await AutoModelForCausalLM.fromPretrained(folder);
      t.after(() => again.dispose());
      assert.deepEqual(await logitsOf(again), await logitsOf(model));
    });
  });
}

describe('other weight formats', () => {
  for (const [what, options] of [
    ['FP4', { loadIn4bit: true }],
    ['int8', { loadIn8bit: true }],
    [
      'NF4 but for one layer',
      { loadIn4bit: true, bnb4bitQuantType: 'nf4', llmInt8SkipModules: ['layers.0', 'lm_head'] },
    ],
  ] as const) {
    it(`${what} equals the model of the restored weights`, async (t) => {
      const quantizationConfig = new BitsAndBytesConfig(options);
      const model = await AutoModelForCausalLM.fromPretrained(path.join(FOLDER, 'model'), {
        quantizationConfig,
      });
      const plain = await AutoModelForCausalLM.fromPretrained(path.join(FOLDER, 'model'));
      t.after(() => Promise.all([model.dispose(), plain.dispose()]));
      const before = await logitsOf(plain);
      const skipsFirst = 'llmInt8SkipModules' in options;
      for (const [name, parameter] of plain.weights.parameters.byName) {
        if (!name.endsWith('_proj.weight') || (skipsFirst && name.startsWith('layers.0.'))) continue;
        parameter.data.set(
          dequantize(quantize(parameter.data, quantizationConfig.quantizeOptions(parameter.shape))),
        );
      }
      assert.notDeepEqual(await logitsOf(plain), before);
      assertClose(await logitsOf(model), await logitsOf(plain), { absolute: 1e-4, relative: 0 }, 'logits');
      const folder = await temporaryFolder(t);
      await savePretrained(model, folder);
      const again = await AutoModelForCausalLM.fromPretrained(folder);
      t.after(() => again.dispose());
      assert.deepEqual(await logitsOf(again), await logitsOf(model));
    });
  }

  it('weights stay in 16 bits with dtype auto, and adapters are merged into them', async (t) => {
    const [folder, merged] = [await temporaryFolder(t), await temporaryFolder(t)];
    const plain = await AutoModelForCausalLM.fromPretrained(path.join(FOLDER, 'model'));
    await savePretrained(plain, folder, { dtype: 'BF16' });
    const [half, full] = await Promise.all([
      AutoModelForCausalLM.fromPretrained(folder, { dtype: 'auto' }),
      AutoModelForCausalLM.fromPretrained(folder),
    ]);
    t.after(() => Promise.all([plain, half, full].map((model) => model.dispose())));
    assert.equal(half.isQuantized, false);
    assert.ok(half.weights.parameters.flat.length < full.weights.parameters.flat.length / 2);
    assertClose(await logitsOf(half), await logitsOf(full), { absolute: 1e-5, relative: 0 }, 'logits');
    for (const model of [half, full]) mergeAndUnload(await loadAdapter(model, path.join(FOLDER, 'adapter')));
    const wanted = await logitsOf(full);
    const got = await logitsOf(half);
    assertClose(got, wanted, { absolute: 0.5, relative: 0 }, 'merged logits');
    assert.notDeepEqual(got, wanted);
    await savePretrained(half, merged, { dtype: 'BF16' });
    const again = await AutoModelForCausalLM.fromPretrained(merged);
    t.after(() => again.dispose());
    assertClose(await logitsOf(again), got, { absolute: 1e-5, relative: 0 }, 'saved logits');
  });

  it('GPT-2 is quantized too, transposed as bitsandbytes does, and trained', async (t) => {
    const model = await AutoModelForCausalLM.fromPretrained(GPT2, { quantizationConfig: nf4 });
    const plain = await AutoModelForCausalLM.fromPretrained(GPT2);
    t.after(() => Promise.all([model.dispose(), plain.dispose()]));
    for (const module of plain.architecture.modules) {
      for (let layer = 0; layer < plain.architecture.layers; layer++) {
        plain.weights.changeLinearWeight(layer, module, (weight) => {
          weight.set(dequantize(quantize(weight, nf4.quantizeOptions([module.outSize, module.inSize]))));
        });
      }
    }
    assertClose(await logitsOf(model), await logitsOf(plain), { absolute: 1e-4, relative: 0 }, 'logits');
    const folder = await temporaryFolder(t);
    await savePretrained(model, folder);
    const again = await AutoModelForCausalLM.fromPretrained(folder);
    t.after(() => again.dispose());
    assert.deepEqual(await logitsOf(again), await logitsOf(model));
    const losses: number[][] = [];
    for (const each of [model, plain]) {
      getPeftModel(each, new LoraConfig({ r: 4, loraAlpha: 32, useDora: true, bias: 'lora_only' }));
      losses.push(await adamLosses(each, batch, 4));
    }
    assertClose(losses[0], losses[1], { absolute: 1e-4, relative: 0 }, 'losses');
    assert.ok(losses[0][3] < losses[0][0] - 0.05, 'training moves the loss');
  });
});

it('a run of LoRA on 4 bits with DoRA and dropout is resumed exactly', async (t) => {
  const outputDir = await temporaryFolder(t);
  const trainDataset = golden.inputIds.map((inputIds, i) => ({ inputIds, labels: golden.labels[i] }));
  const run = async (folder: string, resumeFromCheckpoint?: string): Promise<Float32Array> => {
    const model = await AutoModelForCausalLM.fromPretrained(path.join(FOLDER, 'model-nf4'));
    t.after(() => model.dispose());
    const lora = { r: 2, loraDropout: 0.2, useDora: true, modulesToSave: ['lm_head'] };
    getPeftModel(model, new LoraConfig(lora));
    const args = new TrainingArguments({
      outputDir: path.join(outputDir, folder),
      maxSteps: 4,
      saveSteps: 2,
      saveStrategy: 'steps',
      perDeviceTrainBatchSize: 2,
      gradientAccumulationSteps: 2,
      learningRate: 1e-2,
    });
    const trainer = new Trainer({ model, args, trainDataset, callbacks: [] });
    await trainer.train(resumeFromCheckpoint === undefined ? {} : { resumeFromCheckpoint });
    return logitsOf(model);
  };
  const whole = await run('run');
  const resumed = await run('run', path.join(outputDir, 'run', 'checkpoint-2'));
  assert.deepEqual(resumed, whole);
  const untrained = await AutoModelForCausalLM.fromPretrained(path.join(FOLDER, 'model-nf4'));
  t.after(() => untrained.dispose());
  assert.notDeepEqual(whole, await logitsOf(untrained));
});

describe('quantized models refuse', () => {
  it('to be trained without an adapter, and to be merged', async (t) => {
    const model = await AutoModelForCausalLM.fromPretrained(path.join(FOLDER, 'model-nf4'));
    t.after(() => model.dispose());
    assert.equal(model.numParameters({ onlyTrainable: true }), 0);
    assert.throws(() => model.trainableParameters(), isError('quantized', 'getPeftModel'));
    await loadAdapter(model, path.join(FOLDER, 'adapter'));
    assert.throws(() => mergeAndUnload(model), isError('round', 'without quantizationConfig'));
    assert.ok(model.adapter !== undefined);
  });

  it('another quantization than the one they are stored in', async () => {
    const quantizationConfig = new BitsAndBytesConfig({ loadIn8bit: true });
    await assert.rejects(
      AutoModelForCausalLM.fromPretrained(path.join(FOLDER, 'model-nf4'), { quantizationConfig }),
      isError('nf4 with double quantization', 'int8'),
    );
  });

  it('a shard whose bytes changed since the index was written', async (t) => {
    const folder = await temporaryFolder(t);
    const model = await AutoModelForCausalLM.fromPretrained(path.join(FOLDER, 'model-nf4'));
    t.after(() => model.dispose());
    await savePretrained(model, folder, { maxShardSizeBytes: 20_000 });
    await (await AutoModelForCausalLM.fromPretrained(folder)).dispose();
    const shard = (await fs.readdir(folder)).filter((name) => name.endsWith('.safetensors')).sort()[0];
    const bytes = await fs.readFile(path.join(folder, shard));
    bytes[bytes.length - 1] ^= 1;
    await fs.writeFile(path.join(folder, shard), bytes);
    await assert.rejects(AutoModelForCausalLM.fromPretrained(folder), isError(shard, 'SHA-256'));
  });

  it('a configuration that does not say how they are quantized', async (t) => {
    const folder = await temporaryFolder(t);
    await fs.cp(path.join(FOLDER, 'model-nf4'), folder, { recursive: true });
    await fs.copyFile(path.join(FOLDER, 'model/config.json'), path.join(folder, 'config.json'));
    await assert.rejects(AutoModelForCausalLM.fromPretrained(folder), isError('quantization_config', folder));
  });
});

describe('linear4bit', () => {
  for (const [quantType, blockSize, doubleQuant, [T, K, N]] of [
    ['nf4', 64, true, [3, 256, 40]],
    ['nf4', 128, false, [3, 256, 40]],
    ['fp4', 64, false, [3, 256, 40]],
    // In pieces: 128 rows of the weight at a time, the last one shorter; then 1,024.
    ['nf4', 64, true, [1, 4096, 300]],
    ['nf4', 64, false, [33, 4096, 1030]],
  ] as const) {
    it(`reads ${quantType} [${N}, ${K}] in blocks of ${blockSize} as they are packed`, async (t) => {
      const engine = await createEngine({ threads: 1 });
      t.after(() => engine.dispose());
      const weight = quantize(normal([N, K], 1).data as Float32Array, {
        quantType,
        blockSize,
        doubleQuant,
        shape: [N, K],
      });
      const x = normal([T, K], 2);
      const scales = blockScales(weight);
      const feeds = {
        x,
        codes: { data: weight.packed, shape: [weight.packed.length] },
        absmax: { data: scales, shape: [scales.length] },
      };
      const compiled = await engine.compile(
        ({ x, codes, absmax }) => ({ y: linear4bit(x, { codes, absmax, quantType, outSize: N }) }),
        {
          x: { shape: x.shape, dtype: 'float32' },
          codes: { shape: feeds.codes.shape, dtype: 'uint8' },
          absmax: { shape: feeds.absmax.shape, dtype: 'float32' },
        },
      );
      const { y } = await compiled.run(feeds);
      const restored = dequantize(weight);
      const wanted = Array.from({ length: T * N }, (_, i) => {
        let sum = 0;
        for (let k = 0; k < K; k++) sum += x.data[Math.floor(i / N) * K + k] * restored[(i % N) * K + k];
        return sum;
      });
      assert.deepEqual(y.shape, [T, N]);
      assertClose(y.data, wanted, { absolute: K < 1000 ? 1e-4 : 1e-3, relative: 0 }, 'y');
    });
  }

  it('is used for whole blocks in rows, with the same results', async (t) => {
    const config = { model_type: 'mistral', vocab_size: 97, hidden_size: 64, intermediate_size: 128 };
    const sizes = {
      num_hidden_layers: 2,
      num_attention_heads: 4,
      num_key_value_heads: 2,
      sliding_window: null,
    };
    const folder = await temporaryFolder(t);
    const plain = await AutoModelForCausalLM.fromConfig({ ...config, ...sizes, initializer_range: 0.2 });
    await savePretrained(plain, folder);
    const [packed, eager] = await Promise.all([
      AutoModelForCausalLM.fromPretrained(folder, { quantizationConfig: nf4 }),
      AutoModelForCausalLM.fromPretrained(folder, { quantizationConfig: nf4, engine: { kind: 'eager' } }),
    ]);
    t.after(() => Promise.all([plain, packed, eager].map((model) => model.dispose())));
    const feeds = await packed.weights.layerFeeds(0);
    assert.ok('mlp.up_proj.weight.nf4.codes' in feeds && !('mlp.up_proj.weight.restored.weight' in feeds));
    assert.ok('mlp.up_proj.weight.restored.weight' in (await eager.weights.layerFeeds(0)));
    const wanted = await logitsOf(eager);
    assertClose(await logitsOf(packed), wanted, { absolute: 2e-4, relative: 1e-4 }, 'logits');
    assert.notDeepEqual(await logitsOf(plain), wanted);
  });
});

describe('token embedding and head of 16 bits beside frozen weights', () => {
  for (const tied of [false, true]) {
    it(`give what float32 gives, tied ${tied}`, async (t) => {
      const sizes = { hidden_size: 64, intermediate_size: 128, num_hidden_layers: 2, num_attention_heads: 4 };
      const config = { model_type: 'llama', vocab_size: 9000, tie_word_embeddings: tied, ...sizes };
      const [folder, again] = [await temporaryFolder(t), await temporaryFolder(t)];
      const made = await AutoModelForCausalLM.fromConfig({ ...config, initializer_range: 0.2 });
      await savePretrained(made, folder, { dtype: 'F16' });
      const half = await AutoModelForCausalLM.fromPretrained(folder, { quantizationConfig: nf4 });
      const full = await AutoModelForCausalLM.fromPretrained(folder);
      await savePretrained(half, again, { dtype: 'F16' });
      const saved = await AutoModelForCausalLM.fromPretrained(again);
      t.after(() => Promise.all([made, half, full, saved].map((model) => model.dispose())));
      assert.equal(half.numParameters(), made.numParameters());
      assert.equal(half.weights.parameters.byName.has('embed_tokens.weight'), false);
      for (const module of full.architecture.modules) {
        for (const layer of [0, 1]) {
          full.weights.changeLinearWeight(layer, module, (weight) => {
            weight.set(dequantize(quantize(weight, nf4.quantizeOptions([module.outSize, module.inSize]))));
          });
        }
      }
      // Two tiles of the head: its first 8,192 rows, and the others.
      const inputs = {
        inputIds: [[1, 8999, 17, 8191, 8192, 4000]],
        labels: [[-100, 8999, 17, 8191, 8192, 4000]],
      };
      const wanted = await full.forward(inputs);
      for (const model of [half, saved]) {
        const got = await model.forward(inputs);
        assertClose(got.logits.data, wanted.logits.data, { absolute: 1e-3, relative: 1e-4 }, 'logits');
        assert.deepEqual(got.logits.shape, wanted.logits.shape);
        assert.ok(Math.abs((got.loss ?? NaN) - (wanted.loss ?? NaN)) < 1e-3);
      }
      const gradients = [];
      for (const model of [half, full]) {
        getPeftModel(model, new LoraConfig({ r: 2, modulesToSave: tied ? [] : ['embed_tokens', 'lm_head'] }));
        const buffers = allocateGradients(model.trainableParameters());
        const wide = goldenBatch({ ...inputs, attentionMask: [Array<number>(6).fill(1)] });
        const request = { batch: wide, lossScale: 0.2, accumulate: false, gradientCheckpointing: true };
        await forwardBackward(model, buffers, request);
        gradients.push(buffers.flat);
      }
      assertClose(gradients[0], gradients[1], { absolute: 1e-4, relative: 1e-3 }, 'gradients');
      assert.ok(gradients[0].some((value) => Math.abs(value) > 1e-2));
    });
  }
});
