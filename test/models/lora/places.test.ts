/** Adapters elsewhere than in a block's usual modules, or of ranks that differ, against peft. */
import assert from 'node:assert/strict';
import { promises as fs, readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { openSafetensors } from '../../../lib/checkpoint';
import type { SafetensorsFile } from '../../../lib/checkpoint';
import type { EngineOptions } from '../../../lib/engine';
import { allocateGradients, countLabels, forwardBackward, LoraConfig } from '../../../lib/models';
import type { LoraOptions } from '../../../lib/models';
import {
  AutoModelForCausalLM,
  getPeftModel,
  loadAdapter,
  mergeAndUnload,
  saveAdapter,
} from '../../../lib/pretrained';
import type { CausalLM } from '../../../lib/pretrained';
import { assertClose } from '../../support/assert-close';
import { isError } from '../../support/refusals';
import { temporaryFolder } from '../../support/temporary-folder';
import {
  adamLosses,
  assertGradients,
  GOLDEN,
  goldenBatch,
  goldenRun,
  loadBase,
  readGolden,
} from '../families/golden-run';

interface Variant {
  base: 'gpt2' | 'mistral';
  loss: number;
  losses: number[];
  printed: string;
}
const { variants } = readGolden('lora/golden-places.json') as { variants: Record<string, Variant> };
const logitsOf = async (model: CausalLM, { inputIds }: { inputIds: number[][] }): Promise<Float32Array> =>
  (await model.forward({ inputIds })).logits.data.slice();
const WITHIN = { absolute: 1e-4, relative: 0 };

describe('adapters in other places, as peft computes them', () => {
  let values: SafetensorsFile;
  before(async () => (values = await openSafetensors(path.join(GOLDEN, 'lora/golden-places.safetensors'))));
  after(() => values.close());

  for (const [name, variant] of Object.entries(variants)) {
    const folder = path.join(GOLDEN, 'lora', name);
    const run = goldenRun(variant.base);
    const firstRow = { inputIds: [run.inputIds[0]] };
    const load = async (t: TestContext, engine?: EngineOptions): Promise<CausalLM> => {
      t.mock.method(console, 'warn', () => {});
      const model = await loadAdapter(await loadBase(variant.base, { engine }), folder);
      t.after(() => model.dispose());
      return model;
    };

    for (const kind of ['compiled', 'eager'] as const) {
      it(`${name}: logits, gradients, losses (${kind})`, async (t) => {
        const model = await load(t, { kind });
        const lines: unknown[] = [];
        t.mock.method(console, 'log', (line: unknown) => lines.push(line));
        model.printTrainableParameters();
        assert.deepEqual(lines, [variant.printed]);
        assertClose(await logitsOf(model, firstRow), await values.read(`${name}.logits`), WITHIN, 'logits');
        const { adapter } = model;
        assert.ok(adapter !== undefined);
        const batch = goldenBatch(run);
        const gradients = allocateGradients(model.trainableParameters());
        const goldenName = (own: string): string => `${name}.grad.${adapter.storedName(own)}`;
        const isCompiled = kind === 'compiled';
        for (const gradientCheckpointing of isCompiled ? [true, false] : [true]) {
          gradients.flat.fill(NaN);
          const request = { batch, lossScale: 1 / countLabels(batch), gradientCheckpointing };
          const loss = await forwardBackward(model, gradients, { ...request, accumulate: false });
          assert.ok(Math.abs(loss - variant.loss) < 1e-5, `loss ${loss}`);
          await assertGradients(gradients, values, goldenName);
          if (!isCompiled) return;
          // Twice the half is the whole.
          for (const accumulate of [false, true])
            await forwardBackward(model, gradients, {
              ...request,
              lossScale: request.lossScale / 2,
              accumulate,
            });
          await assertGradients(gradients, values, goldenName);
        }
        const losses = await adamLosses(model, batch, 3, 0);
        assertClose(losses, variant.losses, { absolute: 1e-3, relative: 0 }, 'losses');
      });
    }

    it(`${name}: tokens with a cache are those without, and those of the logits`, async (t) => {
      const model = await load(t);
      const inputIds = [run.inputIds[0].slice(0, 9)];
      const { data, shape } = (await model.forward({ inputIds })).logits;
      const last = [...data.subarray(data.length - shape[2])];
      const request = { inputIds, maxNewTokens: 5, doSample: false, eosTokenId: [] };
      const cached = await model.generate({ ...request, useCache: true });
      assert.deepEqual(cached, await model.generate({ ...request, useCache: false }));
      assert.equal(cached.sequences[0][9], last.indexOf(Math.max(...last)));
    });

    it(`${name}: saved with peft's names and values`, async (t) => {
      const model = await load(t);
      const saved = await temporaryFolder(t);
      await saveAdapter(model, saved);
      const [ours, theirs] = await Promise.all(
        [saved, folder].map((f) => openSafetensors(path.join(f, 'adapter_model.safetensors'))),
      );
      t.after(() => Promise.all([ours.close(), theirs.close()]));
      // PEFT repeats the base's tables where it saves any; what it loads from them is in the base here.
      const isRepeated = (tensor: string): boolean =>
        /(base_layer|modules_to_save|original_module)\.weight$/.test(tensor) ||
        tensor.endsWith('lm_head.weight');
      const left = theirs.names.filter((tensor) => !ours.names.includes(tensor));
      assert.deepEqual(
        left.filter((tensor) => !isRepeated(tensor)),
        [],
      );
      for (const tensor of ours.names) assert.deepEqual(await ours.read(tensor), await theirs.read(tensor));
      const configOf = (f: string): Record<string, unknown> =>
        JSON.parse(readFileSync(path.join(f, 'adapter_config.json'), 'utf8')) as Record<string, unknown>;
      const [config, wanted] = [configOf(saved), configOf(folder)];
      for (const key of Object.keys(config).filter((key) => key !== 'base_model_name_or_path')) {
        const sorted = (value: unknown): unknown => (Array.isArray(value) ? [...value].sort() : value);
        assert.deepEqual(sorted(config[key]), sorted(wanted[key]), key);
      }
      const again = await loadAdapter(await loadBase(variant.base), saved);
      t.after(() => again.dispose());
      assert.deepEqual(await logitsOf(again, firstRow), await logitsOf(model, firstRow));
    });

    it(`${name}: merged, or refused where the sum is no such model`, async (t) => {
      const model = await load(t);
      const apart = await logitsOf(model, firstRow);
      const isApart = /^gpt2-(embedding|head|save-embedding|save-head)$|lora-bias/.test(name);
      if (isApart) return assert.throws(() => mergeAndUnload(model), isError('mergeAndUnload', 'Keep base'));
      mergeAndUnload(model);
      assert.deepEqual(model.adapterNames, []);
      assertClose(await logitsOf(model, firstRow), apart, WITHIN, 'logits');
    });
  }
});

describe('a new adapter', () => {
  const fresh: readonly (readonly ['gpt2' | 'mistral', LoraOptions])[] = [
    ['gpt2', { trainableTokenIndices: [64, 5], modulesToSave: ['ln_f'] }],
    ['gpt2', { targetModules: ['wte', 'lm_head', 'c_fc'], bias: 'all' }],
    ['gpt2', { modulesToSave: ['wte', 'lm_head'] }],
    ['mistral', { trainableTokenIndices: { embed_tokens: [71, 9], lm_head: [7, 71, 90] }, loraBias: true }],
    ['mistral', { targetModules: ['lm_head', 'q_proj'], useDora: true, useRslora: true }],
  ];
  for (const [base, options] of fresh)
    it(`changes nothing: ${base} ${JSON.stringify(options)}`, async (t) => {
      const model = await loadBase(base, { engine: { kind: 'eager' } });
      t.after(() => model.dispose());
      const inputIds = [[71, 9, 64, 5, 7, 90]];
      const before = await logitsOf(model, { inputIds });
      getPeftModel(model, new LoraConfig(options));
      assertClose(await logitsOf(model, { inputIds }), before, { absolute: 1e-5, relative: 0 }, 'logits');
    });
});

describe('adapters and the vocabulary', () => {
  it('new rows are the mean of the others; the model is saved and loaded with them', async (t) => {
    for (const [base, dtype] of [
      ['gpt2', undefined],
      ['mistral', undefined],
    ] as const) {
      const model = await loadBase(base, { dtype });
      const before = await logitsOf(model, { inputIds: [[1, 2, 3]] });
      const parameters = model.numParameters();
      await model.resizeTokenEmbeddings(99);
      const tables = base === 'gpt2' ? 1 : 2;
      assert.equal(model.numParameters(), parameters + tables * 2 * 32);
      const after = await model.forward({ inputIds: [[1, 2, 3]] });
      assert.deepEqual(after.logits.shape, [1, 3, 99]);
      const row = (values: Float32Array, size: number): Float32Array => values.slice(0, size);
      assertClose(row(after.logits.data, 97), row(before, 97), { absolute: 1e-6, relative: 0 }, 'old tokens');
      // The mean row of a linear head gives the mean logit.
      const mean = row(before, 97).reduce((sum, value) => sum + value, 0) / 97;
      assertClose([...after.logits.data.slice(97, 99)], [mean, mean], WITHIN, 'new tokens');
      assert.equal(model.config.vocab_size, 99);
      const folder = await temporaryFolder(t);
      await model.savePretrained(folder);
      const again = await AutoModelForCausalLM.fromPretrained(folder);
      t.after(() => Promise.all([again.dispose(), model.dispose()]));
      assert.deepEqual(
        await logitsOf(again, { inputIds: [[98, 2]] }),
        await logitsOf(model, { inputIds: [[98, 2]] }),
      );
      getPeftModel(model, new LoraConfig({}));
      await assert.rejects(model.resizeTokenEmbeddings(100), isError('without adapters', 'default'));
    }
  });

  it('tables of 16 bits are resized where they are', async (t) => {
    const model = await loadBase('mistral');
    const folder = await temporaryFolder(t);
    await model.savePretrained(folder, { dtype: 'BF16' });
    const small = await AutoModelForCausalLM.fromPretrained(folder, { dtype: 'auto' });
    t.after(() => Promise.all([model.dispose(), small.dispose()]));
    const parameters = small.numParameters();
    const before = await logitsOf(small, { inputIds: [[1, 2, 3]] });
    await small.resizeTokenEmbeddings(99);
    assert.equal(small.numParameters(), parameters + 2 * 2 * 32);
    const { logits } = await small.forward({ inputIds: [[1, 2, 3]] });
    assert.deepEqual(logits.data.slice(0, 97), before.slice(0, 97));
    // An adapter on a head of 16 bits: whole in training, by tiles in a forward pass.
    getPeftModel(small, new LoraConfig({ targetModules: ['lm_head'], r: 2 }));
    small.trainableParameters().forEach(({ data }) => data.forEach((_, i) => (data[i] = Math.sin(i) / 9)));
    const labels = [[1, 2, 3, 98, 4]];
    const batch = goldenBatch({ inputIds: labels, attentionMask: [[1, 1, 1, 1, 1]], labels });
    const gradients = allocateGradients(small.trainableParameters());
    const request = { batch, lossScale: 1 / 4, accumulate: false, gradientCheckpointing: true };
    const loss = await forwardBackward(small, gradients, request);
    const forward = await small.forward({ inputIds: labels, labels });
    assert.ok(Math.abs(loss - (forward.loss ?? NaN)) < 1e-5, `${loss} and ${forward.loss}`);
  });

  it('an adapter of another vocabulary beside others is refused', async (t) => {
    const model = getPeftModel(await loadBase('gpt2'), new LoraConfig({}), { adapterName: 'first' });
    t.after(() => model.dispose());
    await assert.rejects(
      loadAdapter(model, path.join(GOLDEN, 'lora/gpt2-resized'), 'second'),
      isError('97', '99', 'deleteAdapter'),
    );
    assert.equal(model.architecture.vocabSize, 97);
  });

  it('dropout in front of a head’s adapter: compiled equals eager', async (t) => {
    const run = goldenRun('mistral');
    const batch = goldenBatch(run);
    const results: Float32Array[] = [];
    for (const kind of ['compiled', 'eager'] as const) {
      const options = { targetModules: ['lm_head'], loraDropout: 0.4, seed: 3 };
      const model = getPeftModel(await loadBase('mistral', { engine: { kind } }), new LoraConfig(options));
      t.after(() => model.dispose());
      const gradients = allocateGradients(model.trainableParameters());
      const request = { batch, lossScale: 1, accumulate: false, gradientCheckpointing: true };
      await forwardBackward(model, gradients, { ...request, dropout: { seed: 1, step: 2 } });
      results.push(gradients.flat.slice());
      await forwardBackward(model, gradients, request);
      assert.notDeepEqual(gradients.flat, results.at(-1));
    }
    assertClose(results[0], results[1], { absolute: 1e-3, relative: 1e-3 }, 'gradients');
  });
});

describe('adapter_config.json', () => {
  const withKeys = async (t: TestContext, keys: object, from = 'mistral/adapter'): Promise<string> => {
    const folder = await temporaryFolder(t);
    await fs.cp(path.join(GOLDEN, from), folder, { recursive: true });
    const file = path.join(folder, 'adapter_config.json');
    const config = JSON.parse(await fs.readFile(file, 'utf8')) as object;
    await fs.writeFile(file, JSON.stringify({ ...config, ...keys }));
    return folder;
  };

  for (const fill of [
    'pissa',
    'pissa_niter_16',
    'olora',
    'corda',
    'loftq',
    'lora_ga',
    'mica',
    'of the future',
  ]) {
    it(`init_lora_weights ${fill} is refused by name`, async (t) => {
      const model = await loadBase('mistral');
      t.after(() => model.dispose());
      const folder = await withKeys(t, { init_lora_weights: fill });
      await assert.rejects(loadAdapter(model, folder), isError('adapter_config.json', fill, 'Convert'));
      assert.deepEqual(model.adapterNames, []);
    });
  }

  for (const [key, value] of [
    ['use_qalora', true],
    ['alora_invocation_tokens', [1, 2]],
    ['layer_replication', [[0, 1]]],
    ['target_parameters', ['mlp.experts']],
    ['arrow_config', { top_k: 2 }],
    ['kasa_config', { beta: 1 }],
    ['use_bdlora', { nblocks: 2 }],
    ['a_key_of_the_future', 3],
  ] as const) {
    it(`${key} is refused, and passes where it is not in use`, async (t) => {
      const model = await loadBase('mistral');
      t.after(() => model.dispose());
      await assert.rejects(loadAdapter(model, await withKeys(t, { [key]: value })), isError(key));
      await loadAdapter(model, await withKeys(t, { [key]: null }));
    });
  }

  it('harmless keys and fills, empty lists and names of other models pass', async (t) => {
    const model = await loadBase('mistral');
    t.after(() => model.dispose());
    const run = goldenRun('mistral');
    const plain = await logitsOf(await loadAdapter(model, path.join(GOLDEN, 'mistral/adapter')), run);
    for (const keys of [
      { init_lora_weights: 'gaussian', exclude_modules: [], layers_to_transform: [], layers_pattern: [] },
      {
        init_lora_weights: 'eva',
        eva_config: { rho: 2 },
        modules_to_save: [],
        trainable_token_indices: null,
      },
      { init_lora_weights: 'orthogonal', ensure_weight_tying: true, runtime_config: { ephemeral: true } },
      { target_modules: ['q_proj', 'v_proj', 'query_key_value'], peft_version: '0.99', revision: 'main' },
      { layers_to_transform: [0, 1], layers_pattern: 'layers', exclude_modules: 'model.nothing' },
    ]) {
      const again = await loadAdapter(model, await withKeys(t, keys));
      assert.deepEqual(await logitsOf(again, run), plain, JSON.stringify(keys));
    }
  });

  it('only an adapter none of whose modules exist was made for another base model', async (t) => {
    const model = await loadBase('mistral');
    t.after(() => model.dispose());
    await assert.rejects(
      loadAdapter(model, await withKeys(t, { target_modules: ['c_attn'] })),
      isError('made for another base model', 'c_attn'),
    );
    await assert.rejects(
      loadAdapter(model, await withKeys(t, { layers_to_transform: [7] })),
      (error: unknown) =>
        isError('layers from 0 to 1', 'got 7')(error) && !/another base/.test(String(error)),
    );
    await assert.rejects(
      loadAdapter(model, await withKeys(t, { layers_to_transform: [0], layers_pattern: 'blocks' })),
      isError('layers_pattern', "'layers'", 'blocks'),
    );
  });
});

describe('impossible configurations', () => {
  for (const [what, options, words] of [
    ['DoRA on the embedding', { targetModules: ['wte'], useDora: true }, ['useDora', 'wte']],
    ['LoRA on positions', { targetModules: ['wpe', 'c_attn'] }, ['wpe']],
    ['a bias on DoRA', { useDora: true, loraBias: true }, ['loraBias or useDora']],
    [
      'a token beyond the table',
      { trainableTokenIndices: [3, 97] },
      ['below 97', '97', 'resizeTokenEmbeddings'],
    ],
    ['tokens of another module', { trainableTokenIndices: { ln_f: [1] } }, ['wte or lm_head', 'ln_f']],
    ['two kinds of tied tokens', { trainableTokenIndices: { wte: [1], lm_head: [2] } }, ['the same ids']],
    [
      'tokens of a table that is trained whole',
      { trainableTokenIndices: [1], modulesToSave: ['wte'] },
      ['wte'],
    ],
    ['the end of a name alone', { targetModules: ['c_attn', 'proj'] }, ['got proj, which matches nothing']],
    ['everything excluded', { excludeModules: ['c_attn'] }, ['not excluded']],
  ] as const) {
    it(what, async (t) => {
      const model = await loadBase('gpt2');
      t.after(() => model.dispose());
      assert.throws(() => getPeftModel(model, new LoraConfig(options as LoraOptions)), isError(...words));
    });
  }
});
