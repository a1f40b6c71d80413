/** What goes wrong with models larger than memory is told before anything is loaded, with what to do. */
import assert from 'node:assert/strict';
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import {
  AutoModelForCausalLM,
  getPeftModel,
  loadAdapter,
  saveAdapter,
  savePretrained,
} from '../../../lib/pretrained';
import { LoraConfig } from '../../../lib/models';
import type { FromPretrainedOptions } from '../../../lib/pretrained';
import { BitsAndBytesConfig } from '../../../lib/quantization';
import { TunebookError } from '../../../lib/types';
import { temporaryFolder } from '../../support/temporary-folder';

const CONFIG = {
  model_type: 'mistral',
  vocab_size: 60,
  hidden_size: 64,
  intermediate_size: 128,
  num_hidden_layers: 4,
  num_attention_heads: 4,
  num_key_value_heads: 2,
};
const nf4 = new BitsAndBytesConfig({ loadIn4bit: true, bnb4bitQuantType: 'nf4' });

function says(...words: string[]): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof TunebookError, String(error));
    for (const word of words)
      assert.ok(error.message.includes(word), `expected '${word}' in: ${error.message}`);
    return true;
  };
}

/** A sharded checkpoint, and how to load it with layers on disk. */
async function setup(t: TestContext): Promise<{
  source: string;
  offloadFolder: string;
  load: (options?: FromPretrainedOptions) => ReturnType<typeof AutoModelForCausalLM.fromPretrained>;
}> {
  const [source, parent] = [await temporaryFolder(t), await temporaryFolder(t)];
  const model = await AutoModelForCausalLM.fromConfig(CONFIG);
  await savePretrained(model, source, { maxShardSizeBytes: 200_000 });
  await model.dispose();
  const offloadFolder = path.join(parent, 'offload');
  return {
    source,
    offloadFolder,
    load: async (options = {}) => {
      const placement = {
        deviceMap: 'auto',
        maxMemory: '110KB',
        offloadFolder,
        onDeviceMap: () => {},
      } as const;
      const loaded = await AutoModelForCausalLM.fromPretrained(source, {
        quantizationConfig: nf4,
        ...placement,
        ...options,
      });
      t.after(() => loaded.dispose());
      return loaded;
    },
  };
}

describe('loading', () => {
  it('works with layers on disk when nothing is wrong', async (t) => {
    const { load, offloadFolder } = await setup(t);
    const model = await load();
    assert.ok((await fs.readdir(offloadFolder)).some((name) => name.endsWith('.bin')));
    assert.equal(model.isQuantized, true);
  });

  it('names a shard that is missing', async (t) => {
    const { source, load, offloadFolder } = await setup(t);
    const shard = (await fs.readdir(source)).filter((name) => name.endsWith('.safetensors')).sort()[1];
    await fs.rm(path.join(source, shard));
    await assert.rejects(load(), says(shard));
    await assert.rejects(fs.stat(offloadFolder), 'nothing was written');
  });

  it('names a shard whose bytes changed', async (t) => {
    const { source, load, offloadFolder } = await setup(t);
    const shard = (await fs.readdir(source)).filter((name) => name.endsWith('.safetensors')).sort()[0];
    const bytes = await fs.readFile(path.join(source, shard));
    bytes[bytes.length - 2] ^= 4;
    await fs.writeFile(path.join(source, shard), bytes);
    await assert.rejects(load(), says(shard, 'SHA-256'));
    await assert.rejects(fs.stat(offloadFolder), 'nothing was written');
  });

  it('refuses a maxMemory below two layers, with the least that works', async (t) => {
    const { load } = await setup(t);
    let least = NaN;
    await assert.rejects(load({ maxMemory: '30KB' }), (error) => {
      least = Number(/at least (\d+) bytes/.exec(String(error))?.[1]);
      return says('maxMemory', 'got 30000')(error);
    });
    await load({ maxMemory: least });
  });

  it('refuses a folder that cannot be written', async (t) => {
    const { load, offloadFolder } = await setup(t);
    t.mock.method(fs, 'access', async () =>
      Promise.reject(Object.assign(new Error('EROFS'), { code: 'EROFS' })),
    );
    await assert.rejects(load(), says('offloadFolder', offloadFolder, 'Choose another one'));
  });

  it('refuses unknown types of quantization', () => {
    for (const bad of [{ loadIn4bit: true, bnb4bitQuantType: 'nf5' }, { loadIn2bit: true }]) {
      assert.throws(
        () => new BitsAndBytesConfig(bad as object),
        says('BitsAndBytesConfig', Object.keys(bad).at(-1) ?? ''),
      );
    }
  });
});

describe('adapters', () => {
  it('of another base are refused with the modules and sizes that differ', async (t) => {
    const { load } = await setup(t);
    const model = await load();
    for (const [what, change, words] of [
      ['another width', { hidden_size: 128, intermediate_size: 256 }, ['lora_A', '128']],
      ['more layers', { num_hidden_layers: 6 }, ['layers.5']],
      ['another family', { model_type: 'gpt2', n_embd: 64, n_head: 4, n_layer: 2 }, ['another base model']],
    ] as const) {
      const folder = await temporaryFolder(t);
      const isGpt2 = 'model_type' in change && change.model_type === 'gpt2';
      const other = await AutoModelForCausalLM.fromConfig(isGpt2 ? { ...change } : { ...CONFIG, ...change });
      t.after(() => other.dispose());
      getPeftModel(other, new LoraConfig({ r: 2 }));
      await saveAdapter(other, folder, what);
      await assert.rejects(loadAdapter(model, folder), says(folder, ...words));
      assert.equal(model.adapter, undefined, 'nothing was put on the model');
    }
  });

  it("of a rank above the matrix's are accepted, as in PEFT, and change nothing at first", async (t) => {
    const { load } = await setup(t);
    const model = await load();
    t.after(() => model.dispose());
    const inputIds = [[1, 2, 3]];
    const before = await model.forward({ inputIds });
    getPeftModel(model, new LoraConfig({ r: 40, targetModules: ['v_proj'] }));
    const first = model.trainableParameters().find(({ name }) => name.includes('v_proj.lora_A'));
    assert.equal(first?.shape[0], 40);
    assert.deepEqual((await model.forward({ inputIds })).logits.data, before.logits.data);
  });
});
