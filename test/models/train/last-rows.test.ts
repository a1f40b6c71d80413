/** A last layer that computes the labelled rows alone, against one that computes all of them. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createEngine, run } from '../../../lib/engine';
import { allocateGradients, architectureOf, batchLoss, forwardBackward } from '../../../lib/models';
import type { Architecture, BackwardRequest, TokenLoss } from '../../../lib/models';
import { labelledRows } from '../../../lib/models/train/head';
import type { CausalLM } from '../../../lib/pretrained';
import { IGNORED } from '../../../lib/types';
import type { Batch, HostTensor } from '../../../lib/types';
import { assertClose } from '../../support/assert-close';
import { normal } from '../../engine/kernels/kernel-case';
import { familyModel, putAdapter } from '../families/family-model';
import { readGolden } from '../families/golden-run';

const { ids, cases } = readGolden('families/golden.json') as {
  ids: number[][];
  cases: Record<string, { config: Record<string, unknown> }>;
};
const GPT2 = { model_type: 'gpt2', vocab_size: 96, n_positions: 64, n_embd: 32, n_layer: 2, n_head: 4 };
const CONFIGS: Readonly<Record<string, Record<string, unknown>>> = {
  gpt2: GPT2,
  ...Object.fromEntries(
    ['llama', 'gemma2', 'phi3', 'olmo2', 'starcoder2', 'cohere', 'pythia', 'gpt-neox in series'].map(
      (name) => [name, cases[name].config],
    ),
  ),
};
const [B, T] = [ids.length, ids[0].length];
/** Labels at the end of each row; the second ends with padding. */
const [LABELLED, PADDING] = [4, 3];

/** @param from first position that has a label */
function batchOf(from: (row: number) => number): Batch {
  const labels = Int32Array.from(ids.flat());
  const attentionMask = new Int32Array(B * T).fill(1);
  attentionMask.fill(0, B * T - PADDING);
  labels.fill(IGNORED, B * T - PADDING);
  for (let row = 0; row < B; row++) labels.fill(IGNORED, row * T, row * T + from(row));
  return { shape: [B, T], inputIds: Int32Array.from(ids.flat()), attentionMask, labels };
}

const few = batchOf((row) => T - LABELLED - (row === B - 1 ? PADDING : 0));
const all = batchOf(() => 0);

/** The loss of the few labels' rows among all. */
const ofTheFew: TokenLoss = ({ rows, values }) => {
  const wanted = new Set(labelledRows(few).found);
  const gradients = Float64Array.from(values, (_, i) => (wanted.has(rows[i]) ? -1 / wanted.size : 0));
  return { loss: values.reduce((sum, value, i) => sum + gradients[i] * value, 0), gradients };
};

interface Pass {
  loss: number;
  gradients: Float32Array;
}

async function pass(model: CausalLM, more: Partial<BackwardRequest>): Promise<Pass> {
  const gradients = allocateGradients(model.trainableParameters());
  gradients.flat.fill(NaN);
  const request = { accumulate: false, gradientCheckpointing: false, batch: few, lossScale: 1, ...more };
  return { loss: await forwardBackward(model, gradients, request), gradients: gradients.flat };
}

function assertSame(got: Pass, wanted: Pass): void {
  assertClose([got.loss], [wanted.loss], { absolute: 0, relative: 1e-6 }, 'loss');
  const largest = wanted.gradients.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  assert.ok(largest > 0);
  assertClose(got.gradients, wanted.gradients, { absolute: 2e-6 * largest, relative: 0 }, 'gradients');
}

describe('a last layer on the labelled rows', () => {
  it('is cut where few positions are labelled', () => {
    assert.deepEqual([labelledRows(few).areCut, labelledRows(all).areCut], [true, false]);
    assert.equal(labelledRows(few).found.length, B * LABELLED);
  });

  for (const [name, config] of Object.entries(CONFIGS))
    it(`gives the loss and the gradients of the whole one: ${name}`, async (t) => {
      const model = await familyModel(config);
      t.after(() => model.dispose());
      const lossScale = 1 / labelledRows(few).found.length;
      const check = async (): Promise<void> => {
        const wanted = await pass(model, { batch: all, tokenLoss: ofTheFew });
        for (const gradientCheckpointing of [false, true])
          assertSame(await pass(model, { lossScale, gradientCheckpointing }), wanted);
        const alone = await batchLoss(model, few, { lossScale });
        assertClose([alone], [wanted.loss], { absolute: 0, relative: 1e-6 }, 'loss alone');
      };
      await check();
      putAdapter(model);
      await check();
    });

  it('drops what the whole one drops of these rows', async (t) => {
    const engine = await createEngine({ provider: 'cpu', threads: 1 });
    t.after(() => engine.dispose());
    for (const [name, rates] of [
      ['gpt2', { resid_pdrop: 0.5, attn_pdrop: 0.5 }],
      ['phi3', { resid_pdrop: 0.5, attention_dropout: 0.5 }],
      ['pythia', { hidden_dropout: 0.5, attention_dropout: 0.5 }],
    ] as const) {
      const architecture = architectureOf({ ...CONFIGS[name], ...rates });
      const feeds = blockFeeds(architecture);
      const rows = { data: Int32Array.of(5, 1, 7), shape: [3] };
      const whole = await run(engine, architecture.trainingBlock, feeds);
      const masks = architecture.dropoutSites
        .filter(({ onRows }) => onRows)
        .map((site) => `dropout.${site.name}`);
      assert.ok(masks.length > 0, name);
      const cut: Record<string, HostTensor> = { ...feeds, rows };
      for (const mask of masks) cut[mask] = picked(feeds[mask], rows.data);
      const { y } = await run(engine, architecture.trainingBlock, cut);
      const wanted = picked(whole.y, rows.data);
      assert.deepEqual(y.shape, wanted.shape);
      assertClose(y.data, wanted.data, { absolute: 1e-5, relative: 1e-5 }, name);
    }
  });
});

/** Rows of [B, T, C] taken as [B * T, C], [1, rows, C]. */
function picked({ data, shape }: HostTensor, rows: Int32Array): HostTensor {
  const C = shape[2];
  const out = new Float32Array(rows.length * C);
  rows.forEach((row, i) => out.set(data.subarray(row * C, (row + 1) * C), i * C));
  return { data: out, shape: [1, rows.length, C] };
}

/** Random inputs of a block on 2 rows of 4 tokens, with a mask for each place of dropout. */
function blockFeeds(architecture: Architecture): Record<string, HostTensor> {
  const [rows, tokens] = [2, 4];
  let seed = 0;
  const random = (shape: readonly number[]): HostTensor => normal(shape, seed++);
  const feeds: Record<string, HostTensor> = {
    x: random([rows, tokens, architecture.width]),
    bias: { data: new Float32Array(rows * tokens * tokens), shape: [rows, 1, tokens, tokens] },
    ...architecture.layerKinds[0].positionFeeds(
      Int32Array.from({ length: rows * tokens }, (_, i) => i % tokens),
      [rows, tokens],
      new Int32Array(rows * tokens).fill(tokens),
    ),
  };
  const prefix = architecture.layerPrefix(0);
  for (const { name, shape } of architecture.parameters)
    if (name.startsWith(prefix)) feeds[name.slice(prefix.length)] = random(shape);
  for (const site of architecture.dropoutSites) {
    const shape = site.shape(rows, tokens);
    const mask = random(shape);
    feeds[`dropout.${site.name}`] = { data: mask.data.map((value) => (value > 0 ? 2 : 0)), shape };
  }
  return feeds;
}
