/** Configurations and stored tensors that mean something else than they seem to: transformers' logits, and saved with their meaning. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { openCheckpoint, writeSafetensors } from '../../../lib/checkpoint';
import { allocateGradients, forwardBackward } from '../../../lib/models';
import { AutoModelForCausalLM } from '../../../lib/pretrained';
import { assertClose } from '../../support/assert-close';
import { ROOT } from '../../support/paths';

interface Case {
  model?: string;
  config: Record<string, unknown>;
  tensors?: Record<string, 'normal' | 'copy' | null>;
  values: Record<string, [shape: number[], sixteenths: number[]]>;
  logits: number[];
}

const GOLDEN = path.join(ROOT, 'test', 'golden');
const { ids, cases } = JSON.parse(
  fs.readFileSync(path.join(GOLDEN, 'mistral', 'golden-variants.json'), 'utf8'),
) as { ids: number[][]; cases: Record<string, Case> };
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-variants-'));
after(() => fs.rmSync(scratch, { recursive: true, force: true }));

/** The model's folder after the change, as make_variants.py makes it. */
async function folderOf(name: string): Promise<string> {
  const { model = 'mistral', config, tensors = {}, values } = cases[name];
  const folder = fs.mkdtempSync(path.join(scratch, 'model-'));
  fs.writeFileSync(path.join(folder, 'config.json'), JSON.stringify(config));
  const source = await openCheckpoint(path.join(GOLDEN, model, 'model'));
  try {
    const kept = source.names.filter((tensor) => tensors[tensor] === undefined);
    const written = await Promise.all(
      kept.map(async (tensor) => ({
        name: tensor,
        dtype: 'F32' as const,
        shape: source.info(tensor).shape,
        values: await source.read(tensor),
      })),
    );
    const embedding = written.find((one) => /(embed_tokens|wte)\.weight$/.test(one.name));
    assert.ok(embedding !== undefined);
    for (const [tensor, what] of Object.entries(tensors)) {
      if (what === 'copy') written.push({ ...embedding, name: tensor });
      if (what !== 'normal') continue;
      const [shape, sixteenths] = values[tensor];
      written.push({
        name: tensor,
        dtype: 'F32',
        shape,
        values: Float32Array.from(sixteenths, (v) => v / 16),
      });
    }
    await writeSafetensors(path.join(folder, 'model.safetensors'), written);
  } finally {
    await source.close();
  }
  return folder;
}

/** Logits of the last two positions, row after row. */
async function lastLogits(folder: string): Promise<number[]> {
  const model = await AutoModelForCausalLM.fromPretrained(folder);
  try {
    const { logits } = await model.forward({ inputIds: ids });
    const [B, T, V] = logits.shape;
    return Array.from({ length: B }, (_, b) => [
      ...logits.data.subarray((b * T + T - 2) * V, (b + 1) * T * V),
    ]).flat();
  } finally {
    await model.dispose();
  }
}

describe('logits of transformers, before and after saving', () => {
  for (const [name, { logits }] of Object.entries(cases))
    it(name, async (t) => {
      const warned = t.mock.method(console, 'warn', () => undefined);
      const folder = await folderOf(name);
      const tolerance = { absolute: 1e-4, relative: 0 };
      assertClose(await lastLogits(folder), logits, tolerance, name);
      const words = warned.mock.calls.map(({ arguments: [text] }) => String(text)).join('\n');
      if (name.endsWith('an own head'))
        assert.match(words, /ties the head to the embedding, but lm_head\.weight has other values/);
      else if (name === 'tensors of other things')
        assert.match(
          words,
          /passed over what is no part of the model: .*k_scale \[4\], v_head\.summary\.weight \[4\]|v_head\.summary\.weight \[4\], .*k_scale \[4\]/,
        );
      else assert.equal(words, '');

      const model = await AutoModelForCausalLM.fromPretrained(folder);
      const saved = path.join(scratch, `saved-${name.replace(/\W+/g, '-')}`);
      await model.savePretrained(saved);
      await model.dispose();
      warned.mock.resetCalls();
      assertClose(await lastLogits(saved), logits, tolerance, `${name}, saved`);
      assert.equal(warned.mock.callCount(), 0, 'what was saved says what it is');
    });

  for (const name of ['gpt2 by depth', 'gpt2 untied', 'rope llama3'])
    it(`gradients of the compiled model equal those of the eager one: ${name}`, async () => {
      const folder = await folderOf(name);
      const found: ReadonlyMap<string, Float32Array>[] = [];
      for (const kind of ['compiled', 'eager'] as const) {
        const model = await AutoModelForCausalLM.fromPretrained(folder, { engine: { kind } });
        const gradients = allocateGradients(model.trainableParameters());
        const rows = Int32Array.from(ids.flat());
        const attentionMask = new Int32Array(rows.length).fill(1);
        const shape = [ids.length, ids[0].length] as const;
        const batch = { shape, inputIds: rows, attentionMask, labels: rows };
        await forwardBackward(model, gradients, {
          batch,
          lossScale: 1 / 24,
          accumulate: false,
          gradientCheckpointing: false,
        });
        found.push(gradients.byName);
        await model.dispose();
      }
      assert.ok(found[0].size > 20);
      for (const [key, data] of found[0])
        assertClose(data, found[1].get(key) ?? [], { absolute: 1e-5, relative: 1e-4 }, key);
    });

  it('a greedy answer goes the same way with and without cache where layers differ', async () => {
    const model = await AutoModelForCausalLM.fromPretrained(await folderOf('gpt2 by depth'));
    try {
      const ask = async (useCache: boolean): Promise<number[][]> =>
        (await model.generate({ inputIds: ids, maxNewTokens: 8, eosTokenId: null, padTokenId: 0, useCache }))
          .newTokens;
      assert.deepEqual(await ask(true), await ask(false));
    } finally {
      await model.dispose();
    }
  });
});
