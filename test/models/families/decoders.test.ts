/** Every family of decoders against transformers and PEFT: logits, loss, greedy tokens, gradients. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { allocateGradients, countLabels, forwardBackward, storedName } from '../../../lib/models';
import { KeyValueCache } from '../../../lib/generation/decoders/key-value-cache';
import type { CausalLM } from '../../../lib/pretrained';
import { IGNORED } from '../../../lib/types';
import type { Batch } from '../../../lib/types';
import { assertClose } from '../../support/assert-close';
import { familyModel, putAdapter, sketch } from './family-model';
import { IS_ALL } from './forms-suite';
import { readGolden } from './golden-run';

type Sketches = Record<string, number[]>;

interface Case {
  config: Record<string, unknown>;
  /** Tokens at the end of the second row that are padding where gradients are taken. */
  padding: number;
  loss: number;
  logits: number[][];
  sketch: number[];
  greedy: number[];
  /** Tokens that transformers' cache keeps in each layer: all of a row's, or all but one that a window sees. */
  cached: number[];
  gradients: Sketches;
  loraLoss: number;
  lora: Sketches;
}

const { ids, prompt, cases } = readGolden('families/golden.json') as {
  ids: number[][];
  prompt: number;
  cases: Record<string, Case>;
};
/** Families of which all parameters' gradients are taken with checkpointing too (TUNEBOOK_LONG_TESTS=1: all); adapters' are of every family. */
const BOTH_WAYS = ['llama', 'gemma2', 'phi3'];
/** Labels begin here. */
const FIRST_LABEL = 5;

function batchOf({ padding }: Case): Batch {
  const [B, T] = [ids.length, ids[0].length];
  const attentionMask = new Int32Array(B * T).fill(1);
  const labels = Int32Array.from(ids.flat());
  for (let row = 0; row < B; row++) labels.fill(IGNORED, row * T, row * T + FIRST_LABEL);
  if (padding > 0)
    for (const data of [attentionMask, labels]) data.fill(data === labels ? IGNORED : 0, B * T - padding);
  return { shape: [B, T], inputIds: Int32Array.from(ids.flat()), attentionMask, labels };
}

/** The loss, once its gradients are those of the case. */
async function trained(
  model: CausalLM,
  given: Case,
  { wanted, ways }: { wanted: Sketches; ways: boolean[] },
): Promise<number> {
  const gradients = allocateGradients(model.trainableParameters());
  let loss = NaN;
  for (const gradientCheckpointing of ways) {
    gradients.flat.fill(NaN);
    const batch = batchOf(given);
    const request = { batch, lossScale: 1 / countLabels(batch), accumulate: false, gradientCheckpointing };
    loss = await forwardBackward(model, gradients, request);
    const names = [...gradients.byName.keys()].map((own) => storedName(model.architecture, own));
    assert.deepEqual(names.sort(), Object.keys(wanted).sort());
    for (const [own, data] of gradients.byName) {
      const stored = storedName(model.architecture, own);
      const [norm] = wanted[stored];
      assertClose(sketch(stored, data), wanted[stored], { absolute: 1e-3 * norm, relative: 0 }, stored);
    }
  }
  return loss;
}

async function greedy(model: CausalLM, useCache: boolean, maxNewTokens: number): Promise<number[]> {
  const inputIds = [ids[0].slice(0, prompt)];
  const { newTokens } = await model.generate({
    ...{ inputIds, maxNewTokens, useCache },
    ...{ eosTokenId: null, padTokenId: 0, doSample: false },
  });
  return newTokens[0];
}

for (const [name, given] of Object.entries(cases))
  describe(name, () => {
    it('logits, loss and greedy tokens', async (t) => {
      const model = await familyModel(given.config);
      t.after(() => model.dispose());
      const { logits } = await model.forward({ inputIds: ids });
      const [B, T, V] = logits.shape;
      const [norm] = given.sketch;
      assertClose(
        sketch('logits', logits.data),
        given.sketch,
        { absolute: 1e-4 * norm, relative: 0 },
        'logits',
      );
      const size = norm / Math.sqrt(B * T * V);
      for (const [row, wanted] of given.logits.entries()) {
        const last = logits.data.subarray((row * T + T - 1) * V, (row + 1) * T * V);
        assertClose(last, wanted, { absolute: 1e-4 * size, relative: 1e-4 }, `logits of row ${row}`);
      }
      const caches = t.mock.method(KeyValueCache.prototype, 'put').mock;
      assert.deepEqual(await greedy(model, true, given.greedy.length), given.greedy, 'with a cache');
      assert.ok(caches.callCount() > 0);
      for (const { this: cache } of caches.calls)
        assert.deepEqual(
          given.cached.map((_, layer) => (cache as KeyValueCache).layer(layer).key.shape[2]),
          given.cached.map((kept) => (kept < T ? kept + 1 : (cache as KeyValueCache).shape.capacity)),
        );
      assert.deepEqual(await greedy(model, false, given.greedy.length), given.greedy, 'without a cache');
    });

    it('gradients', async (t) => {
      const model = await familyModel(given.config);
      t.after(() => model.dispose());
      const loss = await trained(model, given, {
        wanted: given.gradients,
        ways: IS_ALL || BOTH_WAYS.includes(name) ? [false, true] : [false],
      });
      assert.ok(Math.abs(loss - given.loss) < 1e-4 * given.loss, `loss ${loss}`);
      putAdapter(model);
      const loraLoss = await trained(model, given, { wanted: given.lora, ways: [false, true] });
      assert.ok(Math.abs(loraLoss - given.loraLoss) < 1e-4 * given.loraLoss, `loss ${loraLoss}`);
    });
  });
