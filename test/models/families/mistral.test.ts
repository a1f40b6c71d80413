/** Mistral against transformers and peft: logits, loss, gradients, ten steps of training, greedy tokens. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createEngine, plainRotary, rotary, rotaryFrequencies, rotaryTables, tf } from '../../../lib/engine';
import type { Engine } from '../../../lib/engine';
import { generate } from '../../../lib/generation';
import {
  allocateGradients,
  architectureOf,
  countParameters,
  forwardBackward,
  storedName,
} from '../../../lib/models';
import { AutoModelForCausalLM, loadAdapter } from '../../../lib/pretrained';
import { openSafetensors } from '../../../lib/checkpoint';
import type { CausalLM } from '../../../lib/pretrained';
import type { SafetensorsFile } from '../../../lib/checkpoint';
import { TunebookError } from '../../../lib/types';
import { assertClose } from '../../support/assert-close';
import { normal } from '../../engine/kernels/kernel-case';
import { adamLosses, assertGradients, goldenBatch } from './golden-run';
import type { GoldenRun } from './golden-run';

const FOLDER = path.resolve('test/golden/mistral');
interface Golden extends GoldenRun {
  numParameters: number;
  loss: number;
  adamw: { losses: number[]; gradNorms: number[] };
  generation: { padTokenId: number; prompts: number[][]; greedy: { newTokens: number[][] } };
  lora: {
    loss: number;
    losses: number[];
    numTrainable: number;
    greedy: { newTokens: number[][] };
  };
}
const golden = JSON.parse(readFileSync(path.join(FOLDER, 'golden.json'), 'utf8')) as Golden;
const batch = goldenBatch(golden);

async function greedy(model: CausalLM, useCache: boolean): Promise<number[][]> {
  const { prompts, padTokenId } = golden.generation;
  const options = { inputIds: prompts, padTokenId, eosTokenId: null, maxNewTokens: 24, useCache };
  return (await generate(model, options)).newTokens;
}

describe('mistral', () => {
  let values: SafetensorsFile;
  before(async () => (values = await openSafetensors(path.join(FOLDER, 'golden.safetensors'))));
  after(() => values.close());
  const load = (): Promise<CausalLM> => AutoModelForCausalLM.fromPretrained(path.join(FOLDER, 'model'));

  it('gives the logits and the loss of transformers', async (t) => {
    const model = await load();
    t.after(() => model.dispose());
    assert.equal(model.numParameters(), golden.numParameters);
    const { logits, loss } = await model.forward(golden);
    assertClose(logits.data, await values.read('logits'), { absolute: 1e-4, relative: 0 }, 'logits');
    assert.ok(Math.abs((loss ?? NaN) - golden.loss) < 1e-5);
  });

  it('attends to all earlier tokens when the configuration has no window', async (t) => {
    const windowed = await load();
    const config = { ...windowed.config, sliding_window: null };
    const model = await AutoModelForCausalLM.fromConfig(config);
    t.after(() => Promise.all([windowed.dispose(), model.dispose()]));
    model.weights.parameters.flat.set(windowed.weights.parameters.flat);
    const { logits } = await model.forward(golden);
    assertClose(logits.data, await values.read('noWindow.logits'), { absolute: 1e-4, relative: 0 }, 'logits');
  });

  for (const gradientCheckpointing of [false, true]) {
    it(`gives the gradients of PyTorch, checkpointing ${gradientCheckpointing}`, async (t) => {
      const model = await load();
      t.after(() => model.dispose());
      const gradients = allocateGradients(model.trainableParameters());
      gradients.flat.fill(NaN);
      const lossScale = 1 / golden.labels.flatMap((row) => row.slice(1)).filter((label) => label >= 0).length;
      const request = { batch, lossScale, accumulate: false, gradientCheckpointing };
      const loss = await forwardBackward(model, gradients, request);
      assert.ok(Math.abs(loss - golden.loss) < 1e-5);
      const name = (own: string): string => `grad.${storedName(model.architecture, own)}`;
      await assertGradients(gradients, values, name);
    });
  }

  it('trains as PyTorch does, ten steps', async (t) => {
    const model = await load();
    t.after(() => model.dispose());
    assertClose(
      await adamLosses(model, batch, 10),
      golden.adamw.losses,
      { absolute: 1e-3, relative: 0 },
      'losses',
    );
  });

  for (const useCache of [true, false]) {
    it(`goes on as transformers does, past the window, cache ${useCache}`, async (t) => {
      const model = await load();
      t.after(() => model.dispose());
      assert.deepEqual(await greedy(model, useCache), golden.generation.greedy.newTokens);
      await loadAdapter(model, path.join(FOLDER, 'adapter'));
      assert.deepEqual(await greedy(model, useCache), golden.lora.greedy.newTokens);
    });
  }

  it('loads an adapter of peft and trains it as peft does', async (t) => {
    const model = await loadAdapter(await load(), path.join(FOLDER, 'adapter'));
    t.after(() => model.dispose());
    assert.equal(model.numParameters({ onlyTrainable: true }), golden.lora.numTrainable);
    const { logits } = await model.forward(golden);
    assertClose(logits.data, await values.read('lora.logits'), { absolute: 1e-4, relative: 0 }, 'logits');
    const gradients = allocateGradients(model.trainableParameters());
    const lossScale = 1 / golden.labels.flatMap((row) => row.slice(1)).filter((label) => label >= 0).length;
    await forwardBackward(model, gradients, {
      batch,
      lossScale,
      accumulate: false,
      gradientCheckpointing: true,
    });
    await assertGradients(gradients, values, (own) => `lora.grad.base_model.model.model.${own}.weight`);
    assertClose(
      await adamLosses(model, batch, 10),
      golden.lora.losses,
      { absolute: 1e-3, relative: 0 },
      'losses',
    );
  });

  it('knows the sizes of the published configurations', () => {
    const v01 = {
      model_type: 'mistral',
      hidden_size: 4096,
      intermediate_size: 14336,
      num_hidden_layers: 32,
      num_attention_heads: 32,
      num_key_value_heads: 8,
      vocab_size: 32000,
      rms_norm_eps: 1e-5,
      rope_theta: 10000,
      sliding_window: 4096,
      max_position_embeddings: 32768,
      torch_dtype: 'bfloat16',
    };
    const v02 = { ...v01, sliding_window: null, rope_theta: 1e6 };
    const v03 = { ...v02, vocab_size: 32768 };
    assert.equal(countParameters(architectureOf(v01)), 7_241_732_096);
    assert.equal(architectureOf(v01).layerKinds[0].slidingWindow, 4096);
    assert.equal(countParameters(architectureOf(v02)), 7_241_732_096);
    assert.equal(architectureOf(v02).layerKinds[0].slidingWindow, undefined);
    assert.equal(countParameters(architectureOf(v03)), 7_248_023_552);
    const tied = { ...v01, model_type: 'llama', tie_word_embeddings: true, head_dim: 128 };
    assert.equal(countParameters(architectureOf(tied)), 7_241_732_096 - 32000 * 4096);
    assert.equal(architectureOf(tied).layerKinds[0].slidingWindow, undefined);
  });

  for (const [what, field, name] of [
    ['scaled rotary positions without their numbers', { rope_scaling: { type: 'linear' } }, 'factor'],
    [
      'a rotary type without its numbers',
      { rope_parameters: { rope_type: 'llama3', factor: 2 } },
      'low_freq_factor',
    ],
    ['another rotary type', { rope_scaling: { rope_type: 'proportional', factor: 2 } }, "'proportional'"],
    ['heads that turn in part', { partial_rotary_factor: 0.5 }, 'partial_rotary_factor'],
    ['biases that its family has not', { model_type: 'mistral', attention_bias: true }, 'attention_bias'],
    ['key-value heads that do not divide', { num_key_value_heads: 5 }, 'num_key_value_heads'],
    ['a field that nobody knows', { logit_soft_cap: 30 }, 'logit_soft_cap: 30'],
    ['experts', { num_local_experts: 8 }, 'num_local_experts'],
    [
      'layers of another kind',
      { model_type: 'mistral', layer_types: ['full_attention', 'conv'], num_hidden_layers: 2 },
      'full_attention and conv',
    ],
    [
      'windowed layers without a window',
      {
        model_type: 'mistral',
        layer_types: ['full_attention', 'sliding_attention'],
        num_hidden_layers: 2,
        sliding_window: null,
      },
      'a window of none',
    ],
  ] as const) {
    it(`refuses ${what}`, () => {
      assert.throws(
        () => architectureOf({ model_type: 'llama', ...field }),
        (error) => error instanceof TunebookError && error.message.includes(name),
      );
    });
  }
});

describe('rotary', () => {
  let engine: Engine;
  before(async () => (engine = await createEngine({ threads: 1 })));
  after(() => engine.dispose());
  const [B, H, T, D] = [2, 3, 4, 6];
  const positions = Int32Array.of(0, 1, 2, 3, 0, 0, 7, 8);
  const tables = rotaryTables(positions, [B, T], rotaryFrequencies({ theta: 100, headSize: D }));
  const shape = [B, H, T, D];
  const feeds = { x: normal(shape, 3), ...tables };
  const signature = {
    x: { shape, dtype: 'float32' as const },
    cos: { shape: tables.cos.shape, dtype: 'float32' as const },
    sin: { shape: tables.sin.shape, dtype: 'float32' as const },
  };

  it('and its gradient equal the plain form', async () => {
    const eager = await createEngine({ kind: 'eager' });
    const request = { signature, wrt: ['x'], output: 'y' };
    const upstream = normal(shape, 4);
    const results = [];
    for (const [here, fn] of [
      [engine, rotary],
      [eager, plainRotary],
    ] as const) {
      const vjp = await here.compileVjp({
        ...request,
        fn: ({ x, cos, sin }) => ({ y: fn(x, { cos, sin }) }),
      });
      const { outputs, residuals } = await vjp.forward(feeds);
      const { d_x } = await vjp.backward(feeds, residuals, upstream);
      results.push([...outputs.y.data, ...d_x.data]);
    }
    assertClose(results[0], results[1], { absolute: 1e-6, relative: 1e-6 }, 'rotary');
  });

  it('turns nothing at position 0 and keeps scores by distance alone', async () => {
    const at = (position: number): number[] => {
      const frequencies = rotaryFrequencies({ theta: 100, headSize: D });
      const { cos, sin } = rotaryTables(Int32Array.of(position, position + 3), [1, 2], frequencies);
      return tf.tidy(() => {
        const row = tf.tensor4d([1, 2, 3, 4, 5, 6, 6, 5, 4, 3, 2, 1], [1, 1, 2, D]);
        const turned = plainRotary(row, {
          cos: tf.tensor(cos.data, [...cos.shape]),
          sin: tf.tensor(sin.data, [...sin.shape]),
        });
        return [...tf.matMul(turned, turned, false, true).dataSync(), ...turned.dataSync()];
      });
    };
    assertClose(at(0).slice(0, 4), at(11).slice(0, 4), { absolute: 1e-4, relative: 0 }, 'scores');
    assertClose(at(0).slice(4, 10), [1, 2, 3, 4, 5, 6], { absolute: 0, relative: 0 }, 'position 0');
    assert.notDeepEqual(at(0).slice(10), at(11).slice(10));
  });
});
