/** The operations that are more than one kernel: cross-entropy in tiles, attention with a cache, dropout masks. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  ACTIVATIONS,
  activation,
  attention,
  createEngine,
  dropoutMask,
  linearCrossEntropy,
  MASKED,
  mergeHeads,
  plainActivation,
  plainLinearCrossEntropy,
  splitHeads,
  tf,
} from '../../lib/engine';
import type { Engine, LinearCrossEntropyRequest, TensorFunction } from '../../lib/engine';
import { assertClose } from '../support/assert-close';
import { normal } from './kernels/kernel-case';

describe('operations', () => {
  let engine: Engine;
  let eager: Engine;
  before(async () => {
    engine = await createEngine({ threads: 1 });
    eager = await createEngine({ kind: 'eager' });
  });
  after(() => engine.dispose());

  describe('linearCrossEntropy', () => {
    const [R, C] = [6, 4];
    // One tile, exactly two, and three of which the last is short (a tile of so few rows holds 8,192 tokens).
    for (const V of [11, 16_384, 20_001]) {
      for (const kind of ['compiled', 'eager'] as const) {
        it(`equals the plain form, V = ${V}, ${kind}`, async () => {
          const here = kind === 'compiled' ? engine : eager;
          const request = example(R, C, V);
          const wanted = reference(request);
          const dWeight = new Float32Array(V * C).fill(NaN);
          const got = await linearCrossEntropy(here, { ...request, gradients: { weight: dWeight } });
          assertClose([got.loss], [wanted.loss], { absolute: 1e-5, relative: 1e-5 }, 'loss');
          const tolerance = { absolute: 2e-6, relative: 1e-4 };
          assertClose(got.dX ?? [], wanted.dX, tolerance, 'd x');
          assertClose(dWeight, wanted.dWeight, tolerance, 'd weight');
        });
      }
    }

    for (const kind of ['compiled', 'eager'] as const) {
      for (const V of [11, 9000]) {
        it(`smoothed labels equal the plain form, V = ${V}, ${kind}`, async () => {
          const here = kind === 'compiled' ? engine : eager;
          const request = { ...example(R, C, V), smoothing: 0.3 };
          const wanted = reference(request);
          const dWeight = new Float32Array(V * C).fill(0.25);
          const gradients = { weight: dWeight, accumulate: true };
          const got = await linearCrossEntropy(here, { ...request, gradients });
          assertClose([got.loss], [wanted.loss], { absolute: 1e-5, relative: 1e-5 }, 'loss');
          assert.ok(Math.abs(wanted.loss - reference({ ...request, smoothing: 0 }).loss) > 0.01);
          const tolerance = { absolute: 2e-6, relative: 1e-4 };
          assertClose(got.dX ?? [], wanted.dX, tolerance, 'd x');
          const sum = wanted.dWeight.map((value) => value + 0.25);
          assertClose(dWeight, sum, tolerance, 'd weight');
          const frozen = await linearCrossEntropy(here, { ...request, gradients: {} });
          assertClose(frozen.dX ?? [], wanted.dX, tolerance, 'd x, frozen head');
          const alone = await linearCrossEntropy(here, request);
          assertClose([alone.loss], [wanted.loss], { absolute: 1e-5, relative: 1e-5 }, 'loss alone');
        });
      }
    }

    it('returns the loss alone when no gradients are requested', async () => {
      const request = example(R, C, 9000);
      const alone = await linearCrossEntropy(engine, request);
      const full = await linearCrossEntropy(engine, { ...request, gradients: {} });
      assert.equal(alone.dX, undefined);
      assertClose([alone.loss], [full.loss], { absolute: 1e-6, relative: 1e-6 }, 'loss');
    });

    it('leaves out the gradient of a frozen head', async () => {
      const request = example(R, C, 9000);
      const { dX } = await linearCrossEntropy(engine, { ...request, gradients: {} });
      assertClose(dX ?? [], reference(request).dX, { absolute: 2e-6, relative: 1e-4 }, 'd x');
    });

    it('accumulates into the gradient that is there', async () => {
      const request = example(R, C, 9000);
      const dWeight = new Float32Array(9000 * C).fill(0.25);
      await linearCrossEntropy(engine, { ...request, gradients: { weight: dWeight, accumulate: true } });
      const wanted = reference(request).dWeight.map((value) => value + 0.25);
      assertClose(dWeight, wanted, { absolute: 2e-6, relative: 1e-5 }, 'd weight');
    });

    for (const [what, more] of [
      ['the sum of the rows', {}],
      [
        'another loss of them',
        {
          weigh: (rowLosses: Float64Array) => ({
            loss: rowLosses.reduce((sum, one) => sum + one ** 2, 0),
            rowWeights: Float32Array.from(rowLosses, (one) => 2 * one),
          }),
        },
      ],
    ] as const)
      it(`rows at a time give what all at once give: ${what}`, async () => {
        const [rows, V] = [40, 8300];
        const request = { ...example(rows, C, V), ...more };
        const run = async (
          bytes?: number,
        ): Promise<{ loss: number; dX?: Float32Array; weight: Float32Array }> => {
          const weight = new Float32Array(V * C).fill(NaN);
          const result = await linearCrossEntropy(engine, { ...request, gradients: { weight } }, bytes);
          return { ...result, weight };
        };
        const [whole, inParts] = [await run(), await run(4 * 16 * V)];
        const tolerance = { absolute: 2e-6, relative: 1e-4 };
        assertClose([inParts.loss], [whole.loss], { absolute: 0, relative: 1e-6 }, 'loss');
        assertClose(inParts.dX ?? [], whole.dX ?? [], tolerance, 'd x');
        assertClose(inParts.weight, whole.weight, tolerance, 'd weight');
      });

    it('rows of weight 0 count for nothing', async () => {
      const request = example(R, C, 50);
      const rowWeights = request.rowWeights.map((value, row) => (row === 2 ? 0 : value));
      const dWeight = new Float32Array(50 * C);
      const got = await linearCrossEntropy(engine, {
        ...request,
        rowWeights,
        gradients: { weight: dWeight },
      });
      const wanted = reference({ ...request, rowWeights });
      assertClose([got.loss], [wanted.loss], { absolute: 1e-5, relative: 1e-5 }, 'loss');
      assert.deepEqual([...(got.dX ?? []).slice(2 * C, 3 * C)], [0, 0, 0, 0]);
      assertClose(dWeight, wanted.dWeight, { absolute: 2e-6, relative: 1e-4 }, 'd weight');
    });

    it('survives logits whose exponentials overflow', async () => {
      const request = example(2, 2, 3);
      const x = { data: Float32Array.of(200, 0, 0, 200), shape: [2, 2] };
      const weight = { data: Float32Array.of(1, 0, 0, 1, 0, 0), shape: [3, 2] };
      const result = await linearCrossEntropy(engine, {
        ...request,
        x,
        weight,
        labels: Int32Array.of(0, 2),
        rowWeights: Float32Array.of(1, 1),
        gradients: {},
      });
      assertClose([result.loss], [200], { absolute: 1e-4, relative: 0 }, 'loss');
      assert.ok((result.dX ?? []).every(Number.isFinite));
    });
  });

  describe('attention', () => {
    const [B, H, T, D] = [2, 3, 4, 5];
    const float = (...shape: number[]): { shape: number[]; dtype: 'float32' } => ({
      shape,
      dtype: 'float32',
    });

    const withCache = async (tokens: number): Promise<void> => {
      const [P, S] = [3, tokens];
      const cached: TensorFunction = ({ query, key, value, bias, pastKey, pastValue }) => ({
        y: attention({ query, key, value, bias, pastKey, pastValue }),
      });
      const joined: TensorFunction = (i) => ({
        y: attention({
          query: i.query,
          key: tf.concat([i.pastKey, i.key], 2),
          value: tf.concat([i.pastValue, i.value], 2),
          bias: i.bias,
        }),
      });
      const signature = {
        query: float(B, H, S, D),
        key: float(B, H, S, D),
        value: float(B, H, S, D),
        pastKey: float(B, H, P, D),
        pastValue: float(B, H, P, D),
        bias: float(B, 1, S, P + S),
      };
      const feeds = Object.fromEntries(
        Object.entries(signature).map(([name, { shape }], i) => [name, normal(shape, i + 3)]),
      );
      feeds.bias = {
        data: feeds.bias.data.map((value) => (value > 0.8 ? MASKED : 0)),
        shape: feeds.bias.shape,
      };
      const wanted = (await (await eager.compile(joined, signature)).run(feeds)).y;
      for (const here of [engine, eager]) {
        const got = (await (await here.compile(cached, signature)).run(feeds)).y;
        assertClose(got.data, wanted.data, { absolute: 1e-5, relative: 1e-5 }, here.name);
      }
    };
    it('with a cache equals attention over all keys, for fewer tokens than a head is wide', () =>
      withCache(D - 1));
    it('with a cache equals attention over all keys, for more tokens', () => withCache(D + 1));

    it('a row that may attend to nothing stays finite', async () => {
      const fn: TensorFunction = (i) => ({
        y: attention({ query: i.q, key: i.q, value: i.q, bias: i.bias }),
      });
      const signature = { q: float(1, 1, 2, 3), bias: float(1, 1, 2, 2) };
      const bias = { data: new Float32Array(4).fill(MASKED), shape: [1, 1, 2, 2] };
      const { y } = await (await engine.compile(fn, signature)).run({ q: normal([1, 1, 2, 3], 1), bias });
      assert.ok(y.data.every(Number.isFinite));
    });

    it('splitHeads and mergeHeads undo each other, and put head h of token t where it belongs', async () => {
      const fn: TensorFunction = ({ x }) => ({
        split: splitHeads(x, H),
        merged: mergeHeads(splitHeads(x, H)),
      });
      const x = normal([B, T, H * D], 5);
      const { split, merged } = await (await engine.compile(fn, { x: float(B, T, H * D) })).run({ x });
      assert.deepEqual(merged, x);
      assert.deepEqual(split.shape, [B, H, T, D]);
      const [b, h, t, d] = [1, 2, 3, 4];
      assert.equal(split.data[((b * H + h) * T + t) * D + d], x.data[(b * T + t) * H * D + h * D + d]);
    });
  });

  for (const name of ACTIVATIONS) {
    it(`activation ${name} equals its plain form, compiled`, async () => {
      const x = normal([3, 40], 8);
      const signature = { x: { shape: [3, 40], dtype: 'float32' as const } };
      const plain = await eager.compile(({ x: t }) => ({ y: plainActivation(name, t) }), signature);
      const fused = await engine.compile(({ x: t }) => ({ y: activation(name, t) }), signature);
      const [wanted, got] = [(await plain.run({ x })).y, (await fused.run({ x })).y];
      assertClose(got.data, wanted.data, { absolute: 2e-6, relative: 2e-6 }, name);
    });
  }

  describe('dropoutMask', () => {
    const key = { seed: 1, step: 2, layer: 3, site: 4 };

    it('is a function of its key alone', () => {
      const mask = dropoutMask(key, 1001, 0.1);
      assert.deepEqual(dropoutMask({ ...key }, 1001, 0.1), mask);
      for (const change of [{ seed: 2 }, { step: 3 }, { layer: 4 }, { layer: -1 }, { site: 5 }]) {
        const other = dropoutMask({ ...key, ...change }, 1001, 0.1);
        assert.notDeepEqual(other, mask, JSON.stringify(change));
      }
      // Pinned: a resumed run must draw what the first run drew, also after an update of this library.
      const first = [...dropoutMask(key, 24, 0.5)].map((value) => (value === 0 ? '0' : '1')).join('');
      assert.equal(first, PINNED);
    });

    for (const rate of [0.05, 0.1, 0.5, 0.9]) {
      it(`drops ${rate} of the elements and scales the others`, () => {
        const length = 200_000;
        const mask = dropoutMask(key, length, rate);
        const values = new Set(mask);
        const share = Math.round(rate * 65536) / 65536;
        assert.deepEqual([...values].sort(), [0, Math.fround(1 / (1 - share))]);
        const dropped = mask.reduce((total, value) => total + (value === 0 ? 1 : 0), 0);
        // Five standard deviations of a binomial count.
        const spread = 5 * Math.sqrt(length * rate * (1 - rate));
        assert.ok(Math.abs(dropped - rate * length) < spread, `${dropped} of ${length}`);
      });
    }

    it('neighbours, and masks of neighbouring steps, layers and sites, are independent', () => {
      const length = 100_000;
      const bits = (mask: Float32Array): Float32Array => mask.map((value) => (value === 0 ? -1 : 1));
      const base = bits(dropoutMask(key, length, 0.5));
      const others: Record<string, Float32Array> = {
        'next element': base.slice(1),
        'element after the next': base.slice(2),
        step: bits(dropoutMask({ ...key, step: 3 }, length, 0.5)),
        layer: bits(dropoutMask({ ...key, layer: 4 }, length, 0.5)),
        site: bits(dropoutMask({ ...key, site: 5 }, length, 0.5)),
        'step and site swapped': bits(dropoutMask({ ...key, step: 4, site: 2 }, length, 0.5)),
      };
      for (const [name, other] of Object.entries(others)) {
        const sum = other.reduce((total, value, i) => total + value * base[i], 0);
        assert.ok(Math.abs(sum) < 5 * Math.sqrt(length), `${name}: correlation ${sum / length}`);
      }
    });

    it('rate 0 keeps everything', () => {
      assert.ok(dropoutMask(key, 100, 0).every((value) => value === 1));
    });
  });
});

const PINNED = '100001111110011011101111';

function example(R: number, C: number, V: number): LinearCrossEntropyRequest {
  const labels = Int32Array.from({ length: R }, (_, row) => Math.floor(((row + 0.5) / R) * V));
  labels[0] = 0;
  labels[R - 1] = V - 1;
  const rowWeights: Float32Array = Float32Array.from({ length: R }, (_, row) => (row + 1) / R);
  return { x: normal([R, C], 3), weight: normal([V, C], 4), labels, rowWeights };
}

function reference(request: LinearCrossEntropyRequest): {
  loss: number;
  dX: Float32Array;
  dWeight: Float32Array;
} {
  tf.setBackend('cpu');
  return tf.tidy(() => {
    const [x, weight] = [request.x, request.weight].map(({ data, shape }) => tf.tensor(data, [...shape]));
    const loss = (a: tf.Tensor, b: tf.Tensor): tf.Tensor =>
      plainLinearCrossEntropy(
        a,
        b,
        tf.tensor(request.labels),
        tf.tensor(request.rowWeights),
        request.smoothing,
      );
    const { value, grads } = tf.valueAndGrads(loss as Parameters<typeof tf.valueAndGrads>[0])([x, weight]);
    return {
      loss: value.dataSync()[0],
      dX: grads[0].dataSync() as Float32Array,
      dWeight: grads[1].dataSync() as Float32Array,
    };
  });
}
