/**
 * The compiled engine's promises: the forward/backward split equals autodiff, gradient checkpointing changes
 * nothing, functions are compiled once, nothing leaks.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createEngine, layerNorm, linear, tf } from '../../lib/engine';
import type { CompiledVjp, Engine, NamedTensors, TensorFunction, VjpRequest } from '../../lib/engine';
import type { HostTensor } from '../../lib/types';
import { assertClose } from '../support/assert-close';
import { normal } from './kernels/kernel-case';

const float = (...shape: number[]): { shape: number[]; dtype: 'float32' } => ({ shape, dtype: 'float32' });

/** A block with everything that a transformer's has: normalization, products, softmax, a residual stream. */
const block: TensorFunction = ({ x, gain, shift, w, v }: NamedTensors) => {
  const normed = layerNorm(x, gain, shift, 1e-5);
  const hidden = tf.tanh(linear(normed, w));
  const weights = tf.softmax(tf.matMul(hidden, hidden, false, true));
  return { y: tf.add(x, linear(tf.matMul(weights, hidden), v)), weights };
};
const signature = {
  x: float(2, 5, 6),
  gain: float(6),
  shift: float(6),
  w: float(6, 8),
  v: float(8, 6),
};
const feeds: Record<string, HostTensor> = Object.fromEntries(
  Object.entries(signature).map(([name, { shape }], i) => [name, normal(shape, i + 1)]),
);
const upstream = normal([2, 5, 6], 99);
const request: VjpRequest = { fn: block, signature, wrt: ['x', 'gain', 'shift', 'w', 'v'], output: 'y' };
const TOLERANCE = { absolute: 1e-5, relative: 1e-5 };

async function gradients(vjp: CompiledVjp): Promise<Record<string, HostTensor>> {
  const { residuals } = await vjp.forward(feeds);
  return vjp.backward(feeds, residuals, upstream);
}

describe('compiled engine', () => {
  let engine: Engine;
  let eager: Engine;
  before(async () => {
    engine = await createEngine({ threads: 1 });
    eager = await createEngine({ kind: 'eager' });
  });
  after(() => engine.dispose());

  it('names itself and its hardware', () => {
    assert.equal(engine.name, 'compiled:cpu');
    assert.equal(eager.name, 'eager:cpu');
  });

  it('forward and backward halves equal eager autodiff', async () => {
    const [ours, theirs] = [await engine.compileVjp(request), await eager.compileVjp(request)];
    const [mine, reference] = [await ours.forward(feeds), await theirs.forward(feeds)];
    assert.deepEqual(Object.keys(mine.outputs), ['y', 'weights']);
    for (const name of ['y', 'weights'])
      assertClose(mine.outputs[name].data, reference.outputs[name].data, TOLERANCE, name);
    const [got, wanted] = [await gradients(ours), await gradients(theirs)];
    assert.deepEqual(Object.keys(got).sort(), ['d_gain', 'd_shift', 'd_v', 'd_w', 'd_x']);
    for (const name of Object.keys(wanted)) {
      assert.deepEqual(got[name].shape, wanted[name].shape);
      assertClose(got[name].data, wanted[name].data, TOLERANCE, name);
    }
  });

  it('gradients for a subset of the inputs are the same', async () => {
    const all = await gradients(await engine.compileVjp(request));
    const some = await gradients(await engine.compileVjp({ ...request, wrt: ['v', 'x'] }));
    assert.deepEqual(Object.keys(some), ['d_v', 'd_x']);
    for (const name of ['d_v', 'd_x']) assertClose(some[name].data, all[name].data, TOLERANCE, name);
  });

  it('remat keeps no residuals and gives the same bits', async () => {
    const kept = await engine.compileVjp(request);
    const again = await engine.compileVjp({ ...request, remat: true });
    const { residuals, outputs } = await again.forward(feeds);
    assert.deepEqual(residuals, {});
    assert.equal(again.residualBytes, 0);
    assert.deepEqual(outputs, (await kept.forward(feeds)).outputs);
    assert.deepEqual(await gradients(again), await gradients(kept));
  });

  it('residualBytes is what a forward pass keeps, once per value', async () => {
    const vjp = await engine.compileVjp(request);
    const { residuals } = await vjp.forward(feeds);
    const bytes = Object.values(residuals).reduce((total, { data }) => total + data.byteLength, 0);
    assert.equal(vjp.residualBytes, bytes);
    // tanh [2,5,8], softmax [2,5,5], its product [2,5,8], normed [2,5,6], mean and inverse [2,5,1], and no more
    // than one further copy of the largest.
    const least = 4 * (80 + 50 + 80 + 60 + 20);
    assert.ok(bytes >= least - 4 * 60 && bytes <= least + 4 * 80, `${bytes} bytes, ${least} expected`);
  });

  it('several forward passes may come before their backward passes', async () => {
    const vjp = await engine.compileVjp(request);
    const other = { ...feeds, x: normal([2, 5, 6], 50) };
    const [first, second] = [await vjp.forward(feeds), await vjp.forward(other)];
    const late = await vjp.backward(other, second.residuals, upstream);
    const early = await vjp.backward(feeds, first.residuals, upstream);
    assert.deepEqual(early, await gradients(vjp));
    assert.notDeepEqual(late, early);
  });

  for (const kind of ['compiled', 'eager'] as const) {
    it(`accumulate adds to the buffer, ${kind}`, async () => {
      const here = kind === 'compiled' ? engine : eager;
      const once = await gradients(await here.compileVjp(request));
      const vjp = await here.compileVjp({ ...request, accumulate: ['w'] });
      const buffer = Float32Array.from(once.d_w.data);
      const sums = { ...feeds, acc_w: { data: buffer, shape: [6, 8] } };
      const { residuals } = await vjp.forward(feeds);
      const result = await vjp.backward(sums, residuals, upstream, { into: { d_w: buffer } });
      assert.equal(result.d_w.data, buffer);
      const twice = Float32Array.from(once.d_w.data, (value) => 2 * value);
      assertClose(buffer, twice, { absolute: 1e-6, relative: 1e-6 }, 'sum');
      assertClose(result.d_v.data, once.d_v.data, TOLERANCE, 'd_v');
    });

    it(`writes outputs into the caller's buffers, ${kind}`, async () => {
      const here = kind === 'compiled' ? engine : eager;
      const whole = new Float32Array(10).fill(7);
      const doubled = await here.compile(({ a }) => ({ y: tf.mul(a, 2) }), { a: float(4) });
      const a = { data: Float32Array.of(1, 2, 3, 4), shape: [4] };
      const { y } = await doubled.run({ a }, { into: { y: whole.subarray(3, 7) } });
      assert.deepEqual([...whole], [7, 7, 7, 2, 4, 6, 8, 7, 7, 7]);
      assert.equal(y.data.buffer, whole.buffer);
    });

    it(`an output may be an input, a constant, or another output, ${kind}`, async () => {
      const here = kind === 'compiled' ? engine : eager;
      const fn: TensorFunction = ({ a }) => {
        const y = tf.square(a);
        return { a, y, z: y, c: tf.tensor1d([5, 6]), n: tf.cast(tf.greater(a, 0), 'int32') };
      };
      const results = await (
        await here.compile(fn, { a: float(2) })
      ).run({ a: { data: Float32Array.of(-3, 2), shape: [2] } });
      const plain = Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, [...data]]));
      assert.deepEqual(plain, { a: [-3, 2], y: [9, 4], z: [9, 4], c: [5, 6], n: [0, 1] });
      assert.ok(results.n.data instanceof Int32Array);
    });
  }

  it('compiles a function once per signature', async () => {
    const square: TensorFunction = ({ a }) => ({ y: tf.square(a) });
    const first = await engine.compile(square, { a: float(2) });
    assert.equal(await engine.compile(square, { a: float(2) }), first);
    assert.notEqual(await engine.compile(square, { a: float(3) }), first);
    assert.notEqual(await engine.compile(square, { a: { shape: [2], dtype: 'int32' } }), first);
    assert.notEqual(await engine.compile(({ a }) => ({ y: tf.square(a) }), { a: float(2) }), first);
    const both = await Promise.all([1, 2].map(() => engine.compile(square, { a: float(4) })));
    assert.equal(both[0], both[1]);

    const vjp = await engine.compileVjp(request);
    assert.equal(await engine.compileVjp({ ...request }), vjp);
    assert.notEqual(await engine.compileVjp({ ...request, remat: true }), vjp);
    assert.notEqual(await engine.compileVjp({ ...request, wrt: ['x'] }), vjp);
    assert.notEqual(await engine.compileVjp({ ...request, accumulate: ['w'] }), vjp);
  });

  it('constants from outside serve several traces and stay usable', async () => {
    const outside = tf.tensor1d([1, 2, 3]);
    const cube = tf.tensor1d([2, 2, 2]);
    const run = async (fn: TensorFunction): Promise<number[]> => {
      const compiled = await engine.compile(fn, { a: float(3) });
      return [...(await compiled.run({ a: { data: Float32Array.of(1, 1, 1), shape: [3] } })).y.data];
    };
    assert.deepEqual(await run(({ a }) => ({ y: tf.add(tf.mul(a, cube), outside) })), [3, 4, 5]);
    assert.deepEqual(await run(({ a }) => ({ y: tf.mul(tf.add(a, outside), cube) })), [4, 6, 8]);
    assert.deepEqual([...outside.dataSync()], [1, 2, 3]);
    tf.dispose([outside, cube]);
  });

  it('leaves TensorFlow.js on the backend that was in use', async () => {
    const before = tf.getBackend();
    await engine.compile(({ a }) => ({ y: tf.exp(a) }), { a: float(2) });
    assert.equal(tf.getBackend(), before);
    await assert.rejects(engine.compile(({ a }) => ({ y: tf.cosh(a) }), { a: float(2) }));
    assert.equal(tf.getBackend(), before);
  });

  it('leaks nothing over 100 steps', async () => {
    const step = async (): Promise<void> => {
      const accumulate = await engine.compileVjp({ ...request, accumulate: ['w'] });
      const buffer = new Float32Array(48);
      const { residuals } = await accumulate.forward(feeds);
      const sums = { ...feeds, acc_w: { data: buffer, shape: [6, 8] } };
      await accumulate.backward(sums, residuals, upstream, { into: { d_w: buffer } });
      await gradients(await eager.compileVjp(request));
    };
    await step();
    const counts = (): number[] => [
      tf.memory().numTensors,
      tf.memory().numDataBuffers,
      tf.findBackend('tunebook-trace').numDataIds(),
      tf.findBackend('cpu').numDataIds(),
    ];
    const start = counts();
    for (let i = 0; i < 100; i++) await step();
    assert.deepEqual(counts(), start);
    // Traces themselves, failed ones included, leave nothing either.
    for (let i = 0; i < 5; i++) {
      const scaled: TensorFunction = (inputs) => ({ y: tf.mul(block(inputs).y, i + 2) });
      await engine.compileVjp({ ...request, fn: scaled });
      await assert.rejects(engine.compile(({ x }) => ({ y: tf.cosh(tf.square(x)) }), { x: float(2) }));
    }
    assert.deepEqual(counts(), start);
  });

  it('residual buffers are reused: memory stays flat over 100 steps', async () => {
    // 8 MiB of residuals per pass: 100 passes without reuse would need 800 MiB.
    const wide: TensorFunction = ({ x, w }) => ({ y: tf.sum(tf.tanh(tf.mul(x, w))) });
    const size = 2 * 1024 * 1024;
    const vjp = await engine.compileVjp({
      fn: wide,
      signature: { x: float(size), w: float(1) },
      wrt: ['w'],
      output: 'y',
    });
    assert.equal(vjp.residualBytes, 4 * size);
    const inputs = {
      x: { data: new Float32Array(size).fill(0.5), shape: [size] },
      w: { data: Float32Array.of(1), shape: [1] },
    };
    const one = { data: Float32Array.of(1), shape: [] };
    const buffers = new Set<unknown>();
    const step = async (): Promise<void> => {
      const { residuals } = await vjp.forward(inputs);
      for (const { data } of Object.values(residuals)) buffers.add(data.buffer);
      await vjp.backward(inputs, residuals, one);
    };
    for (let i = 0; i < 10; i++) await step();
    const before = process.memoryUsage().rss;
    for (let i = 0; i < 100; i++) await step();
    const grown = process.memoryUsage().rss - before;
    assert.equal(buffers.size, 1);
    assert.ok(grown < 100 * 1024 * 1024, `grew by ${grown} bytes`);
  });
});
