/** Models that are not supported are refused by name; the text half of a multimodal one loads; PEFT's default targets. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import { writeSafetensors } from '../../../lib/checkpoint';
import { exportGguf, exportOnnx } from '../../../lib/export';
import { architectureOf, LoraConfig, storedName } from '../../../lib/models';
import { AutoModelForCausalLM, generateAnswers, getPeftModel, openPretrained } from '../../../lib/pretrained';
import { AutoTokenizer } from '../../../lib/tokenizer';
import { TunebookError } from '../../../lib/types';
import { assertClose } from '../../support/assert-close';
import { isError } from '../../support/refusals';
import { temporaryFolder } from '../../support/temporary-folder';
import { familyModel } from './family-model';
import { readGolden } from './golden-run';

const { ids, cases } = readGolden('families/golden.json') as {
  ids: number[][];
  cases: Record<string, { config: Record<string, unknown>; logits: number[][] }>;
};

describe('what is not supported is refused by name, with the nearest family', () => {
  for (const [modelType, what, nearest] of [
    ['mixtral', 'a mixture of experts', 'mistral'],
    ['qwen3_moe', 'a mixture of experts', 'qwen3'],
    ['gpt_oss', 'a mixture of experts', 'llama'],
    ['deepseek_v3', 'a model with latent attention', 'qwen3'],
    ['falcon_h1', 'a hybrid with state-space', 'llama'],
    ['qwen3_next', 'a hybrid with state-space', 'qwen3'],
    ['lfm2', 'a hybrid with state-space', 'llama'],
    ['granitemoehybrid', 'a hybrid with state-space', 'granite'],
    ['bert', 'no decoder of text', 'gpt2'],
  ] as const)
    it(modelType, () => {
      assert.throws(
        () => architectureOf({ model_type: modelType }),
        (error) =>
          error instanceof TunebookError &&
          error.message.includes(`${modelType} is ${what}`) &&
          error.message.endsWith(`a model of type ${nearest}.`),
      );
      assert.doesNotThrow(() => architectureOf({ model_type: nearest }));
    });

  for (const [what, config, words] of [
    ['experts by a field', { model_type: 'qwen3', num_experts: 8 }, 'num_experts: 8'],
    ['an activation', { model_type: 'llama', hidden_act: 'relu2' }, "got 'relu2'"],
    ['heads of an odd size', { model_type: 'qwen2', hidden_size: 12, num_attention_heads: 4 }, 'heads of 3'],
    ['heads that do not divide', { model_type: 'gemma', num_key_value_heads: 3 }, '3 key-value heads'],
    [
      'factors of another length',
      {
        model_type: 'phi3',
        rope_scaling: { type: 'longrope', short_factor: [1], long_factor: [1] },
      },
      'short_factor of 48 numbers',
    ],
    [
      'one rotary kind where each type has its own',
      { model_type: 'gemma3_text', rope_parameters: { rope_type: 'default' } },
      'full_attention and sliding_attention',
    ],
    [
      'attention both ways',
      { model_type: 'gemma3_text', use_bidirectional_attention: true },
      'use_bidirectional',
    ],
    ['normalized queries of Cohere', { model_type: 'cohere', use_qk_norm: true }, 'use_qk_norm'],
    ['a multimodal model without its text half', { model_type: 'gemma3' }, 'text_config'],
  ] as const)
    it(what, () => {
      assert.throws(
        () => architectureOf({ ...config }),
        (error) => error instanceof TunebookError && error.message.includes(words),
      );
    });
});

const BLOCKS = { weight_block_size: [128, 128], activation_scheme: 'dynamic', fmt: 'e4m3' };

describe('weights in other forms than bitsandbytes’ and MLX’s are refused by name', () => {
  for (const [what, json] of [
    ['fp8', { quant_method: 'fp8', ...BLOCKS }],
    ['fbgemm_fp8', { quant_method: 'fbgemm_fp8', activation_scale_ub: 1200 }],
    ['gptq', { quant_method: 'gptq', bits: 4, group_size: 128, desc_act: false, sym: true }],
    ['awq', { quant_method: 'awq', bits: 4, group_size: 128, zero_point: true, version: 'gemm' }],
    ['compressed-tensors', { quant_method: 'compressed-tensors', format: 'pack-quantized' }],
    ['mxfp4', { quant_method: 'mxfp4', modules_to_not_convert: ['lm_head'] }],
    ['modelopt', { quant_method: 'modelopt', quant_algo: 'FP8' }],
  ] as const)
    it(what, () => {
      const isRefused = isError(`"${what}"`, 'The nearest that is: the 16-bit model');
      for (const config of [
        { model_type: 'qwen3', quantization_config: json },
        { model_type: 'llama', compression_config: json },
        { model_type: 'gpt2', quantization_config: json },
        { model_type: 'gpt_neox', quantization_config: json },
        { model_type: 'gemma3', quantization_config: json, text_config: {} },
        { model_type: 'gemma3', text_config: { quantization_config: json } },
      ])
        assert.throws(() => architectureOf(config), isRefused, JSON.stringify(config));
    });

  it('through every door, before a weight is looked for', async (t) => {
    const folder = await temporaryFolder(t);
    const config = { model_type: 'qwen3', quantization_config: { quant_method: 'fp8', ...BLOCKS } };
    await writeFile(path.join(folder, 'config.json'), JSON.stringify(config));
    await (await AutoTokenizer.fromPretrained('gpt2')).savePretrained(folder);
    for (const [what, call] of Object.entries({
      fromPretrained: () => AutoModelForCausalLM.fromPretrained(folder),
      fromConfig: () => AutoModelForCausalLM.fromConfig(config),
      openPretrained: () => openPretrained(folder),
      exportGguf: () => exportGguf(folder, path.join(folder, 'x.gguf')),
      exportOnnx: () => exportOnnx(folder, path.join(folder, 'onnx')),
      generateAnswers: () => generateAnswers(['a'], { model: folder, maxNewTokens: 1 }),
    }))
      await assert.rejects(call, isError('"fp8"', 'The nearest that is: the 16-bit model'), what);
  });
});

it('LoRA takes PEFT’s default targets, and asks where PEFT has none', async (t) => {
  for (const [name, targets] of [
    ['qwen3', ['q_proj', 'v_proj']],
    ['gemma3', ['q_proj', 'v_proj']],
    ['pythia', ['query_key_value']],
    ['phi3', undefined],
    ['olmo2', undefined],
  ] as const) {
    const model = await familyModel(cases[name].config);
    t.after(() => model.dispose());
    if (targets === undefined) {
      assert.throws(
        () => getPeftModel(model, new LoraConfig({ r: 2 })),
        /targetModules: expected names among the modules of .*self_attn.*'all-linear'/,
      );
      continue;
    }
    getPeftModel(model, new LoraConfig({ r: 2 }));
    const adapted = new Set(model.trainableParameters().map((p) => p.name.split('.').at(-2)));
    assert.deepEqual([...adapted], targets);
  }
});

describe('the text half of a multimodal Gemma 3', () => {
  for (const prefix of ['language_model.model.', 'model.language_model.'])
    it(`with tensors below ${prefix}`, async (t) => {
      const { config, logits } = cases.gemma3;
      const source = await familyModel(config);
      t.after(() => source.dispose());
      const folder = await temporaryFolder(t);
      const written = { model_type: 'gemma3', text_config: config, vision_config: { hidden_size: 8 } };
      await writeFile(path.join(folder, 'config.json'), JSON.stringify(written));
      const tensors = [...source.weights.parameters.byName.values()].map(({ name, shape, data }) => ({
        name: storedName(source.architecture, name).replace('model.', prefix),
        dtype: 'F32' as const,
        shape,
        values: data,
      }));
      const vision = { dtype: 'F32' as const, shape: [2], values: Float32Array.of(1, 2) };
      await writeSafetensors(path.join(folder, 'model.safetensors'), [
        ...tensors,
        { ...vision, name: 'vision_tower.patch.weight' },
      ]);
      const warned = t.mock.method(console, 'warn', () => undefined);
      const model = await AutoModelForCausalLM.fromPretrained(folder);
      t.after(() => model.dispose());
      assert.match(String(warned.mock.calls[0].arguments[0]), /passed over .*vision_tower\.patch\.weight/);
      assert.equal(model.config.model_type, 'gemma3_text');
      const got = await model.forward({ inputIds: ids });
      const V = got.logits.shape[2];
      assertClose(got.logits.data.slice(-V), logits[1], { absolute: 1e-4, relative: 1e-4 }, 'logits');
    });
});
