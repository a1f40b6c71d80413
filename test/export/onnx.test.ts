/**
 * ONNX files against PyTorch's numbers: logits, left-padded batches by steps, a window shorter than the prompt, adapters
 * merged into plain and into quantized weights; weights beside the file; what is refused.
 */
import assert from 'node:assert/strict';
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { before, describe, test } from 'node:test';
import type { TestContext } from 'node:test';
import { openSafetensors } from '../../lib/checkpoint';
import { exportOnnx } from '../../lib/export';
import { toBlocks } from '../../lib/export/onnx/graph/blocks';
import { formOf, onnxVariants } from '../../lib/export/onnx/onnx-types';
import type { OnnxTarget, OnnxVariant } from '../../lib/export/onnx/onnx-types';
import { WrittenModel } from '../../lib/export/onnx/written-model';
import { architectureOf, gpt2, registerFamily } from '../../lib/models';
import type { Architecture } from '../../lib/models';
import { AutoModelForCausalLM, savePretrained } from '../../lib/pretrained';
import { AutoTokenizer } from '../../lib/tokenizer';
import { goldenRun, readGolden } from '../models/families/golden-run';
import { assertClose } from '../support/assert-close';
import { fewTokens } from '../support/few-tokens';
import { isError } from '../support/refusals';
import { temporaryFolder } from '../support/temporary-folder';

process.env.TUNEBOOK_PROVIDER = 'cpu';

const golden = (...names: string[]): string => path.join('test/golden', ...names);

interface Written {
  readonly folder: string;
  readonly model: WrittenModel;
}

/** Of the models in test/golden. */
const ROWS = 97;

/** Exports a folder in one type and opens what was written. */
async function written(
  t: TestContext,
  from: string,
  options: Parameters<typeof exportOnnx>[2] & { file?: string } = {},
): Promise<Written> {
  const folder = await temporaryFolder(t);
  const { file = 'model.onnx', ...given } = options;
  const tokenizer = await fewTokens(t, ROWS);
  await exportOnnx(from, folder, { dtypes: ['fp32'], check: false, tokenizer, ...given });
  const config = JSON.parse(await fs.readFile(path.join(folder, 'config.json'), 'utf8')) as Record<
    string,
    unknown
  >;
  delete config['transformers.js_config'];
  const model = await WrittenModel.open(path.join(folder, 'onnx', file), architectureOf(config));
  t.after(() => model.dispose());
  return { folder, model };
}

describe('logits equal PyTorch’s within 1e-4', () => {
  const cases: readonly {
    title: string;
    family: string;
    values: string;
    from?: string;
    adapter?: boolean;
  }[] = [
    { title: 'GPT-2', family: 'gpt2', values: 'logits' },
    { title: 'Mistral, 17 tokens on a window of 8', family: 'mistral', values: 'logits' },
    { title: 'GPT-2 with LoRA', family: 'gpt2', values: 'lora.logits', adapter: true },
    { title: 'Mistral with LoRA', family: 'mistral', values: 'lora.logits', adapter: true },
    { title: 'Mistral in NF4', family: 'mistral', values: 'nf4.logits', from: 'model-nf4' },
    {
      ...{ title: 'QLoRA: the adapter on the restored weights that it was trained on', family: 'mistral' },
      ...{ values: 'nf4Lora.logits', from: 'model-nf4', adapter: true },
    },
  ];
  for (const { title, family, values, from = 'model', adapter } of cases) {
    test(title, async (t) => {
      const { model } = await written(t, golden(family, from), {
        ...(adapter === true ? { adapter: golden(family, 'adapter') } : {}),
      });
      const file = await openSafetensors(golden(family, 'golden.safetensors'));
      t.after(() => file.close());
      assertClose(
        await model.logits(goldenRun(family)),
        await file.read(values),
        { absolute: 1e-4, relative: 1e-4 },
        values,
      );
    });
  }
});

interface GoldenGeneration {
  readonly generation: {
    readonly padTokenId: number;
    readonly prompts: number[][];
    readonly greedy: { readonly newTokens: number[][] };
  };
}

describe('left-padded prompts in one batch, token by token, give PyTorch’s tokens', () => {
  for (const family of ['gpt2', 'mistral']) {
    for (const target of ['transformers.js', 'transformers.js-2'] as const) {
      test(`${family} for ${target}`, async (t) => {
        const { generation } = readGolden(`${family}/golden.json`) as GoldenGeneration;
        const file = target === 'transformers.js' ? 'model.onnx' : 'decoder_model_merged.onnx';
        const { model } = await written(t, golden(family, 'model'), { target, file });
        const longest = Math.max(...generation.prompts.map(({ length }) => length));
        const padding = generation.prompts.map(({ length }) => Array<number>(longest - length));
        const options = { maxNewTokens: generation.greedy.newTokens[0].length, endTokens: [] };
        const together = await model.greedy(
          {
            inputIds: generation.prompts.map((row, b) => [...padding[b].fill(generation.padTokenId), ...row]),
            attentionMask: generation.prompts.map((row, b) => [
              ...padding[b].map(() => 0),
              ...row.map(() => 1),
            ]),
          },
          options,
        );
        assert.deepEqual(together, generation.greedy.newTokens);
        for (const [b, prompt] of generation.prompts.entries()) {
          assert.deepEqual(await model.greedy({ inputIds: [prompt] }, options), [together[b]]);
        }
      });
    }
  }
});

test('the built-in models: fp32 within 1e-5 of forward(), on a prompt longer than the window too', async (t) => {
  const model = await AutoModelForCausalLM.fromPretrained('mistral-mini');
  t.after(() => model.dispose());
  assert.equal(model.architecture.layerKinds[0].slidingWindow, 512);
  const { model: onnx } = await written(t, 'mistral-mini');
  const ids = Array.from({ length: 530 }, (_, i) => 3 + ((i * 7919) % 30000));
  const { logits } = await model.forward({ inputIds: [ids] });
  const V = model.architecture.vocabSize;
  const last = 4;
  const wanted = logits.data.subarray((ids.length - last) * V);
  assertClose(
    await onnx.logits({ inputIds: [ids] }, last),
    wanted,
    { absolute: 1e-5, relative: 0 },
    'logits beyond the window',
  );
  const short = ids.slice(0, 24);
  const all = await model.forward({ inputIds: [short] });
  assertClose(
    await onnx.logits({ inputIds: [short] }),
    all.logits.data,
    { absolute: 1e-5, relative: 0 },
    'logits',
  );
});

test('rotary tables beyond those in the file: fp32 within 1e-5 of forward(), on both sides of the border', async (t) => {
  const model = await AutoModelForCausalLM.fromConfig({
    ...{
      model_type: 'llama',
      vocab_size: ROWS,
      hidden_size: 16,
      intermediate_size: 16,
      num_hidden_layers: 1,
    },
    ...{ num_attention_heads: 1, num_key_value_heads: 1, max_position_embeddings: 8192, rope_theta: 10000 },
  });
  t.after(() => model.dispose());
  // Weights large enough that attention follows the positions.
  model.trainableParameters().forEach(({ data }) => data.forEach((value, i) => (data[i] = 30 * value)));
  const folder = await temporaryFolder(t);
  await savePretrained(model, folder);
  const { model: onnx } = await written(t, folder);
  const ids = Array.from({ length: 4100 }, (_, i) => 3 + ((i * 7919) % (ROWS - 3)));
  const { logits } = await model.forward({ inputIds: [ids] });
  const last = 8; // the file has the tables of 4,096 positions
  const wanted = logits.data.subarray((ids.length - last) * ROWS);
  const size = Math.sqrt(wanted.reduce((sum, x) => sum + x * x, 0) / wanted.length);
  assertClose(
    await onnx.logits({ inputIds: [ids] }, last),
    wanted,
    { absolute: 1e-5 * size, relative: 0 },
    'logits across the border',
  );
});

test('weights over the size limit are stored beside the file, and are removed with it', async (t) => {
  const maxFileBytes = 40_000;
  const { folder, model } = await written(t, golden('gpt2', 'model'), { maxFileBytes });
  const names = async (): Promise<string[]> => (await fs.readdir(path.join(folder, 'onnx'))).sort();
  const parts = ['', '_1', '_2', '_3', '_4', '_5'].map((suffix) => `model.onnx_data${suffix}`);
  const listed = await names();
  const data = listed.filter((name) => name.includes('_data'));
  assert.ok(data.length > 2, listed.join());
  assert.deepEqual(data, parts.slice(0, data.length));
  for (const name of data)
    assert.ok((await fs.stat(path.join(folder, 'onnx', name))).size <= maxFileBytes, name);
  const config = JSON.parse(await fs.readFile(path.join(folder, 'config.json'), 'utf8')) as Record<
    string,
    unknown
  >;
  assert.deepEqual(config['transformers.js_config'], {
    use_external_data_format: { 'model.onnx': data.length },
  });
  const file = await openSafetensors(golden('gpt2', 'golden.safetensors'));
  t.after(() => file.close());
  const wanted = await file.read('logits');
  assertClose(await model.logits(goldenRun('gpt2')), wanted, { absolute: 1e-4, relative: 1e-4 }, 'logits');
  // Another type beside it keeps what config.json says; the same type in one file takes it back.
  const again = { check: false, tokenizer: await fewTokens(t, ROWS) } as const;
  await exportOnnx(golden('gpt2', 'model'), folder, { ...again, dtypes: ['q8'] });
  const both = JSON.parse(await fs.readFile(path.join(folder, 'config.json'), 'utf8')) as object;
  assert.deepEqual(Object.entries(both).at(-1), Object.entries(config).at(-1));
  await exportOnnx(golden('gpt2', 'model'), folder, { ...again, dtypes: ['fp32'] });
  assert.deepEqual(await names(), ['model.onnx', 'model_quantized.onnx']);
  const one = JSON.parse(await fs.readFile(path.join(folder, 'config.json'), 'utf8')) as object;
  assert.ok(!('transformers.js_config' in one));
});

test('blocks: the largest weight is exact, the others within half a step', () => {
  const values = Float32Array.from({ length: 64 }, (_, i) => (i < 32 ? Math.sin(i) * 0.4 : 0));
  values[5] = -0.8;
  for (const [bits, middle] of [
    [4, 8],
    [8, 128],
  ] as const) {
    const { codes, scales } = toBlocks(values, bits);
    assert.deepEqual([...scales], [Math.fround(0.8 / middle), 0]);
    const code = (i: number): number => (bits === 8 ? codes[i] : (codes[i >> 1] >> (4 * (i & 1))) & 15);
    assert.equal((code(5) - middle) * scales[0], -0.8 * (Math.fround(0.8) / 0.8));
    for (let i = 0; i < 32; i++)
      assert.ok(Math.abs((code(i) - middle) * scales[0] - values[i]) <= scales[0] * 0.5001, `${bits}, ${i}`);
    for (let i = 32; i < 64; i++) assert.equal(code(i), middle);
  }
});

describe('refusals come before anything is written', () => {
  let untouched: string;
  before(async () => {
    untouched = path.join(await fs.mkdtemp('/tmp/tunebook-'), 'none');
  });
  const cases: readonly [title: string, call: (t: TestContext) => Promise<unknown>, words: string[]][] = [
    [
      'rows that blocks do not fit',
      async (t) => {
        const tokenizer = await fewTokens(t, ROWS);
        await exportOnnx(golden('mistral', 'model'), untouched, { dtypes: ['q4'], tokenizer });
      },
      ['56 in mlp.down_proj', 'q4', 'multiple'],
    ],
    [
      'a type that the runtime does not load',
      () => exportOnnx('gpt2-mini', untouched, { dtypes: ['q4'], target: 'transformers.js-2' }),
      ['fp32, q8', 'transformers.js-2', 'q4'],
    ],
    [
      'weights beside a file for transformers.js 2',
      () => exportOnnx('gpt2-mini', untouched, { target: 'transformers.js-2', maxFileBytes: 1000 }),
      ['transformers.js 2', 'transformers.js 4'],
    ],
    [
      'no prompt to ask',
      () => exportOnnx('gpt2-mini', untouched, { check: { prompts: [] } }),
      ['at least one prompt', 'check: false'],
    ],
    [
      'a misspelt option',
      () => exportOnnx('gpt2-mini', untouched, { dtype: ['q8'] } as never),
      ['dtypes', 'Did you mean'],
    ],
    [
      'a damaged folder',
      async () => {
        const folder = await fs.mkdtemp('/tmp/tunebook-');
        await fs.cp(golden('gpt2', 'model'), folder, { recursive: true });
        await fs.truncate(path.join(folder, 'model.safetensors'), 90_000);
        await exportOnnx(folder, untouched, { tokenizer: 'gpt2' });
      },
      ['model.safetensors'],
    ],
  ];
  for (const [title, call, words] of cases) {
    test(title, async (t) => {
      await assert.rejects(call(t), isError(...words));
      await assert.rejects(fs.stat(untouched));
    });
  }

  test('a family without an ONNX form', async (t) => {
    registerFamily('gpt2-like', (config): Architecture => ({
      ...gpt2({ ...config, model_type: 'gpt2' }),
      modelType: 'gpt2-like',
    }));
    const model = await AutoModelForCausalLM.fromConfig({
      ...{ model_type: 'gpt2-like', n_layer: 1, n_embd: 32, n_head: 2, vocab_size: 320, n_positions: 16 },
    });
    t.after(() => model.dispose());
    const tokenizer = await AutoTokenizer.fromPretrained(golden('tokenizer', 'byte-level'));
    await assert.rejects(
      exportOnnx(model, untouched, { tokenizer }),
      isError('gpt2, llama, mistral', 'gpt2-like'),
    );
    await assert.rejects(fs.stat(untouched));
  });
});

test('a model in use is exported as it is now, and stays unchanged', async (t) => {
  const folder = await temporaryFolder(t);
  const model = await AutoModelForCausalLM.fromConfig({
    ...{ model_type: 'llama', num_hidden_layers: 2, hidden_size: 64, intermediate_size: 96, vocab_size: 320 },
    ...{ num_attention_heads: 4, num_key_value_heads: 2, max_position_embeddings: 64, head_dim: 8 },
    rope_parameters: {
      rope_type: 'llama3',
      factor: 4,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 32,
      rope_theta: 500,
    },
  });
  t.after(() => model.dispose());
  const tokenizer = await AutoTokenizer.fromPretrained(golden('tokenizer', 'byte-level'));
  const dtypes = ['fp32', 'fp16', 'q8', 'q4'] as const;
  const { models, isProven } = await exportOnnx(model, folder, { tokenizer, dtypes, check: false });
  assert.equal(isProven, true);
  const ids = Array.from({ length: 40 }, (_, i) => (i * 31) % 300);
  const { logits } = await model.forward({ inputIds: [ids] });
  // q8 and q4 round activations too: 5e-3 measured with q8.
  const bounds = { fp32: 1e-5, fp16: 1e-3, q8: 1e-2, q4: 1e-1 };
  for (const { path: file, dtype } of models) {
    const onnx = await WrittenModel.open(file, model.architecture);
    const got = await onnx.logits({ inputIds: [ids] });
    await onnx.dispose();
    assertClose(got, logits.data, { absolute: bounds[dtype], relative: 0 }, dtype);
  }
  await savePretrained(model, path.join(folder, 'saved'));
  const saved = await AutoModelForCausalLM.fromPretrained(path.join(folder, 'saved'));
  t.after(() => saved.dispose());
  assert.deepEqual((await saved.forward({ inputIds: [ids] })).logits.data, logits.data);
});

test('8-bit blocks are unpacked as they load up to 0.6 GB of float32, and stay packed beyond it', () => {
  const named = (target: OnnxTarget): OnnxVariant[] => onnxVariants(target, ['q8', 'fp32'], 'test');
  const formsOf = (count: number): string[] =>
    [...named('transformers.js'), ...named('transformers.js-2')].map((variant) =>
      formOf(variant, {
        parameters: [{ name: 'x', shape: [count / 2, 2], decay: true, init: { value: 0 } }],
      }),
    );
  assert.deepEqual(formsOf(150e6), ['float32', 'unpackedBlocks8', 'float32', 'unpackedBlocks8']);
  assert.deepEqual(formsOf(150e6 + 2), ['float32', 'blocks8', 'float32', 'unpackedBlocks8']);
});
