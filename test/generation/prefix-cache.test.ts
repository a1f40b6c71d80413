/** Prompts that begin alike: what they share is computed once, and nothing else changes. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { TestContext } from 'node:test';
import { ContinuousBatch, generate } from '../../lib/generation';
import { cachedDecoder } from '../../lib/generation/decoders/cached-decoder';
import { CachedDecoder, UncachedDecoder } from '../../lib/generation/decoders/decoder';
import type { Decoder } from '../../lib/generation/decoders/decoder';
import { PrefixCache, sharedBeginning } from '../../lib/generation/decoders/prefix-cache';
import { createRandom } from '../../lib/random';
import { LoraConfig } from '../../lib/models';
import { AutoModelForCausalLM, getPeftModel } from '../../lib/pretrained';
import type { CausalLM } from '../../lib/pretrained';

const SIZES = { vocab_size: 60, initializer_range: 0.1 };
const CONFIGS = {
  gpt2: { model_type: 'gpt2', n_positions: 200, n_embd: 32, n_layer: 2, n_head: 2, ...SIZES },
  // A window that is shorter than what is shared.
  mistral: {
    ...{ model_type: 'mistral', max_position_embeddings: 200, hidden_size: 32, intermediate_size: 48 },
    ...{ num_hidden_layers: 2, num_attention_heads: 4, num_key_value_heads: 2, sliding_window: 20, ...SIZES },
  },
  // Rotary tables that depend on the length.
  llama: {
    ...{ model_type: 'llama', max_position_embeddings: 64, hidden_size: 32, intermediate_size: 48 },
    ...{ num_hidden_layers: 2, num_attention_heads: 4, num_key_value_heads: 2, ...SIZES },
    rope_scaling: { rope_type: 'dynamic', factor: 2 },
  },
};

const prompt = (length: number, seed: number): number[] =>
  Array.from({ length }, (_, i) => (i * 17 + seed * (i + 3)) % 60);
const BEGINNING = prompt(70, 5);
/** Three prompts that have 70 tokens alike, of which 64 are whole pieces. */
const PROMPTS = [1, 2, 3].map((seed) => [...BEGINNING, ...prompt(4 * seed, seed)]);

async function modelOf(t: TestContext, config: keyof typeof CONFIGS): Promise<CausalLM> {
  const model = await AutoModelForCausalLM.fromConfig(CONFIGS[config], {
    engine: { provider: 'cpu', threads: 1 },
  });
  t.after(() => model.dispose());
  return model;
}

function assertNear(actual: Float32Array, expected: Float32Array, tolerance: number): void {
  assert.equal(actual.length, expected.length);
  const worst = expected.reduce((most, value, i) => Math.max(most, Math.abs(value - actual[i])), 0);
  assert.ok(worst < tolerance, `${worst}`);
}

describe('prompts of one call', () => {
  test('share a beginning of whole pieces where that saves enough', () => {
    assert.equal(sharedBeginning(PROMPTS).length, 64);
    assert.equal(sharedBeginning([PROMPTS[0]]).length, 0, 'a prompt shares nothing with itself');
    assert.equal(sharedBeginning([prompt(40, 1), prompt(40, 1)]).length, 0, '32 tokens once are too few');
    assert.equal(sharedBeginning([1, 2, 3].map(() => prompt(33, 1))).length, 32);
    assert.equal(sharedBeginning([1, 2, 3].map(() => prompt(32, 1))).length, 0, 'each has a token more');
    const short = [1, 2, 3].map(() => prompt(32, 1));
    assert.equal(sharedBeginning([prompt(64, 1), ...short]).length, 0, 'the shorter ones as well');
    assert.equal(sharedBeginning([prompt(99, 1), prompt(99, 1), [7, ...prompt(98, 1)]]).length, 0);
  });

  for (const config of ['gpt2', 'mistral', 'llama'] as const)
    for (const isCoded of config === 'llama' ? [false] : [false, true])
      test(`${config}, ${isCoded ? 'by codes' : 'exactly'}: logits and further steps are those of whole prompts`, async (t) => {
        const { runtime } = await modelOf(t, config);
        const prompts = config === 'llama' ? PROMPTS.map((each) => each.slice(0, 60)) : PROMPTS;
        const options = { prompts, longest: 120, isCoded };
        const whole: Decoder = isCoded
          ? new CachedDecoder(runtime, { ...options, isWhole: true })
          : new UncachedDecoder(runtime, prompts);
        const shared = cachedDecoder(runtime, options);
        const tolerance = isCoded ? 0.02 : 1e-5;
        assertNear(await shared.start(), await whole.start(), tolerance);
        for (let step = 0; step < 25; step++) {
          const tokens = [1, 2, 3].map((row) => (row * 11 + step) % 60);
          assertNear(await shared.step(tokens), await whole.step(tokens), tolerance);
        }
        shared.end?.();
        whole.end?.();
      });
});

describe('prompts of calls that follow each other', () => {
  test('go on where an earlier one ended, with the same tokens; another adapter shares nothing', async (t) => {
    const model = await modelOf(t, 'mistral');
    getPeftModel(model, new LoraConfig({ r: 2, targetModules: ['q_proj', 'v_proj'] }), {
      adapterName: 'own',
    });
    model.runtime.weights.adapter?.parameters.flat.forEach(
      (_, i, all) => (all[i] = ((i * 37) % 19) / 40 - 0.2),
    );
    const turns = [PROMPTS[0], [...PROMPTS[0], ...prompt(40, 8)], [...PROMPTS[0], ...prompt(40, 8), 3, 1, 4]];
    const calls = turns.map((inputIds) => ({ inputIds: [inputIds], maxNewTokens: 6, eosTokenId: null }));
    const answers = async (): Promise<number[][][]> => {
      const all = [];
      for (const call of calls) all.push((await generate(model, call)).newTokens);
      return all;
    };
    const adapted = await answers();
    model.disableAdapters();
    const plain = await answers();
    assert.notDeepEqual(adapted, plain);
    const batch = new ContinuousBatch(model, { prefixCacheBytes: 1e6 });
    t.after(() => batch.close());
    const reused: number[] = [];
    for (const adapter of [undefined, 'own', undefined])
      for (const [turn, call] of calls.entries()) {
        const before = batch.counts.reusedTokens;
        const { newTokens } = await batch.generate({ ...call, adapter });
        reused.push(batch.counts.reusedTokens - before);
        assert.deepEqual(newTokens, (adapter === undefined ? plain : adapted)[turn]);
      }
    assert.deepEqual(reused, [0, 64, 96, 0, 64, 96, 64, 96, 96]);
  });

  for (const dtype of ['float32', 'q8'] as const)
    test(`of weights that have become others are forgotten, ${dtype}`, async (t) => {
      const [model, twin] = [await modelOf(t, 'gpt2'), await modelOf(t, 'gpt2')];
      const batch = new ContinuousBatch(model, { prefixCacheBytes: 1e6 });
      t.after(() => batch.close());
      const train = (one: CausalLM, seed: number): void => {
        const random = createRandom('others', seed);
        for (const { data } of one.trainableParameters())
          for (let i = 0; i < data.length; i++) data[i] += 0.3 * random.nextNormal();
      };
      const put = (one: CausalLM, seed: number): void => {
        const config = new LoraConfig({ r: 2, targetModules: ['c_attn', 'c_fc'] });
        getPeftModel(one, config, { adapterName: 'a' });
        train(one, seed);
      };
      const turned = (one: CausalLM): void => {
        const name = 'h.0.mlp.c_proj.weight';
        one.weights.setParameter(name, one.weights.parameter(name).data.slice().reverse());
      };
      const changes: [string, (one: CausalLM) => void][] = [
        ['as they were', () => undefined],
        ['all parameters trained', (one) => train(one, 3)],
        ['a parameter set', turned],
        ['an adapter', (one) => put(one, 1)],
        ['another adapter of its name', (one) => put(one, 2)],
        ['the adapter trained', (one) => train(one, 5)],
      ];
      const call = { inputIds: [PROMPTS[0]], maxNewTokens: 12, eosTokenId: null, dtype };
      const answers: string[] = [];
      for (const [what, change] of changes) {
        change(model);
        change(twin);
        const before = batch.counts.reusedTokens;
        const request = { ...call, adapter: model.activeAdapter };
        const { newTokens } = await batch.generate(request);
        assert.equal(batch.counts.reusedTokens, before, what);
        assert.deepEqual(newTokens, (await generate(twin, call)).newTokens, what);
        assert.deepEqual((await batch.generate(request)).newTokens, newTokens, what);
        assert.equal(batch.counts.reusedTokens, before + 64, `${what}: asked again`);
        answers.push(newTokens.join());
      }
      assert.equal(new Set(answers).size, changes.length, 'every change was one of the answer');
    });

  test('are kept as far as memory goes, those that were read last', () => {
    const layers = (length: number): { key: Tokens; value: Tokens }[] => [
      {
        key: { data: new Float32Array(length), shape: [1, 1, length, 1] },
        value: { data: new Float32Array(length), shape: [1, 1, length, 1] },
      },
    ];
    const cache = new PrefixCache(3 * 40 * 8);
    const known = cache.of('weights');
    const all = [1, 2, 3, 4].map((seed) => prompt(40, seed));
    for (const each of all) known.add(each, layers(40));
    assert.deepEqual(
      all.map((each) => known.find([...each, 1])?.length),
      [undefined, 32, 32, 32],
    );
    assert.equal(known.find(all[1])?.length, 32);
    known.add([...all[1], ...prompt(20, 9)], layers(60)); // in the place of what it continues
    assert.equal(known.find([...all[1], ...prompt(20, 9), 1])?.length, 32);
    assert.equal(cache.of('others').find(all[3]), undefined);
    known.add(prompt(31, 7), layers(31));
    assert.equal(known.find([...prompt(31, 7), 1]), undefined, 'shorter than a piece');
  });
});

type Tokens = { data: Float32Array; shape: number[] };
