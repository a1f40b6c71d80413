/**
 * What stays on the GPU from run to run, run as a program (`node device-suite.js`) where WebGPU can start: arrays that
 * are kept, whole GPT-2 steps against the CPU, generation, and a run of the trainer with its checkpoint.
 */
import assert from 'node:assert/strict';
import { promises as fs } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { fakeProcessGroups } from '../../lib/distributed';
import type { ProcessGroup } from '../../lib/distributed';
import { createEngine, tf } from '../../lib/engine';
import type { Provider, Traffic } from '../../lib/engine';
import { generate } from '../../lib/generation';
import { allocateGradients, countLabels, forwardBackward, LoraConfig } from '../../lib/models';
import { AutoModelForCausalLM, getPeftModel } from '../../lib/pretrained';
import type { CausalLM } from '../../lib/pretrained';
import { Trainer, TrainingArguments } from '../../lib/trainer';
import { gradientNorm } from '../../lib/trainer/optimizers/gradient-norm';
import { createOptimizer } from '../../lib/trainer/optimizers/optimizers';
import type { OptimizerName } from '../../lib/trainer/optimizers/optimizers';
import type { Batch } from '../../lib/types';
import { assertClose } from '../support/assert-close';
import { holdWebGpu } from '../support/hold-webgpu';

holdWebGpu();

const CONFIG = { model_type: 'gpt2', vocab_size: 600, n_positions: 32, n_embd: 32, n_layer: 2, n_head: 2 };
const load = (provider: Provider): Promise<CausalLM> =>
  AutoModelForCausalLM.fromConfig(CONFIG, { engine: { provider, threads: 1 } });

function deviceOf(model: CausalLM): NonNullable<CausalLM['engine']['device']> {
  assert.ok(model.engine.device !== undefined);
  return model.engine.device;
}

const since = (now: Traffic, before: Traffic): Traffic => ({
  toDevice: now.toDevice - before.toDevice,
  fromDevice: now.fromDevice - before.fromDevice,
  uploads: now.uploads - before.uploads,
});

describe('arrays that are kept', () => {
  it('go up once, are read and written there, and come home when asked for', async () => {
    const engine = await createEngine({ provider: 'webgpu' });
    const { device } = engine;
    assert.ok(device !== undefined);
    const shape = [2, 3];
    const spec = { shape, dtype: 'float32' as const };
    const add = await engine.compile(({ x, y }) => ({ z: tf.add(x, y) }), { x: spec, y: spec });
    const sum = Float32Array.from([1, 2, 3, 4, 5, 6]);
    const one = new Float32Array(6).fill(1);
    device.pin([sum]);
    for (let i = 0; i < 3; i++)
      await add.run({ x: { data: one, shape }, y: { data: sum, shape } }, { into: { z: sum } });
    assert.deepEqual(device.traffic, { toDevice: 4 * 24, fromDevice: 0, uploads: 1 });
    assert.equal(sum[0], 1); // the host's is behind
    await device.flush();
    assert.deepEqual([...sum], [4, 5, 6, 7, 8, 9]);
    await device.flush();
    assert.equal(device.traffic.fromDevice, 24);

    // What the host writes counts once it is said, and not before.
    sum.fill(10);
    const read = async (): Promise<number> =>
      (await add.run({ x: { data: one, shape }, y: { data: sum, shape } })).z.data[5];
    assert.equal(await read(), 10);
    device.invalidate([sum]);
    assert.equal(await read(), 11);
    assert.equal(device.traffic.uploads, 2);
    device.unpin([sum]);
    sum.fill(20);
    assert.equal(await read(), 21);
    assert.equal(device.traffic.uploads, 2);

    const bytes = Uint8Array.from([1, 2, 250, 255]);
    const four = { shape: [4], dtype: 'uint8' as const };
    const widen = await engine.compile(({ q }) => ({ wide: tf.cast(q, 'float32') }), { q: four });
    device.pin([bytes]);
    const { wide } = await widen.run({ q: { data: bytes, shape: [4] } });
    assert.deepEqual([...wide.data], [1, 2, 250, 255]);
    await engine.dispose();
  });
});

describe('optimizers on the device', () => {
  for (const name of ['adamw', 'sgd', 'lion'] as const) {
    it(`${name}: large and small parameters, decayed and not, as on the CPU`, async () => {
      // Two that are updated by themselves, and neighbours that are joined.
      const lengths = [70_000, 12, 300, 80_000, 5, 7, 9];
      const ended: Float32Array[] = [];
      for (const provider of ['webgpu', 'cpu'] as const) {
        const engine = await createEngine({ provider, threads: 1 });
        const flat = Float32Array.from({ length: 150_333 }, (_, i) => Math.sin(i));
        let offset = 0;
        const parameters = lengths.map((length, i) => {
          const data = flat.subarray(offset, (offset += length));
          return { name: `p${i}`, shape: [length], decay: i < 3, data };
        });
        const gradients = allocateGradients(parameters);
        gradients.flat.forEach((_, i) => (gradients.flat[i] = Math.cos(3 * i)));
        const optimizer = createOptimizer({
          ...{ name, engine, parameters, gradients, weightDecay: 0.1 },
          ...{ beta1: 0.9, beta2: 0.99, epsilon: 1e-6, momentum: 0.9 },
        });
        for (let step = 0; step < 3; step++) await optimizer.step(1e-2, 0.5);
        await engine.device?.flush();
        ended.push(Float32Array.from([...flat, ...[...optimizer.state.values()].flatMap((x) => [...x])]));
        await engine.dispose();
      }
      assertClose(ended[0], ended[1], { absolute: 1e-6, relative: 1e-5 }, name);
    });
  }
});

describe('training steps', () => {
  const [B, T] = [2, 12];
  const ids = Int32Array.from({ length: B * T }, (_, i) => (i * 37) % CONFIG.vocab_size);
  const batch: Batch = {
    shape: [B, T],
    inputIds: ids,
    attentionMask: new Int32Array(B * T).fill(1),
    labels: ids,
  };

  interface Trained {
    readonly losses: number[];
    readonly weights: Float32Array;
    /** Trained arrays. */
    readonly parameters: number;
    readonly tokens: readonly (readonly number[])[];
    /** Of each step, and of generation after them. */
    readonly traffic: Traffic[];
  }
  async function train(
    provider: Provider,
    options: { name?: OptimizerName; lora?: boolean },
  ): Promise<Trained> {
    const model = await load(provider);
    if (options.lora) getPeftModel(model, new LoraConfig({ r: 4, seed: 1, loraDropout: 0.2 }));
    const parameters = model.trainableParameters();
    const gradients = allocateGradients(parameters);
    const optimizer = createOptimizer({
      ...{ name: options.name ?? 'adamw', engine: model.engine, parameters, gradients },
      ...{ weightDecay: 0.1, beta1: 0.9, beta2: 0.99, epsilon: 1e-4, momentum: 0.9 },
    });
    const losses: number[] = [];
    const traffic: Traffic[] = [];
    let before = model.engine.device?.traffic;
    const note = (): void => {
      const now = model.engine.device?.traffic;
      if (now !== undefined && before !== undefined) traffic.push(since(now, before));
      before = now;
    };
    for (let step = 0; step < 3; step++) {
      let loss = 0;
      for (const accumulate of [false, true]) {
        const random = { seed: 5, step: 2 * step + Number(accumulate) };
        loss += await forwardBackward(model, gradients, {
          ...{ batch, lossScale: 0.5 / countLabels(batch), accumulate, labelSmoothing: 0.1 },
          // The second of each step is computed again on the way back.
          ...{ gradientCheckpointing: accumulate, dropout: random, noise: { alpha: 5, ...random } },
        });
      }
      losses.push(loss, await gradientNorm(model.engine, gradients));
      await optimizer.step(1e-3, 0.9);
      note();
    }
    const { newTokens } = await generate(model, { inputIds: [[3, 1, 4]], maxNewTokens: 4, eosTokenId: null });
    note();
    const again = await generate(model, { inputIds: [[3, 1, 4]], maxNewTokens: 4, useCache: false });
    assert.deepEqual(again.newTokens, newTokens);
    await model.engine.device?.flush();
    const weights = Float32Array.from(parameters.flatMap(({ data }) => [...data]));
    await model.dispose();
    return { losses, weights, parameters: parameters.length, tokens: newTokens, traffic };
  }

  for (const [what, options] of [
    ['of all weights', {}],
    ['of a LoRA adapter', { lora: true }],
    // Its state is on the host: weights go up again with each step.
    ['of an optimizer on the host', { name: 'adamw_8bit' }],
  ] as const) {
    it(`${what} are those of the CPU, and weights do not travel`, async () => {
      const [gpu, cpu] = [await train('webgpu', options), await train('cpu', options)];
      assertClose(gpu.losses, cpu.losses, { absolute: 1e-4, relative: 1e-4 }, 'losses and norms');
      assertClose(gpu.weights, cpu.weights, { absolute: 2e-5, relative: 1e-4 }, 'weights');
      assert.deepEqual(gpu.tokens, cpu.tokens);
      const weightBytes = gpu.weights.byteLength;
      const [first, ...later] = gpu.traffic;
      assert.ok(first.toDevice > weightBytes);
      for (const { toDevice, fromDevice, uploads } of later.slice(0, -1)) {
        if ('name' in options) {
          assert.ok(toDevice > weightBytes && fromDevice > weightBytes);
          continue;
        }
        // Ids, labels, the attention bias and the optimizer's numbers, sent together: not what a layer computes.
        assert.ok(toDevice < 20_000 && uploads < 20, `${toDevice} bytes in ${uploads} transfers`);
        // Two losses, and one number for each gradient.
        assert.equal(fromDevice, 4 * (2 + gpu.parameters));
      }
      // Of a token all that comes home is its logits, and all that goes up a few numbers.
      const generation = later[later.length - 1];
      assert.equal(generation.fromDevice, 4 * 4 * CONFIG.vocab_size);
      if (!('name' in options)) assert.ok(generation.toDevice < 3_000, `${generation.toDevice}`);
    });
  }

  it('of the trainer end with weights at home, in the checkpoint and in memory', async (t) => {
    const outputDir = await fs.mkdtemp(path.join(os.tmpdir(), 'tunebook-device-'));
    t.after(() => fs.rm(outputDir, { recursive: true, force: true }));
    const trained: Float32Array[] = [];
    for (const provider of ['webgpu', 'cpu'] as const) {
      const model = await load(provider);
      const before = model.weights.parameters.flat.slice();
      const args = new TrainingArguments({
        ...{ outputDir: path.join(outputDir, provider), maxSteps: 3, learningRate: 1e-3, adamEpsilon: 1e-4 },
        ...{ perDeviceTrainBatchSize: 2, saveSteps: 2, saveStrategy: 'steps' },
      });
      const row = { inputIds: [...ids.subarray(0, T)], labels: [...ids.subarray(0, T)] };
      const trainer = new Trainer({ model, args, trainDataset: [row, row, row, row] });
      await trainer.train();
      assert.notDeepEqual(model.weights.parameters.flat, before);
      trained.push(model.weights.parameters.flat.slice());
      if (provider === 'webgpu') {
        const folder = path.join(outputDir, provider, 'checkpoint-3');
        const again = await AutoModelForCausalLM.fromPretrained(folder, { engine: { threads: 1 } });
        assert.deepEqual(again.weights.parameters.flat, model.weights.parameters.flat);
        await again.dispose();
        // Two steps, and one more from their checkpoint, are three steps.
        await trainer.train({ resumeFromCheckpoint: path.join(outputDir, provider, 'checkpoint-2') });
        assertClose(model.weights.parameters.flat, trained[0], { absolute: 2e-5, relative: 1e-4 }, 'resumed');
      }
      await model.dispose();
    }
    assertClose(trained[0], trained[1], { absolute: 2e-5, relative: 1e-4 }, 'trained weights');
  });

  it('of two ranks are those of one, through the host, also where a rank has no batch', async (t) => {
    const outputDir = await fs.mkdtemp(path.join(os.tmpdir(), 'tunebook-device-'));
    t.after(() => fs.rm(outputDir, { recursive: true, force: true }));
    // Three batches in a pass: of its second step one rank has none.
    const rows = [0, 1, 2].map((i) => {
      const inputIds = Array.from(ids.subarray(i, i + T));
      return { inputIds, labels: inputIds };
    });
    const run = async (
      name: string,
      accumulation: number,
      processGroup?: ProcessGroup,
    ): Promise<{ weights: Float32Array; losses: number[] }> => {
      const model = await load('webgpu');
      const args = new TrainingArguments({
        ...{ outputDir: path.join(outputDir, name), maxSteps: 4, learningRate: 1e-3, adamEpsilon: 1e-4 },
        ...{ perDeviceTrainBatchSize: 1, gradientAccumulationSteps: accumulation, preflight: false },
        ...{ loggingSteps: 1, saveStrategy: 'steps', saveSteps: 2 },
      });
      const trainer = new Trainer({ model, args, trainDataset: rows, callbacks: [], processGroup });
      await trainer.train();
      const weights = model.weights.parameters.flat.slice();
      await model.dispose();
      return { weights, losses: trainer.state.logHistory.flatMap(({ loss }) => loss ?? []) };
    };
    const one = await run('one', 2);
    const ranks = await Promise.all(fakeProcessGroups(2).map((group) => run('two', 1, group)));
    assert.equal(one.losses.length, 4);
    for (const { weights, losses } of ranks) {
      assert.deepEqual(weights, ranks[0].weights);
      assertClose(losses, one.losses, { absolute: 0, relative: 1e-6 }, 'losses');
      assertClose(weights, one.weights, { absolute: 1e-5, relative: 1e-4 }, 'weights');
    }
  });

  it('after which predictions are those of the CPU', async () => {
    const rows = [4, T, 7].map((length) => {
      const inputIds = Array.from(ids.subarray(0, length));
      return { inputIds, labels: inputIds };
    });
    const found: (readonly Int32Array[])[] = [];
    for (const provider of ['webgpu', 'cpu'] as const) {
      const model = await load(provider);
      const args = new TrainingArguments({ outputDir: os.tmpdir(), maxSteps: 1 });
      const trainer = new Trainer({ model, args, trainDataset: rows, callbacks: [] });
      found.push((await trainer.predict(rows)).predictions);
      await model.dispose();
    }
    assert.deepEqual(found[0], found[1]);
  });

  it('after which a merged adapter is what the GPU computes with', async () => {
    const model = await load('webgpu');
    const forward = async (): Promise<Float32Array> =>
      (await model.forward({ inputIds: [[1, 2, 3]] })).logits.data;
    const plain = await forward();
    getPeftModel(model, new LoraConfig({ r: 4 }));
    for (const { name, data } of model.trainableParameters()) if (name.endsWith('lora_B')) data.fill(0.05);
    const adapted = await forward();
    assert.ok(adapted.some((value, i) => Math.abs(value - plain[i]) > 1e-3));
    const { toDevice } = deviceOf(model).traffic;
    model.mergeAndUnload();
    assertClose(await forward(), adapted, { absolute: 1e-5, relative: 1e-4 }, 'merged');
    // Of two layers one weight each, and the prompt.
    const merged = 2 * 4 * CONFIG.n_embd * 3 * CONFIG.n_embd;
    const up = deviceOf(model).traffic.toDevice - toDevice;
    assert.ok(up >= merged && up < merged + 1000, `${up} bytes`);
    await model.dispose();
  });
});
