/** Generation by codes of 8 bits: near the exact path, and never from weights that have changed since. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, test } from 'node:test';
import type { TestContext } from 'node:test';
import { cachedDecoder } from '../../lib/generation/decoders/cached-decoder';
import { CachedDecoder, UncachedDecoder } from '../../lib/generation/decoders/decoder';
import type { Decoder } from '../../lib/generation/decoders/decoder';
import { CodedModel } from '../../lib/generation/passes/coded-model';
import { codesPeakBytes } from '../../lib/generation/passes/coded-plan';
import { codesRefusal } from '../../lib/generation/passes/coded-model-cache';
import { ContinuousBatch, generate } from '../../lib/generation';
import type { GenerationDtype } from '../../lib/generation';
import { allocateGradients, LoraConfig } from '../../lib/models';
import { AutoModelForCausalLM, CausalLM, getPeftModel, savePretrained } from '../../lib/pretrained';
import { AffineConfig, BitsAndBytesConfig } from '../../lib/quantization';
import { loadWeights } from '../../lib/trainer/checkpoints/checkpoints';
import { createOptimizer } from '../../lib/trainer/optimizers/optimizers';
import { temporaryFolder } from '../support/temporary-folder';

const PROMPTS = [[1, 2, 3], [4], [5, 6, 7, 8, 9, 10, 11]];
const SIZES = { vocab_size: 50, initializer_range: 0.1 };
const CONFIGS = {
  gpt2: { model_type: 'gpt2', n_positions: 200, n_embd: 64, n_layer: 2, n_head: 2, ...SIZES },
  mistral: {
    ...{ model_type: 'mistral', max_position_embeddings: 200, hidden_size: 64, intermediate_size: 96 },
    ...{ num_hidden_layers: 3, num_attention_heads: 4, num_key_value_heads: 2, sliding_window: 6, ...SIZES },
  },
};

async function modelOf(t: TestContext, config: keyof typeof CONFIGS): Promise<CausalLM> {
  const model = await AutoModelForCausalLM.fromConfig(CONFIGS[config], {
    engine: { provider: 'cpu', threads: 1 },
  });
  t.after(() => model.dispose());
  return model;
}

/** Largest difference of two rows of logits, as a share of the largest logit. */
function distance(actual: Float32Array, expected: Float32Array): number {
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return expected.reduce((most, value, i) => Math.max(most, Math.abs(value - actual[i])), 0) / largest;
}

/** Logits of the first prompt's next token. */
async function logitsOf({ runtime }: CausalLM, isCoded: boolean): Promise<Float32Array> {
  const decoder: Decoder = isCoded
    ? cachedDecoder(runtime, { prompts: PROMPTS, longest: 60, isCoded })
    : new UncachedDecoder(runtime, PROMPTS);
  const logits = (await decoder.start()).slice();
  decoder.end?.();
  return logits;
}

describe('generation by codes of 8 bits', () => {
  for (const config of ['gpt2', 'mistral'] as const)
    test(`${config}: prompts, steps, growth and dropped rows come near the exact logits`, async (t) => {
      const model = await modelOf(t, config);
      const coded = new CachedDecoder(model.runtime, { prompts: PROMPTS, longest: 120, isCoded: true });
      const exact = new UncachedDecoder(model.runtime, PROMPTS);
      let worst = distance(await coded.start(), await exact.start());
      let tokens = [20, 21, 22];
      for (let step = 0; step < 70; step++) {
        if (step === 30) {
          for (const decoder of [coded, exact]) decoder.keep([2, 0]);
          tokens = [30, 31];
        }
        worst = Math.max(worst, distance(await coded.step(tokens), await exact.step(tokens)));
        tokens = tokens.map((token) => (token * 7 + step) % 50);
      }
      coded.end();
      // Two roundings to 8 bits a product. Another mask or position is off by more than a tenth.
      assert.ok(worst < 0.05, `${worst}`);
      assert.ok(worst > 1e-5, 'codes were not used');
    });

  test('codes follow training, merging and a switch of adapters', async (t) => {
    const model = await modelOf(t, 'mistral');
    const same = async (what: string): Promise<Float32Array> => {
      const [coded, exact] = [await logitsOf(model, true), await logitsOf(model, false)];
      assert.ok(distance(coded, exact) < 0.05, `${what}: ${distance(coded, exact)}`);
      return exact;
    };
    const first = await same('new');
    const { flat } = model.runtime.weights.parameters;
    flat.forEach((value, i) => (flat[i] = i % 3 === 0 ? -value : value));
    const trained = await same('trained in place');
    assert.ok(distance(trained, first) > 0.2);
    const peft = getPeftModel(model, new LoraConfig({ r: 4, targetModules: ['q_proj', 'down_proj'] }));
    const { adapter } = peft.runtime.weights;
    assert.ok(adapter !== undefined);
    adapter.parameters.flat.forEach((_, i, all) => (all[i] = ((i * 37) % 19) / 60 - 0.15));
    const adapted = await same('with an adapter');
    assert.ok(distance(adapted, trained) > 0.2);
    await same('again');
    peft.disableAdapters();
    assert.ok(distance(await same('adapter off'), trained) < 1e-6);
    peft.enableAdapters();
    await peft.mergeAndUnload();
    assert.ok(distance(await same('merged'), adapted) < 1e-4);
  });

  describe('parameters are compared where somebody may have written on them, and only there', () => {
    const changes: Record<string, (model: CausalLM, folder: string) => Promise<unknown>> = {
      "an optimizer's step": async (model) => {
        const parameters = model.trainableParameters();
        const gradients = allocateGradients(parameters);
        gradients.flat.forEach((_, i, all) => (all[i] = (i % 5) - 2));
        const settings = { weightDecay: 0, beta1: 0.9, beta2: 0.99, epsilon: 1e-8, momentum: 0 };
        const { engine } = model;
        const all = { name: 'adamw', engine, parameters, gradients, ...settings } as const;
        await createOptimizer({ ...all, fullPrecision: new Set() }).step(0.2, 1);
      },
      'weights of a checkpoint': async (model, folder) => {
        const other = await AutoModelForCausalLM.fromConfig(CONFIGS.mistral, { seed: 3 });
        await savePretrained(other, folder);
        await other.dispose();
        await loadWeights(model, folder);
      },
      'a value by hand': async ({ weights }) => {
        weights.parameter('layers.0.mlp.up_proj.weight').data[5] = 20;
      },
      'a value of the flat array': async ({ weights }) => {
        const { flat } = weights.parameters;
        flat.forEach((value, i) => (flat[i] = i % 3 === 0 ? -value : value));
      },
      "the head's values, set": async ({ weights }) => {
        const { data, shape } = weights.tableFeed('head');
        weights.setParameter(
          'lm_head.weight',
          Float32Array.from(data, (value) => -value),
        );
        assert.equal(shape.length, 2);
      },
      'a merged adapter': async (model) => {
        const peft = getPeftModel(model, new LoraConfig({ r: 4, targetModules: ['q_proj', 'down_proj'] }));
        peft.adapter?.parameters.flat.forEach((_, i, all) => (all[i] = ((i * 37) % 19) / 60 - 0.15));
        await peft.mergeAndUnload();
      },
      'other rows of the vocabulary': (model) => model.resizeTokenEmbeddings(47),
    };
    for (const [what, change] of Object.entries(changes))
      test(what, async (t) => {
        const model = await modelOf(t, 'mistral');
        const sums = t.mock.method(model.weights, 'parametersChecksum');
        const before = await logitsOf(model, true);
        assert.deepEqual(await logitsOf(model, true), before);
        assert.equal(sums.mock.callCount(), 1, 'with the codes, and not again');
        await change(model, await temporaryFolder(t));
        const after = await logitsOf(model, true);
        const exact = await logitsOf(model, false);
        assert.ok(after.length !== before.length || distance(after, before) > 1e-3, 'stale codes');
        assert.ok(distance(after, exact) < 0.05, `${distance(after, exact)}`);
      });

    test('arrays that whoever made the model holds', async (t) => {
      const { architecture, weights, engine } = await modelOf(t, 'mistral');
      const { parameters } = weights;
      const model = new CausalLM({ architecture, parameters }, engine); // not disposed: the engine is the other's
      const before = await logitsOf(model, true);
      parameters.flat.forEach((value, i, all) => (all[i] = i % 3 === 0 ? -value : value));
      assert.ok(distance(await logitsOf(model, true), before) > 0.2);
    });

    test('the head of a quantized model', async (t) => {
      const folder = await temporaryFolder(t);
      await savePretrained(await modelOf(t, 'mistral'), folder, { dtype: 'F32' });
      const model = await AutoModelForCausalLM.fromPretrained(folder, {
        ...{ quantizationConfig: new BitsAndBytesConfig({ loadIn4bit: true }) },
        engine: { provider: 'cpu', threads: 1 },
      });
      t.after(() => model.dispose());
      const before = await logitsOf(model, true);
      const { data } = model.weights.parameter('lm_head.weight');
      data.forEach((value, i) => (data[i] = -value));
      const after = await logitsOf(model, true);
      assert.ok(distance(after, before) > 0.5, 'stale codes');
      assert.ok(distance(after, await logitsOf(model, false)) < 0.05);
    });
  });

  test('codes follow an adapter of other modules, and other tables of a quantized model', async (t) => {
    const dense = await modelOf(t, 'mistral');
    // In use while two other forms take its place among those that are kept.
    const held = new CachedDecoder(dense.runtime, { prompts: PROMPTS, longest: 60, isCoded: true });
    const exact = new UncachedDecoder(dense.runtime, PROMPTS);
    await held.start();
    const adapters = [
      new LoraConfig({ r: 4, targetModules: ['q_proj'] }),
      new LoraConfig({ r: 2, targetModules: ['v_proj', 'up_proj'] }),
    ];
    for (const config of adapters) {
      const peft = getPeftModel(dense, config, { adapterName: config.r === 4 ? 'first' : 'second' });
      peft.runtime.weights.adapter?.parameters.flat.forEach(
        (_, i, all) => (all[i] = ((i * 37) % 19) / 60 - 0.15),
      );
      assert.ok(distance(await logitsOf(peft, true), await logitsOf(peft, false)) < 0.05);
    }
    dense.disableAdapters();
    assert.ok(distance(await held.step([1, 2, 3]), await exact.step([1, 2, 3])) < 0.05);
    held.end();
    const quantizationConfig = new BitsAndBytesConfig({ loadIn4bit: true, bnb4bitQuantType: 'nf4' });
    const options = { quantizationConfig, engine: { provider: 'cpu' as const, threads: 1 } };
    const model = await AutoModelForCausalLM.fromPretrained('mistral-mini', options);
    t.after(() => model.dispose());
    assert.ok(distance(await logitsOf(model, true), await logitsOf(model, false)) < 0.05);
    const { vocabSize } = model.architecture;
    await model.resizeTokenEmbeddings(vocabSize + 5);
    const [coded, wanted] = [await logitsOf(model, true), await logitsOf(model, false)];
    assert.equal(coded.length, PROMPTS.length * (vocabSize + 5));
    assert.ok(distance(coded, wanted) < 0.05);
  });

  test('as many layers as memory has room for have codes, the others run as they are', async (t) => {
    const { runtime } = await modelOf(t, 'mistral');
    const expected = await new UncachedDecoder(runtime, PROMPTS).start();
    const seen: number[] = [];
    // From what the first tokens of any model are planned with.
    for (let bytes = 40e6; seen.at(-1) !== 3; bytes += 4096) {
      const coded = await CodedModel.build(runtime, { memoryBytes: () => bytes });
      if ((coded?.codedLayers ?? 0) !== (seen.at(-1) ?? -1)) {
        seen.push(coded?.codedLayers ?? 0);
        if (coded !== undefined) {
          const { logits, caches } = await coded.prompts(PROMPTS);
          assert.ok(distance(logits, expected) < 0.05);
          assert.equal(caches.length, 3);
        }
      }
      await coded?.dispose();
    }
    assert.deepEqual(seen, [0, 1, 2, 3]);
  });

  test('layers in functions of their own give the logits of one function, and are made with less memory', async (t) => {
    const { runtime } = await modelOf(t, 'mistral');
    const plenty = (): number => 1e9;
    const build = async (groupBytes?: number): Promise<{ logits: Float32Array; turns: number[] }> => {
      const coded = await CodedModel.build(runtime, { memoryBytes: plenty, groupBytes });
      assert.ok(coded);
      const turns: number[] = [];
      const { logits } = await coded.prompts(PROMPTS, { between: async (count) => void turns.push(count) });
      await coded.dispose();
      return { logits: logits.slice(), turns };
    };
    const [one, each] = [await build(), await build(1)];
    assert.deepEqual([one.turns, each.turns], [[3], [1, 1, 1]]);
    assert.deepEqual(each.logits, one.logits);
    const peak = (groupBytes?: number): number =>
      codesPeakBytes(runtime, { memoryBytes: plenty, groupBytes });
    assert.ok(peak(1) < peak());
  });

  test('memory that shrinks while codes are made leaves them to the layers that have them', async (t) => {
    const { runtime } = await modelOf(t, 'mistral');
    const expected = await new UncachedDecoder(runtime, PROMPTS).start();
    const seen: (number | undefined)[] = [];
    // Asked once for the plan, and before each of four functions: three layers', and the head's.
    for (let answers = 1; answers <= 5; answers++) {
      let asked = 0;
      const memoryBytes = (): number => (asked++ < answers ? 1e9 : 0);
      const coded = await CodedModel.build(runtime, { memoryBytes, groupBytes: 1 });
      seen.push(coded?.codedLayers);
      if (coded === undefined) continue;
      assert.ok(distance((await coded.prompts(PROMPTS)).logits, expected) < 0.05);
      await coded.dispose();
    }
    // A head that finds no memory takes that of the layers before it.
    assert.deepEqual(seen, [undefined, undefined, undefined, undefined, 3]);
    for (const [gone, layers] of [
      [2, 1],
      [3, 2],
    ] as const) {
      let asked = 0;
      // Memory that is gone for one function, and then there again for the head.
      const memoryBytes = (): number => (asked++ === gone ? 0 : 1e9);
      const coded = await CodedModel.build(runtime, { memoryBytes, groupBytes: 1 });
      assert.equal(coded?.codedLayers, layers);
      assert.ok(distance((await coded.prompts(PROMPTS)).logits, expected) < 0.05);
      await coded.dispose();
    }
  });

  test('what the first tokens take is known before, and nothing once they are there', async (t) => {
    const quantizationConfig = new BitsAndBytesConfig({ loadIn4bit: true, bnb4bitQuantType: 'nf4' });
    const options = { quantizationConfig, engine: { provider: 'cpu' as const, threads: 1 } };
    const model = await AutoModelForCausalLM.fromPretrained('mistral-mini', options);
    t.after(() => model.dispose());
    const { layers, modules, vocabSize, width } = model.architecture;
    const values = modules.reduce((sum, { inSize, outSize }) => sum + inSize * outSize, 0);
    // A byte a value and a scale a block, of 64 values in NF4 and of 32 in the head; what ONNX Runtime holds of a block are
    // five numbers, and an eighth of gaps. While all of it is made, at once, there are that which is made, and two copies: one
    // in the place of what is held.
    const bytes = (numbers: number): number =>
      layers * values * (1 + (4 * numbers) / 64) + vocabSize * width * (1 + (4 * numbers) / 32);
    assert.equal(
      model.generationBytes(),
      Math.ceil(1.12 * bytes(5) + (2 * bytes(1) - bytes(5)) + bytes(1) + 40e6),
    );
    await model.generate({ inputIds: [[1, 2]], maxNewTokens: 1 });
    assert.equal(model.generationBytes(), 0);
    assert.equal((await modelOf(t, 'mistral')).generationBytes(), 0, 'float32 is generated from as it is');
  });

  test('layers on disk run as they are beside coded ones, which a line says once', async (t) => {
    const folder = await temporaryFolder(t);
    const engine = { provider: 'cpu' as const, threads: 1 };
    const quantizationConfig = new BitsAndBytesConfig({ loadIn4bit: true, bnb4bitQuantType: 'nf4' });
    const whole = await AutoModelForCausalLM.fromPretrained('mistral-mini', { quantizationConfig, engine });
    t.after(() => whole.dispose());
    await savePretrained(whole, folder);
    let maxMemory = 0;
    const open = async (): Promise<CausalLM> =>
      AutoModelForCausalLM.fromPretrained(folder, {
        ...{ engine, deviceMap: 'auto', offloadFolder: path.join(folder, 'offload') },
        ...(maxMemory === 0 ? {} : { maxMemory }),
        onDeviceMap: (_, { modules, memoryBytes }) => {
          const layer = modules.find(({ module }) => module === 'model.layers.0')?.bytes ?? NaN;
          maxMemory = memoryBytes - layer; // two layers and two buffers
        },
      });
    await (await open()).dispose();
    const model = await open();
    t.after(() => model.dispose());
    const lines: string[] = [];
    t.mock.method(console, 'warn', (line: string) => lines.push(line));
    const options = { inputIds: PROMPTS, maxNewTokens: 12, eosTokenId: null, padTokenId: 0 };
    const exact = await generate(model, { ...options, dtype: 'float32' });
    const { sequences } = await generate(model, options);
    await generate(model, options);
    assert.equal(lines.length, 1);
    assert.match(lines[0], /^generate: [1-9]\d* of \d+ layers are computed by codes/);
    assert.deepEqual(exact.sequences, (await generate(whole, { ...options, dtype: 'float32' })).sequences);
    assert.deepEqual(sequences[0].slice(0, 8), exact.sequences[0].slice(0, 8));
  });

  test('by default frozen weights of 4 bits are computed by codes, all others exactly', async (t) => {
    const open = async (quantizationConfig?: BitsAndBytesConfig | AffineConfig): Promise<CausalLM> => {
      const options = { quantizationConfig, engine: { provider: 'cpu' as const, threads: 1 } };
      const model = await AutoModelForCausalLM.fromPretrained('mistral-mini', options);
      t.after(() => model.dispose());
      return model;
    };
    const forms = {
      dense: [await open(), 'float32'],
      int8: [await open(new BitsAndBytesConfig({ loadIn8bit: true })), 'float32'],
      nf4: [await open(new BitsAndBytesConfig({ loadIn4bit: true, bnb4bitQuantType: 'nf4' })), 'q8'],
      int4: [await open(new AffineConfig({ bits: 4 })), 'q8'],
    } as const;
    for (const [name, [model, dtype]] of Object.entries(forms)) {
      const firstOf = async (given?: GenerationDtype): Promise<number[]> => {
        const { newTokens } = await generate(model, {
          ...{ inputIds: [PROMPTS[2]], maxNewTokens: 1, topLogprobs: 3, dtype: given },
          onToken: ({ logprobs }) => (first = logprobs?.top.map(({ logprob }) => logprob) ?? []),
        });
        assert.equal(newTokens[0].length, 1);
        return first;
      };
      let first: number[] = [];
      assert.deepEqual(await firstOf(), await firstOf(dtype), name);
      if (name !== 'dense') continue;
      assert.notDeepEqual(await firstOf(), await firstOf('q8'), 'codes round');
    }
  });

  test('a model that is not quantized generates by codes only where told; a batch does the same', async (t) => {
    const model = await modelOf(t, 'mistral');
    const options = { inputIds: [PROMPTS[2]], maxNewTokens: 12, eosTokenId: null };
    const exact = await generate(model, options);
    assert.deepEqual((await generate(model, { ...options, dtype: 'float32' })).newTokens, exact.newTokens);
    const batch = new ContinuousBatch(model);
    const coded = await batch.generate({ ...options, dtype: 'q8' });
    await batch.close();
    assert.deepEqual(coded.newTokens, (await generate(model, { ...options, dtype: 'q8' })).newTokens);
    await assert.rejects(generate(model, { ...options, dtype: 'q4' as never }), /dtype/);
  });

  test('DoRA and other engines compute with the weights themselves, and say so once', async (t) => {
    const model = await modelOf(t, 'gpt2');
    const told: string[] = [];
    t.mock.method(console, 'warn', (line: string) => told.push(line));
    assert.equal(codesRefusal(model.runtime), undefined);
    const peft = getPeftModel(model, new LoraConfig({ r: 2, useDora: true, targetModules: ['c_attn'] }));
    for (let i = 0; i < 2; i++)
      assert.ok(distance(await logitsOf(peft, true), await logitsOf(peft, false)) < 1e-4);
    const eager = await AutoModelForCausalLM.fromConfig(CONFIGS.gpt2, { engine: { kind: 'eager' } });
    t.after(() => eager.dispose());
    await logitsOf(eager, true);
    const line = 'generate: tokens are computed in float32, not by codes: ';
    assert.deepEqual(told, [
      `${line}DoRA needs the weights' own values.`,
      `${line}codes are multiplied on the CPU only, not by eager:cpu.`,
    ]);
  });
});
