/**
 * Label smoothing and NEFTune in whole batches, against transformers (test/golden/gpt2/make_losses.py), compiled
 * and eager.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { uniformNoise } from '../../../lib/engine';
import type { EngineOptions } from '../../../lib/engine';
import { allocateGradients, countLabels, forwardBackward } from '../../../lib/models';
import type { BackwardRequest, Gradients } from '../../../lib/models';
import type { CausalLM } from '../../../lib/pretrained';
import type { Batch } from '../../../lib/types';
import { assertClose } from '../../support/assert-close';
import { batch, GOLDEN, loadGolden } from '../families/gpt2-suite';
import { embeddingNoise } from '../../../lib/models/train/embedding-noise';

const golden = JSON.parse(readFileSync(path.join(GOLDEN, 'golden-losses.json'), 'utf8')) as {
  smoothing: {
    epsilon: number;
    loss: number;
    norms: Record<string, number>;
    gradients: Record<string, number[]>;
  }[];
  neftune: { alpha: number; tokens: number; width: number; largest: number; std: number };
};

const norm = (values: Float32Array): number => Math.sqrt(values.reduce((sum, x) => sum + x * x, 0));

async function pass(
  model: CausalLM,
  options: Partial<BackwardRequest>,
): Promise<{ loss: number; gradients: Gradients }> {
  const gradients = allocateGradients(model.trainableParameters());
  const rows = options.batch ?? batch;
  const loss = await forwardBackward(model, gradients, {
    ...{ batch: rows, lossScale: 1 / countLabels(rows), accumulate: false, gradientCheckpointing: false },
    ...options,
  });
  return { loss, gradients };
}

for (const options of [{ threads: 1 }, { kind: 'eager' }] satisfies EngineOptions[]) {
  describe(`losses on ${JSON.stringify(options)}`, () => {
    let model: CausalLM;
    before(async () => (model = await loadGolden(options)));
    after(() => model.dispose());

    for (const wanted of golden.smoothing) {
      it(`label smoothing of ${wanted.epsilon}: loss and every gradient as LabelSmoother's`, async () => {
        const { loss, gradients } = await pass(model, { labelSmoothing: wanted.epsilon });
        assertClose([loss], [wanted.loss], { absolute: 1e-5, relative: 0 }, 'loss');
        for (const [name, size] of Object.entries(wanted.norms)) {
          const got = norm(gradients.byName.get(name) ?? new Float32Array());
          assertClose([got], [size], { absolute: 0, relative: 1e-4 }, name);
        }
        for (const [name, values] of Object.entries(wanted.gradients)) {
          const scale = Math.max(...values.map(Math.abs));
          const got = gradients.byName.get(name) ?? [];
          assertClose(got, values, { absolute: 1e-4 * scale, relative: 0 }, name);
        }
      });
    }

    it('smoothed gradients accumulate', async () => {
      const { gradients } = await pass(model, { labelSmoothing: 0.1 });
      const once = gradients.flat.slice();
      const lossScale = 1 / countLabels(batch);
      const again = { batch, lossScale, accumulate: true, gradientCheckpointing: false, labelSmoothing: 0.1 };
      await forwardBackward(model, gradients, again);
      const scale = once.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
      assertClose(
        gradients.flat,
        once.map((x) => 2 * x),
        { absolute: 1e-5 * scale, relative: 0 },
        'twice',
      );
    });

    it('noise changes the loss, by its seed and step, and less with a smaller alpha', async () => {
      const lossWith = async (alpha: number, seed = 1, step = 0): Promise<number> =>
        (await pass(model, { noise: { alpha, seed, step } })).loss;
      const plain = (await pass(model, {})).loss;
      const noisy = await lossWith(5);
      assert.equal(await lossWith(5), noisy);
      assert.notEqual(await lossWith(5, 2), noisy);
      assert.notEqual(await lossWith(5, 1, 1), noisy);
      assert.ok(Math.abs(noisy - plain) > 1e-3);
      assert.ok(Math.abs((await lossWith(0.01)) - plain) < 0.02 * Math.abs(noisy - plain) + 1e-5);
    });
  });
}

describe('NEFTune noise', () => {
  const { alpha, tokens, width, largest, std } = golden.neftune;
  let model: CausalLM;
  before(async () => (model = await loadGolden()));
  after(() => model.dispose());

  /** What noise adds to the embeddings. */
  async function noiseOf(rows: Batch, step: number): Promise<Float32Array> {
    return embeddingNoise(rows, width, { alpha, seed: 11, step });
  }
  const plainRows = (real: number, T: number, segments?: number[]): Batch => ({
    shape: [1, T],
    inputIds: new Int32Array(T).fill(1),
    attentionMask: Int32Array.from({ length: T }, (_, t) => Number(t < real)),
    labels: new Int32Array(T).fill(1),
    segmentIds: segments === undefined ? undefined : Int32Array.from(segments),
  });
  const deviation = (values: ArrayLike<number>): number =>
    Math.sqrt(Array.from(values).reduce((sum, x) => sum + x * x, 0) / values.length);

  it("has the size and the spread of transformers' noise", async () => {
    const values: number[] = [];
    for (let step = 0; step < 50; step++) values.push(...(await noiseOf(plainRows(tokens, tokens), step)));
    const most = values.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    assert.ok(most <= alpha / Math.sqrt(tokens * width), `${most}`);
    assert.ok(Math.abs(most / largest - 1) < 1e-3, `${most} instead of ${largest}`);
    assert.ok(Math.abs(deviation(values) / std - 1) < 0.01, `${deviation(values)} instead of ${std}`);
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    assert.ok(Math.abs(mean) < (5 * std) / Math.sqrt(values.length), `mean ${mean}`);
  });

  it('goes by the real tokens: padding gets none and makes no difference', async () => {
    const [bare, padded] = [await noiseOf(plainRows(8, 8), 3), await noiseOf(plainRows(8, 32), 3)];
    assert.deepEqual(padded.subarray(0, 8 * width), bare);
    assert.ok(padded.subarray(8 * width).every((x) => x === 0));
  });

  it('goes by the document where documents are packed', async () => {
    const segments = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, -1, -1];
    const packed = await noiseOf(plainRows(10, 12, segments), 3);
    const long = deviation(packed.subarray(0, 8 * width));
    const short = deviation(packed.subarray(8 * width, 10 * width));
    assert.ok(Math.abs(short / long - 2) < 0.3, `${short} and ${long}`); // sqrt(8 / 2)
    assert.ok(packed.subarray(10 * width).every((x) => x === 0));
  });

  it('is reproducible: a resumed run draws what the first run drew, also after an update', () => {
    const first = [...uniformNoise({ seed: 1, step: 2, layer: -1, site: 1 }, 4)].map((x) => x.toFixed(6));
    assert.deepEqual(first, PINNED);
  });

  it('is not the draw of the embedding dropout', async () => {
    const noise = uniformNoise({ seed: 1, step: 2, layer: -1, site: 1 }, 1000);
    const other = uniformNoise({ seed: 1, step: 2, layer: -1, site: 0 }, 1000);
    const product = noise.reduce((sum, x, i) => sum + x * other[i], 0) / 1000;
    assert.ok(Math.abs(product) < 5 / 3 / Math.sqrt(1000), `${product}`);
  });
});

const PINNED = ['-0.358334', '0.826085', '-0.080392', '0.438040'];
