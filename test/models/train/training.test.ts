/** Gradients of whole batches: accumulated ones, checkpointed ones, with dropout, in packed rows. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { allocateGradients, batchLoss, countLabels, forwardBackward } from '../../../lib/models';
import { AutoModelForCausalLM } from '../../../lib/pretrained';
import type { CausalLM } from '../../../lib/pretrained';
import type { Gradients } from '../../../lib/models';
import type { Batch } from '../../../lib/types';
import { assertClose } from '../../support/assert-close';
import { batch, golden, lossAndGradients, loadGolden } from '../families/gpt2-suite';

/** Each gradient within `relative` of the other's largest value. */
function assertSame(got: Gradients, wanted: Gradients, relative: number): void {
  assert.ok(wanted.flat.some((value) => value !== 0));
  for (const [name, values] of wanted.byName) {
    const scale = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    assertClose(got.byName.get(name) ?? [], values, { absolute: relative * scale, relative: 0 }, name);
  }
}

function rowsOf(whole: Batch, from: number, to: number): Batch {
  const T = whole.shape[1];
  const part = (values: Int32Array): Int32Array => values.slice(from * T, to * T);
  return {
    shape: [to - from, T],
    inputIds: part(whole.inputIds),
    attentionMask: part(whole.attentionMask),
    labels: part(whole.labels),
    segmentIds: whole.segmentIds && part(whole.segmentIds),
  };
}

describe('forwardBackward', () => {
  let model: CausalLM;
  before(async () => (model = await loadGolden()));
  after(() => model.dispose());

  it('counts the labels that some position predicts', () => {
    const predicted = golden.labels.flatMap((row) => row.slice(1)).filter((label) => label !== -100);
    assert.equal(countLabels(batch), predicted.length);
  });

  it('batchLoss is the loss of forward()', async () => {
    const { loss } = await model.forward(golden);
    assertClose(
      [await batchLoss(model, batch, { lossScale: 1 / countLabels(batch) })],
      [loss ?? NaN],
      { absolute: 1e-5, relative: 0 },
      'loss',
    );
  });

  it('gradient checkpointing gives the same bits', async () => {
    const kept = await lossAndGradients(model);
    const again = await lossAndGradients(model, { gradientCheckpointing: true });
    assert.equal(again.loss, kept.loss);
    assert.deepEqual(again.gradients.flat, kept.gradients.flat);
  });

  it('the same call twice gives the same bits', async () => {
    const [once, twice] = [await lossAndGradients(model), await lossAndGradients(model)];
    assert.deepEqual(twice.gradients.flat, once.gradients.flat);
  });

  for (const gradientCheckpointing of [false, true]) {
    it(`accumulating over parts equals the batch in one piece, checkpointing ${gradientCheckpointing}`, async () => {
      const whole = await lossAndGradients(model);
      const gradients = allocateGradients(model.trainableParameters());
      gradients.flat.fill(NaN);
      const lossScale = 1 / countLabels(batch);
      let loss = 0;
      // Parts of unequal length and number of labels: a mean of means would be wrong.
      for (const [i, part] of [rowsOf(batch, 0, 1), rowsOf(batch, 1, 3)].entries()) {
        loss += await forwardBackward(model, gradients, {
          batch: part,
          lossScale,
          accumulate: i > 0,
          gradientCheckpointing,
        });
      }
      assertClose([loss], [whole.loss], { absolute: 1e-6, relative: 1e-6 }, 'loss');
      assertSame(gradients, whole.gradients, 1e-5);
    });
  }

  it('tokens of packed documents see only their own', async () => {
    // Two documents in one row against the same two in rows of their own.
    const [first, second] = [
      [3, 1, 4, 1, 5],
      [9, 2, 6],
    ];
    const ids = [...first, ...second];
    const packed: Batch = {
      shape: [1, 8],
      inputIds: Int32Array.from(ids),
      attentionMask: new Int32Array(8).fill(1),
      labels: Int32Array.from(ids),
      segmentIds: Int32Array.from([0, 0, 0, 0, 0, 1, 1, 1]),
    };
    const apart: Batch = {
      shape: [2, 5],
      inputIds: Int32Array.from([...first, ...second, 96, 96]),
      attentionMask: Int32Array.from([1, 1, 1, 1, 1, 1, 1, 1, 0, 0]),
      labels: Int32Array.from([...first, ...second, -100, -100]),
    };
    assert.equal(countLabels(packed), 6);
    const results = [];
    for (const each of [packed, apart]) {
      const gradients = allocateGradients(model.trainableParameters());
      const request = { batch: each, lossScale: 1 / 6, accumulate: false, gradientCheckpointing: false };
      results.push({ loss: await forwardBackward(model, gradients, request), gradients });
    }
    assertClose([results[0].loss], [results[1].loss], { absolute: 1e-5, relative: 0 }, 'loss');
    assertSame(results[0].gradients, results[1].gradients, 1e-4);
  });

  it('a batch without labels has loss 0 and no gradient', async () => {
    const gradients = allocateGradients(model.trainableParameters());
    const empty = { ...batch, labels: new Int32Array(batch.labels.length).fill(-100) };
    const request = { batch: empty, lossScale: 1, accumulate: false, gradientCheckpointing: false };
    assert.equal(await forwardBackward(model, gradients, request), 0);
    assert.ok(gradients.flat.every((value) => value === 0));
  });
});

describe('dropout', () => {
  const config = {
    ...{ model_type: 'gpt2', vocab_size: 97, n_positions: 32, n_embd: 16, n_layer: 2, n_head: 2 },
    ...{ resid_pdrop: 0.2, embd_pdrop: 0.1, attn_pdrop: 0.3, initializer_range: 0.3 },
  };
  const models: Record<string, CausalLM> = {};
  before(async () => {
    models.compiled = await AutoModelForCausalLM.fromConfig(config, { seed: 7, engine: { threads: 1 } });
    models.eager = await AutoModelForCausalLM.fromConfig(config, { seed: 7, engine: { kind: 'eager' } });
  });
  after(async () => {
    for (const model of Object.values(models)) await model.dispose();
  });

  for (const gradientCheckpointing of [false, true]) {
    it(`compiled equals eager, checkpointing ${gradientCheckpointing}`, async () => {
      const dropout = { seed: 5, step: 3 };
      const wanted = await lossAndGradients(models.eager, { dropout });
      const got = await lossAndGradients(models.compiled, { dropout, gradientCheckpointing });
      assertClose([got.loss], [wanted.loss], { absolute: 1e-5, relative: 1e-5 }, 'loss');
      assertSame(got.gradients, wanted.gradients, 1e-4);
    });
  }

  it('depends on seed and step alone, and is off without them', async () => {
    const loss = async (dropout?: { seed: number; step: number }): Promise<number> =>
      (await lossAndGradients(models.compiled, { dropout })).loss;
    const first = await loss({ seed: 5, step: 3 });
    assert.equal(await loss({ seed: 5, step: 3 }), first);
    const others = [await loss({ seed: 5, step: 4 }), await loss({ seed: 6, step: 3 }), await loss()];
    assert.equal(new Set([first, ...others]).size, 4);
    const off = await batchLoss(models.compiled, batch, { lossScale: 1 / countLabels(batch) });
    assertClose([others[2]], [off], { absolute: 1e-6, relative: 1e-6 }, 'no dropout');
  });

  it('leaves the expected gradient as it is', async () => {
    // The mean over many masks comes near the gradient of the expected loss only roughly; its direction is kept.
    const plain = await lossAndGradients(models.compiled);
    const sum = new Float64Array(plain.gradients.flat.length);
    for (let step = 0; step < 24; step++) {
      const { gradients } = await lossAndGradients(models.compiled, { dropout: { seed: 1, step } });
      gradients.flat.forEach((value, i) => (sum[i] += value));
    }
    const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
      let total = 0;
      for (let i = 0; i < a.length; i++) total += a[i] * b[i];
      return total;
    };
    const cosine =
      dot(sum, plain.gradients.flat) /
      Math.sqrt(dot(sum, sum) * dot(plain.gradients.flat, plain.gradients.flat));
    assert.ok(cosine > 0.8, `cosine ${cosine}`);
  });
});
