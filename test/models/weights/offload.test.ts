/** Models larger than memory: the device map and its table, layers on disk that give the same results, folders that are refused. */
import assert from 'node:assert/strict';
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { generate } from '../../../lib/generation';
import {
  allocateGradients,
  countLabels,
  deviceMapTable,
  forwardBackward,
  LoraConfig,
  inferDeviceMap,
} from '../../../lib/models';
import {
  AutoModelForCausalLM,
  getPeftModel,
  loadAdapter,
  mergeAndUnload,
  savePretrained,
} from '../../../lib/pretrained';
import type { CausalLM, FromPretrainedOptions } from '../../../lib/pretrained';
import type { DeviceMap, DeviceMapRequest } from '../../../lib/models';
import { BitsAndBytesConfig } from '../../../lib/quantization';
import { goldenBatch } from '../families/golden-run';
import { temporaryFolder } from '../../support/temporary-folder';
import { isError } from '../../support/refusals';

const LAYERS = 5;
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
const nf4 = new BitsAndBytesConfig({
  loadIn4bit: true,
  bnb4bitQuantType: 'nf4',
  bnb4bitUseDoubleQuant: true,
});

describe('the device map', () => {
  const request: DeviceMapRequest = {
    fixed: [
      { module: 'model.embed_tokens', bytes: 1000 },
      { module: 'lm_head', bytes: 500 },
    ],
    layers: Array.from({ length: 6 }, (_, i) => ({ module: `model.layers.${i}`, bytes: 100 })),
  };

  it('keeps everything in memory where it fits', () => {
    const deviceMap = inferDeviceMap({ ...request, maxMemory: 2100 });
    assert.deepEqual([deviceMap.memoryBytes, deviceMap.diskBytes, deviceMap.diskLayers.size], [2100, 0, 0]);
    const roomy = inferDeviceMap(request); // this machine has more than 2,100 bytes left
    assert.equal(roomy.diskBytes, 0);
  });

  it('puts the last layers on disk, less two buffers, and shows it', () => {
    const deviceMap = inferDeviceMap({ ...request, maxMemory: { cpu: '2KB' }, offloadFolder: 'x' });
    assert.deepEqual([...deviceMap.diskLayers], [3, 4, 5]);
    assert.deepEqual([deviceMap.memoryBytes, deviceMap.diskBytes], [1800, 300]);
    assert.deepEqual(deviceMapTable(deviceMap).split('\n'), [
      'module                             bytes  place',
      'model.embed_tokens                 1,000  memory',
      'lm_head                              500  memory',
      'model.layers.0 ... model.layers.2    300  memory',
      'model.layers.3 ... model.layers.5    300  disk',
      'total                              1,800  memory',
      '                                     300  disk',
    ]);
  });

  it('is refused without a folder, with the bytes and the words to type', () => {
    assert.throws(
      () => inferDeviceMap({ ...request, maxMemory: 2000 }),
      isError('300 bytes', '3 of 6 layers', "offloadFolder: './offload'"),
    );
  });

  it('is refused where memory does not hold two layers', () => {
    assert.throws(
      () => inferDeviceMap({ ...request, maxMemory: 1699, offloadFolder: 'x' }),
      isError('1700', 'got 1699'),
    );
    assert.equal(inferDeviceMap({ ...request, maxMemory: 1700, offloadFolder: 'x' }).diskLayers.size, 6);
  });

  for (const maxMemory of ['lots', 0, '3XB', -1]) {
    it(`is refused for a maxMemory of ${maxMemory}`, () => {
      assert.throws(
        () => inferDeviceMap({ ...request, maxMemory }),
        isError('maxMemory', JSON.stringify(maxMemory)),
      );
    });
  }
});

describe('layers on disk', () => {
  interface Setup {
    source: string;
    offloadFolder: string;
    /** Two of five layers fit. */
    maxMemory: number;
    maps: DeviceMap[];
    load(options?: FromPretrainedOptions): Promise<CausalLM>;
  }
  async function setup(
    t: TestContext,
    quantizationConfig: BitsAndBytesConfig | undefined = nf4,
  ): Promise<Setup> {
    const [source, parent] = [await temporaryFolder(t), await temporaryFolder(t)];
    const model = await AutoModelForCausalLM.fromConfig(CONFIG);
    await savePretrained(model, source, { maxShardSizeBytes: 200_000 });
    await model.dispose();
    const maps: DeviceMap[] = [];
    const onDeviceMap = (table: string, deviceMap: DeviceMap): void => {
      assert.ok(table.includes('model.layers.0'));
      maps.push(deviceMap);
    };
    const load = async (options: FromPretrainedOptions = {}): Promise<CausalLM> => {
      const loaded = await AutoModelForCausalLM.fromPretrained(source, {
        quantizationConfig,
        onDeviceMap,
        ...options,
      });
      t.after(() => loaded.dispose());
      return loaded;
    };
    await (await load({ deviceMap: 'auto' })).dispose();
    const layer = maps[0].modules.find(({ module }) => module === 'model.layers.0')?.bytes ?? NaN;
    const maxMemory = maps[0].memoryBytes - LAYERS * layer + 4 * layer;
    return { source, offloadFolder: path.join(parent, 'offload'), maxMemory, load, maps };
  }
  const batch = goldenBatch({
    inputIds: [Array.from({ length: 12 }, (_, i) => (i * 7) % 60)],
    attentionMask: [Array<number>(12).fill(1)],
    labels: [Array.from({ length: 12 }, (_, i) => (i * 7) % 60)],
  });

  for (const [what, quantization] of [
    ['NF4', nf4],
    ['int8', new BitsAndBytesConfig({ loadIn8bit: true })],
    ['no quantization', new BitsAndBytesConfig()],
  ] as const) {
    it(`compute the same: logits, gradients, tokens, ${what}`, async (t) => {
      const { load, offloadFolder, maxMemory, maps } = await setup(t, quantization);
      const inMemory = await load({ dtype: 'auto' });
      const offloaded = await load({ deviceMap: 'auto', maxMemory, offloadFolder });
      assert.deepEqual([...(maps.at(-1)?.diskLayers ?? [])], [2, 3, 4]);
      assert.equal(offloaded.numParameters(), inMemory.numParameters());
      const results = [];
      for (const model of [inMemory, offloaded]) {
        getPeftModel(model, new LoraConfig({ r: 4, seed: 3, layersToTransform: [1, 4] }));
        for (const { name, data } of model.trainableParameters()) {
          if (name.endsWith('lora_B')) data.forEach((_, i) => (data[i] = Math.sin(i)));
        }
        const { logits } = await model.forward({ inputIds: [[3, 1, 4, 1, 5, 9, 2, 6]] });
        const gradients = allocateGradients(model.trainableParameters());
        for (const gradientCheckpointing of [true, false]) {
          const request = { batch, lossScale: 1 / countLabels(batch), gradientCheckpointing };
          await forwardBackward(model, gradients, { ...request, accumulate: !gradientCheckpointing });
        }
        const { newTokens } = await generate(model, {
          inputIds: [[3, 1, 4]],
          maxNewTokens: 6,
          eosTokenId: null,
        });
        results.push({ logits: logits.data, gradients: gradients.flat, newTokens });
      }
      assert.deepEqual(results[1], results[0]);
      assert.ok(results[0].gradients.every((value) => Number.isFinite(value) && value !== 0));
    });
  }

  it('are refused without a device map, which alone says where layers go', async (t) => {
    const { load, offloadFolder, maxMemory } = await setup(t);
    for (const [name, value] of Object.entries({ maxMemory, offloadFolder }))
      await assert.rejects(
        load({ [name]: value }),
        isError(`expected deviceMap: 'auto' with ${name}, got none`, `or leave ${name} out`),
      );
  });

  it('are written once, found again, and completed when one was lost or changed', async (t) => {
    const { load, offloadFolder, maxMemory } = await setup(t);
    const options = { deviceMap: 'auto', maxMemory, offloadFolder } as const;
    const first = await load(options);
    const wanted = (await first.forward({ inputIds: [[1, 2, 3]] })).logits.data;
    await first.dispose();
    const files = (await fs.readdir(offloadFolder)).filter((name) => name.endsWith('.bin')).sort();
    assert.equal(files.length, 3);
    const file = (index: number): string => path.join(offloadFolder, files[index]);
    const dates = (): Promise<number[]> =>
      Promise.all(files.map(async (_, i) => (await fs.stat(file(i))).mtimeMs));
    const old = new Date(2020, 1, 1);
    for (const index of files.keys()) await fs.utimes(file(index), old, old);
    await (await load(options)).dispose();
    assert.deepEqual(await dates(), [+old, +old, +old]);

    const bytes = await fs.readFile(file(0));
    bytes[100] ^= 1;
    await fs.writeFile(file(0), bytes);
    await fs.rm(file(2));
    await fs.utimes(file(1), old, old);
    const again = await load(options);
    assert.deepEqual((await again.forward({ inputIds: [[1, 2, 3]] })).logits.data, wanted);
    const after = await dates();
    assert.equal(after[1], +old);
    assert.ok(after[0] > +old && after[2] > +old);
  });

  it('are saved as a whole model', async (t) => {
    const { load, offloadFolder, maxMemory } = await setup(t);
    const model = await load({ deviceMap: 'auto', maxMemory, offloadFolder });
    const folder = await temporaryFolder(t);
    await savePretrained(model, folder);
    const again = await AutoModelForCausalLM.fromPretrained(folder);
    t.after(() => again.dispose());
    assert.deepEqual(
      await again.forward({ inputIds: [[1, 2]] }),
      await model.forward({ inputIds: [[1, 2]] }),
    );
  });

  it('belong to one model and one quantization', async (t) => {
    const { load, source, offloadFolder, maxMemory } = await setup(t);
    const options = { deviceMap: 'auto', maxMemory, offloadFolder } as const;
    await load(options);
    const quantizationConfig = new BitsAndBytesConfig({ loadIn4bit: true, bnb4bitQuantType: 'nf4' });
    await assert.rejects(load({ ...options, quantizationConfig }), isError('another model', offloadFolder));
    const changed = await AutoModelForCausalLM.fromConfig(CONFIG, { seed: 2 });
    t.after(() => changed.dispose());
    await savePretrained(changed, source, { maxShardSizeBytes: 200_000 });
    await assert.rejects(load(options), isError('another model', offloadFolder));
  });

  it('need a folder that can be written, with room, and a manifest that can be read', async (t) => {
    const { load, offloadFolder, maxMemory } = await setup(t);
    const options = { deviceMap: 'auto', maxMemory } as const;
    await assert.rejects(load(options), isError("offloadFolder: './offload'"));
    await fs.writeFile(offloadFolder, 'a file');
    await assert.rejects(load({ ...options, offloadFolder }), isError('can be written', offloadFolder));
    await fs.rm(offloadFolder);
    await fs.mkdir(offloadFolder);
    t.mock.method(fs, 'statfs', async () => ({ blocks: 1, bavail: 1, bsize: 4096 }));
    await assert.rejects(load({ ...options, offloadFolder }), isError('4096 free', offloadFolder));
    t.mock.restoreAll();
    assert.deepEqual(await fs.readdir(offloadFolder), []);
    await fs.writeFile(path.join(offloadFolder, 'offload.json'), '{"model": 3}');
    await assert.rejects(load({ ...options, offloadFolder }), isError('offload.json', 'Delete the folder'));
  });

  it('are not merged and give no DoRA, with the reason', async (t) => {
    const { load, offloadFolder, maxMemory } = await setup(t, new BitsAndBytesConfig());
    const model = await load({ deviceMap: 'auto', maxMemory, offloadFolder });
    assert.throws(
      () => getPeftModel(model, new LoraConfig({ useDora: true })),
      isError('layer 2', 'maxMemory'),
    );
    getPeftModel(model, new LoraConfig());
    for (const { name, data } of model.trainableParameters()) if (name.endsWith('lora_B')) data.fill(0.1);
    const before = await model.forward({ inputIds: [[1, 2]] });
    assert.throws(() => mergeAndUnload(model), isError('layer 2', 'maxMemory'));
    assert.deepEqual(await model.forward({ inputIds: [[1, 2]] }), before);
    const folder = path.resolve('test/golden/mistral/adapter');
    await assert.rejects(loadAdapter(model, folder), isError('expected'));
  });

  it('that are lost while the model is in use are named in the error', async (t) => {
    const { load, offloadFolder, maxMemory } = await setup(t);
    const model = await load({ deviceMap: 'auto', maxMemory, offloadFolder });
    for (const name of await fs.readdir(offloadFolder)) await fs.rm(path.join(offloadFolder, name));
    await assert.rejects(
      model.forward({ inputIds: [[1]] }),
      isError('layer-0002.bin', 'Load the model again'),
    );
  });
});
