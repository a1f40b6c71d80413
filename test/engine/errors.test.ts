/** What the engine refuses, and in which words: each message names the thing and says what to do. */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { after, before, describe, it } from 'node:test';
import { createEngine, layerNorm, linear, rmsNorm, tf } from '../../lib/engine';
import type { Engine, EngineOptions, NamedTensors, TensorFunction, VjpRequest } from '../../lib/engine';
import { cast } from '../../lib/engine/kernels/elementwise';
import { lower } from '../../lib/engine/kernels/registry';
import { TunebookError } from '../../lib/types';

const X = { shape: [2, 3], dtype: 'float32' } as const;
const N = { shape: [2], dtype: 'int32' } as const;
const square: TensorFunction = (inputs) => ({ y: tf.square(inputs.x) });

/** Rejected with a TunebookError whose message matches all of `parts`. */
async function refused(promise: Promise<unknown>, ...parts: RegExp[]): Promise<void> {
  await assert.rejects(promise, (error: unknown) => {
    assert.ok(error instanceof TunebookError, `expected a TunebookError, got ${String(error)}`);
    for (const part of parts) assert.match(error.message, part);
    return true;
  });
}

describe('engine errors', () => {
  let engine: Engine;
  let eager: Engine;
  before(async () => {
    engine = await createEngine();
    eager = await createEngine({ kind: 'eager' });
  });
  after(() => engine.dispose());

  describe('while a function is traced', () => {
    const cases: Record<string, [TensorFunction, ...RegExp[]]> = {
      'unknown kernel': [(i) => ({ y: tf.cosh(i.x) }), /'Cosh'/, /lib\/engine\/kernels/],
      dataSync: [(i) => ({ y: tf.mul(i.x, i.x.dataSync()[0]) }), /host read/, /\[2,3\]/, /tf\.where/],
      'arraySync of a result': [(i) => ({ y: tf.mul(i.x, Number(tf.sum(i.x).arraySync())) }), /by ReduceSum/],
      'inner sizes': [(i) => ({ y: tf.matMul(i.x, i.x) }), /matMul/, /\[2, 3\] and \[2, 3\]/],
      broadcast: [(i) => ({ y: tf.add(i.x, tf.zeros([4])) }), /\[2, 3\] and \[4\]/],
      reshape: [(i) => ({ y: tf.reshape(i.x, [4, 2]) }), /Size\(6\).*4,2/],
      slice: [(i) => ({ y: tf.slice(i.x, [0, 2], [2, 4]) }), /[Ss]lice/],
      concat: [(i) => ({ y: tf.concat([i.x, tf.ones([3, 3])], 1) }), /\[2, 3\] and \[3, 3\]/],
      'linear input': [(i) => ({ y: linear(i.x, tf.ones([4, 3])) }), /linear/, /\[2, 3\] and \[4, 3\]/],
      'linear bias': [(i) => ({ y: linear(i.x, tf.ones([3, 4]), tf.ones([3])) }), /bias of 4/, /\[3\]/],
      layerNorm: [(i) => ({ y: layerNorm(i.x, tf.ones([2]), tf.ones([3]), 1e-5) }), /layerNorm/, /\[2\]/],
      rmsNorm: [(i) => ({ y: rmsNorm(i.x, tf.ones([2]), 1e-5) }), /rmsNorm/, /\[2\]/],
      'boolean output': [(i) => ({ y: tf.greater(i.x, 0) }), /'y' of type bool/, /Cast/],
      'no outputs': [() => ({}), /by name/, /none/],
      'a bare tensor': [((i: NamedTensors) => tf.square(i.x)) as unknown as TensorFunction, /by name/],
      'a promise': [(async (i: NamedTensors) => ({ y: i.x })) as unknown as TensorFunction, /promise/],
      'an error of its own': [
        () => {
          throw new RangeError('out of eggs');
        },
        /failed while it was traced: out of eggs/,
      ],
    };
    for (const [title, [fn, ...parts]] of Object.entries(cases)) {
      it(title, () => refused(engine.compile(fn, { x: X }), ...parts));
    }

    it('a tensor that another trace kept', async () => {
      let kept: tf.Tensor = tf.scalar(0);
      await engine.compile((i) => ({ y: (kept = tf.keep(tf.square(i.x))) }), { x: X });
      await refused(
        engine.compile((i) => ({ y: tf.add(i.x, kept) }), { x: X }),
        /another traced function made/,
      );
      kept.dispose();
    });

    it('a failed compilation is retried, not cached', async () => {
      let fails = true;
      const fn: TensorFunction = (i) => ({ y: fails ? tf.cosh(i.x) : tf.square(i.x) });
      await refused(engine.compile(fn, { x: X }), /'Cosh'/);
      fails = false;
      const { y } = await (await engine.compile(fn, { x: X })).run({ x: ones([2, 3]) });
      assert.deepEqual([...y.data], [1, 1, 1, 1, 1, 1]);
    });
  });

  describe('gradient requests', () => {
    const two: TensorFunction = (i) => ({ y: tf.square(i.x), k: tf.cast(i.x, 'int32') });
    const request: VjpRequest = { fn: two, signature: { x: X, z: X, n: N }, wrt: ['x'], output: 'y' };
    const cases: Record<string, [Partial<VjpRequest>, ...RegExp[]]> = {
      'input without influence': [{ wrt: ['x', 'z'] }, /'z'/, /Leave it out of wrt/],
      'input that does not exist': [{ wrt: ['x', 'q'] }, /wrt of float32 inputs \(x, z\), got q/],
      'integer input': [{ wrt: ['n'] }, /got n/],
      'a name that the backward half takes': [{ signature: { x: X, upstream: X } }, /'upstream'\. Rename/],
      'no input at all': [{ wrt: [] }, /got none/],
      'output that does not exist': [{ output: 'q' }, /'q', got only y, k/],
      'integer output': [{ output: 'k' }, /'k', got type int32/],
      'accumulating what has no gradient': [
        { accumulate: ['z'] },
        /accumulate of float32 inputs \(x\), got z/,
      ],
    };
    for (const [title, [change, ...parts]] of Object.entries(cases)) {
      it(`${title}, compiled`, () => refused(engine.compileVjp({ ...request, ...change }), ...parts));
      it(`${title}, eager`, () => {
        const all = { x: ones([2, 3]), z: ones([2, 3]), n: { data: Int32Array.of(1, 2), shape: [2] } };
        const run = async (): Promise<unknown> =>
          (await eager.compileVjp({ ...request, ...change })).backward(all, {}, ones([2, 3]));
        return refused(run(), ...parts);
      });
    }
  });

  for (const kind of ['compiled', 'eager'] as const) {
    describe(`feeds, ${kind}`, () => {
      const compiled = async (): Promise<Awaited<ReturnType<Engine['compile']>>> =>
        (kind === 'compiled' ? engine : eager).compile(square, { x: X });
      const cases: Record<string, [Record<string, unknown>, ...RegExp[]]> = {
        missing: [{}, /'x' float32 \[2, 3\], got nothing/],
        shape: [{ x: ones([3, 2]) }, /float32 \[2, 3\], got float32 \[3, 2\]/, /compile it for these/],
        rank: [{ x: ones([6]) }, /got float32 \[6\]/],
        dtype: [{ x: { data: new Int32Array(6), shape: [2, 3] } }, /float32 \[2, 3\], got int32/],
        'float64 data': [{ x: { data: new Float64Array(6), shape: [2, 3] } }, /got Float64Array/],
        length: [{ x: { data: new Float32Array(5), shape: [2, 3] } }, /6 elements, got an array of 5/],
      };
      for (const [title, [feeds, ...parts]] of Object.entries(cases)) {
        it(title, async () => refused((await compiled()).run(feeds as never), ...parts));
      }
    });
  }

  it('a random operation inside a traced function', async () => {
    for (const draw of [
      (): tf.Tensor => tf.randomNormal([2, 3]),
      (): tf.Tensor => tf.randomUniform([2, 3]),
    ]) {
      const fn: TensorFunction = (i) => ({ y: tf.add(i.x, draw()) });
      await refused(engine.compile(fn, { x: X }), /without random operations/, /Feed them as an input/);
      await refused(
        engine.compileVjp({ fn, signature: { x: X }, wrt: ['x'], output: 'y' }),
        /without random operations/,
      );
    }
    assert.ok(Math.random() < 1); // as it was before
  });

  it('an output buffer of the wrong size', async () => {
    const fn = await engine.compile(square, { x: X });
    const into = { y: new Float32Array(5) };
    await refused(fn.run({ x: ones([2, 3]) }, { into }), /6 elements, got an array of 5/);
  });

  it('an operator whose recorded shape is not what ONNX Runtime makes', async () => {
    // How many elements are not zero is known at run time only; the recorded form claims two.
    lower('TestCountsWrong', ({ b, inputs }) =>
      cast(b, b.emit('NonZero', [b.value(inputs.x)], { shape: [1, 2], dtype: 'int64' }), 'int32'),
    );
    const fn: TensorFunction = (i) => ({
      y: tf.engine().runKernel('TestCountsWrong', { x: i.x }) as tf.Tensor,
    });
    const places = await engine.compile(fn, { x: { shape: [4], dtype: 'float32' } });
    const run = (...values: number[]): Promise<unknown> =>
      places.run({ x: { data: Float32Array.from(values), shape: [4] } });
    await run(0, 1, 0, 1);
    await assert.rejects(
      run(1, 1, 0, 1),
      /out\.y.* has shape \{1,2\} but the computed output shape for this run is \{1,3\}/,
    );
  });

  it('a function of an engine that was disposed', async () => {
    const other = await createEngine();
    const fn = await other.compile(square, { x: X });
    await other.dispose();
    await other.dispose();
    await refused(fn.run({ x: ones([2, 3]) }), /after dispose/);
  });

  describe('options', () => {
    const cases: Record<string, [unknown, RegExp]> = {
      'unknown option': [{ provder: 'cpu' }, /provder/],
      'unknown kind': [{ kind: 'lazy' }, /kind/],
      'unknown provider': [{ provider: 'tpu' }, /provider/],
      'unknown backend': [{ kind: 'eager', backend: 'webgl' }, /backend/],
      'negative threads': [{ threads: -1 }, /threads/],
      'fractional threads': [{ threads: 1.5 }, /threads/],
    };
    for (const [title, [options, part]] of Object.entries(cases)) {
      it(title, () => refused(createEngine(options as EngineOptions), /createEngine/, part));
    }

    it('the native backend where it is not installed', { skip: nativePackage() }, async () => {
      const places = [/tfjs-node-gpu/, /npm install @tensorflow\/tfjs-node-gpu/, /compiled engine/];
      await refused(createEngine({ kind: 'eager', backend: 'tensorflow' }), ...places);
    });

    it("a provider that this system's ONNX Runtime does not have", async () => {
      const provider = process.platform === 'darwin' ? 'cuda' : 'coreml';
      const other = await createEngine({ provider });
      await refused(
        other.compile(square, { x: X }),
        /providers \(.*cpu.*\)/,
        new RegExp(`got '${provider}'`),
      );
    });
  });
});

/** Why the message about a missing package cannot be tested: it is not missing, its library included. */
function nativePackage(): string | false {
  if (process.env.TUNEBOOK_TFJS_NODE !== undefined) return 'TUNEBOOK_TFJS_NODE names one';
  try {
    return `installed: ${createRequire(__filename).resolve('@tensorflow/tfjs-node-gpu/lib/napi-v8/tfjs_binding.node')}`;
  } catch {
    return false;
  }
}

function ones(shape: number[]): { data: Float32Array; shape: number[] } {
  const data: Float32Array = new Float32Array(shape.reduce((product, size) => product * size, 1)).fill(1);
  return { data, shape };
}
