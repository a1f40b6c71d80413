/** GPT-2 checkpoints in the forms in which they come: prefixes, shards, 16-bit types, tied heads, faults. */
import assert from 'node:assert/strict';
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { AutoModelForCausalLM, savePretrained } from '../../../lib/pretrained';
import { openSafetensors, writeSafetensors } from '../../../lib/checkpoint';
import type { CausalLM } from '../../../lib/pretrained';
import type { TensorSource } from '../../../lib/checkpoint';
import { TunebookError } from '../../../lib/types';
import { GOLDEN, golden, loadGolden } from '../families/gpt2-suite';
import { temporaryFolder } from '../../support/temporary-folder';

/** A copy of the golden model whose tensors went through `change`. */
async function changed(
  t: TestContext,
  change: (tensors: Map<string, TensorSource>) => void,
): Promise<string> {
  const folder = await temporaryFolder(t);
  await fs.copyFile(path.join(GOLDEN, 'model', 'config.json'), path.join(folder, 'config.json'));
  const file = await openSafetensors(path.join(GOLDEN, 'model', 'model.safetensors'));
  const tensors = new Map<string, TensorSource>();
  for (const name of file.names)
    tensors.set(name, { name, shape: file.info(name).shape, values: await file.read(name) });
  await file.close();
  change(tensors);
  await writeSafetensors(path.join(folder, 'model.safetensors'), tensors.values());
  return folder;
}

const load = (folder: string): Promise<CausalLM> =>
  AutoModelForCausalLM.fromPretrained(folder, { engine: { threads: 1 } });

/** Loads the folder and compares every weight with the golden model's, bit by bit. */
async function assertGolden(folder: string): Promise<void> {
  const [wanted, got] = [await loadGolden(), await load(folder)];
  assert.equal(got.weights.parameters.flat.length, golden.numParameters);
  assert.deepEqual([...got.weights.parameters.byName.keys()], [...wanted.weights.parameters.byName.keys()]);
  for (const [name, { data }] of wanted.weights.parameters.byName)
    assert.deepEqual(got.weights.parameter(name).data, data, name);
}

describe('gpt2 checkpoints', () => {
  it('reads each tensor into its place', async () => {
    const model = await loadGolden();
    const file = await openSafetensors(path.join(GOLDEN, 'model', 'model.safetensors'));
    for (const [name, { data, shape }] of model.weights.parameters.byName) {
      assert.deepEqual(file.info(`transformer.${name}`).shape, shape, name);
      assert.deepEqual(data, await file.read(`transformer.${name}`), name);
    }
    await file.close();
  });

  it('loads without the prefix', async (t) => {
    const folder = await changed(t, (tensors) => {
      for (const [name, source] of [...tensors]) {
        tensors.delete(name);
        tensors.set(name, { ...source, name: name.replace(/^transformer\./, '') });
      }
    });
    const file = await openSafetensors(path.join(folder, 'model.safetensors'));
    assert.ok(file.names.includes('wte.weight'));
    await file.close();
    await assertGolden(folder);
  });

  it('passes over a stored copy of the tied head and the mask buffers of old versions', async (t) => {
    const folder = await changed(t, (tensors) => {
      const table = tensors.get('transformer.wte.weight');
      assert.ok(table);
      tensors.set('lm_head.weight', { ...table, name: 'lm_head.weight' });
      for (const [name, shape] of [
        ['transformer.h.0.attn.bias', [1, 1, 64, 64]],
        ['transformer.h.0.attn.masked_bias', []],
      ] as [string, number[]][]) {
        const size = shape.reduce((product, n) => product * n, 1);
        tensors.set(name, { name, shape, values: new Float32Array(size) });
      }
    });
    await assertGolden(folder);
  });

  it('saves and loads in one file and in shards', async (t) => {
    const [one, many] = [await temporaryFolder(t), await temporaryFolder(t)];
    const model = await loadGolden();
    assert.deepEqual(await savePretrained(model, one), ['config.json', 'model.safetensors']);
    const files = await savePretrained(model, many, { maxShardSizeBytes: 50_000 });
    assert.ok(files.length >= 5 && files.includes('model.safetensors.index.json'), files.join());
    assert.ok(!files.includes('model.safetensors'));
    for (const folder of [one, many]) await assertGolden(folder);
    const file = await openSafetensors(path.join(one, 'model.safetensors'));
    assert.ok(file.names.every((name) => name.startsWith('transformer.')));
    await file.close();
    const config = JSON.parse(await fs.readFile(path.join(one, 'config.json'), 'utf8')) as object;
    assert.deepEqual({ ...config, ...(await load(one)).config }, { ...config, ...model.config });
  });

  // Relative rounding: half of the last place, 11 and 8 significant bits.
  for (const [dtype, unit] of [
    ['F16', 2 ** -11],
    ['BF16', 2 ** -8],
  ] as const) {
    it(`loads ${dtype} weights, which are float32 ones rounded`, async (t) => {
      const folder = await temporaryFolder(t);
      const model = await loadGolden();
      await savePretrained(model, folder, { dtype });
      const file = await openSafetensors(path.join(folder, 'model.safetensors'));
      assert.equal(file.info('transformer.wte.weight').dtype, dtype);
      await file.close();
      const rounded = await load(folder);
      let changes = 0;
      model.weights.parameters.flat.forEach((value, i) => {
        const got = rounded.weights.parameters.flat[i];
        // F16 has no normal numbers under 2^-14; there its last place is 2^-24.
        const most = Math.max(Math.abs(value) * unit, dtype === 'F16' ? 2 ** -25 : 0);
        assert.ok(Math.abs(got - value) <= most, `${value} became ${got}`);
        if (got !== value) changes++;
      });
      assert.ok(changes > model.weights.parameters.flat.length / 2);
      const { loss } = await rounded.forward(golden);
      assert.ok(Math.abs((loss ?? NaN) - 6.3007) < 0.05, `loss ${loss}`);
    });
  }

  it('lists every missing, unknown and wrongly shaped tensor in one error', async (t) => {
    const folder = await changed(t, (tensors) => {
      tensors.delete('transformer.h.1.ln_1.weight');
      tensors.delete('transformer.wpe.weight');
      tensors.set('transformer.h.7.extra', {
        name: 'transformer.h.7.extra',
        shape: [2],
        values: new Float32Array(2),
      });
      tensors.set('transformer.ln_f.bias', {
        name: 'transformer.ln_f.bias',
        shape: [31],
        values: new Float32Array(31),
      });
    });
    await assert.rejects(load(folder), (error: unknown) => {
      assert.ok(error instanceof TunebookError);
      for (const part of [
        /missing \(2\)/,
        /h\.1\.ln_1\.weight \[32\]/,
        /wpe\.weight \[64, 32\]/,
        /unknown \(1\)/,
        /h\.7\.extra \[2\]/,
        /wrongly shaped \(1\)/,
        /ln_f\.bias: expected \[32\], got \[31\]/,
      ])
        assert.match(error.message, part);
      assert.ok(error.message.includes(folder));
      return true;
    });
  });

  it('refuses the weights of a transposed layout', async (t) => {
    const folder = await changed(t, (tensors) => {
      const name = 'transformer.h.0.attn.c_attn.weight';
      tensors.set(name, { name, shape: [96, 32], values: new Float32Array(96 * 32) });
    });
    await assert.rejects(load(folder), /c_attn\.weight: expected \[32, 96\], got \[96, 32\]/);
  });

  it('refuses a folder without configuration, with a broken one, or of another family', async (t) => {
    const folder = await changed(t, () => undefined);
    const file = path.join(folder, 'config.json');
    await fs.writeFile(file, '{ "model_type": "gpt2", ');
    await assert.rejects(load(folder), /config\.json: expected a JSON object/);
    await fs.writeFile(file, '{ "model_type": "bert" }');
    await assert.rejects(load(folder), /config\.json: bert is no decoder of text.* a model of type gpt2/);
    await fs.rm(file);
    await assert.rejects(load(folder), TunebookError);
  });
});

describe('gpt2 inputs', () => {
  const cases: [string, Parameters<CausalLM['forward']>[0], RegExp][] = [
    ['no rows', { inputIds: [] }, /at least one token/],
    ['no tokens', { inputIds: [[]] }, /at least one token/],
    ['ragged rows', { inputIds: [[1, 2], [3]] }, /rows of 2, 1\. Pad/],
    ['a mask of another shape', { inputIds: [[1, 2]], attentionMask: [[1]] }, /attentionMask/],
    ['labels of another shape', { inputIds: [[1, 2]], labels: [[1, 2, 3]] }, /labels/],
    ['an id over the vocabulary', { inputIds: [[1, 97]] }, /0 to 96, got 97/],
    ['a negative id', { inputIds: [[-1, 1]] }, /got -1/],
    ['a context that is too long', { inputIds: [Array<number>(65).fill(1)] }, /at most 64 tokens.*got 65/],
  ];
  for (const [title, inputs, message] of cases) {
    it(`refuses ${title}`, async () => {
      const model = await loadGolden();
      await assert.rejects(model.forward(inputs), (error: unknown) => {
        assert.ok(error instanceof TunebookError);
        assert.match(error.message, message);
        return true;
      });
    });
  }

  it('refuses everything after dispose()', async () => {
    const model = await loadGolden();
    await model.dispose();
    await model.dispose();
    await assert.rejects(model.forward({ inputIds: [[1]] }), /after dispose/);
  });

  it('padding on the left gives the logits of the unpadded row', async () => {
    const model = await loadGolden();
    const ids = [5, 9, 2, 77];
    const alone = await model.forward({ inputIds: [ids] });
    const padded = await model.forward({
      inputIds: [[96, 96, 96, ...ids]],
      attentionMask: [[0, 0, 0, 1, 1, 1, 1]],
    });
    const tail = padded.logits.data.subarray(3 * 97);
    alone.logits.data.forEach((value, i) => assert.ok(Math.abs(value - tail[i]) < 1e-4));
    await model.dispose();
  });
});
