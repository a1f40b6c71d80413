/**
 * The WebAssembly backend as this library starts it: its threads, its kernels against the cpu backend's, and
 * nothing left behind in the process.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { getThreadsCount } from '@tensorflow/tfjs-backend-wasm';
import { createEngine, tf } from '../../../lib/engine';
import type { Engine, TensorFunction } from '../../../lib/engine';
import { assertClose } from '../../support/assert-close';
import { compareKernel, describeInputs } from '../kernels/compare-kernel';
import { elementwiseCases } from '../kernels/elementwise-cases';
import { normal } from '../kernels/kernel-case';
import { structureCases } from '../kernels/structure-cases';
import { ROOT } from '../../support/paths';

describe('wasm backend', () => {
  let wasm: Engine;
  let cpu: Engine;
  let compiled: Engine;
  before(async () => {
    cpu = await createEngine({ kind: 'eager', backend: 'cpu' });
    wasm = await createEngine({ kind: 'eager', backend: 'wasm', threads: 2 });
    compiled = await createEngine({ threads: 1 });
  });
  after(() => compiled.dispose());

  it('is named, and runs as many threads as requested', async () => {
    assert.equal(wasm.name, 'eager:wasm');
    assert.equal(getThreadsCount(), 2);
    await createEngine({ kind: 'eager', backend: 'wasm', threads: 1 });
    assert.equal(getThreadsCount(), 1);
    await createEngine({ kind: 'eager', backend: 'wasm', threads: 2 });
    assert.equal(getThreadsCount(), 2);
  });

  it('leaves no handler of its own on the process', () => {
    const text = [...process.listeners('uncaughtException'), ...process.listeners('unhandledRejection')]
      .map(String)
      .join();
    assert.doesNotMatch(text, /ExitStatus/);
  });

  it('lets the process end', () => {
    const door = path.join(ROOT, '.build', 'lib', 'engine');
    const program = `require(${JSON.stringify(door)}).createEngine({ kind: 'eager', backend: 'wasm', threads: 2 })`;
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['-e', `${program}.then(() => console.log('up'))`],
      {
        encoding: 'utf8',
        timeout: 30_000,
      },
    );
    assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: 'up\n', stderr: '' });
  });

  describe('kernels equal those of the cpu backend', () => {
    for (const [kernel, list] of Object.entries({ ...elementwiseCases, ...structureCases })) {
      it(kernel, async (t) => {
        for (const [index, test] of list.entries()) {
          await t.test(`${index}: ${describeInputs(test)} ${JSON.stringify(test.attrs ?? {})}`, () =>
            compareKernel({ subject: wasm, reference: cpu }, kernel, test, index + kernel.length),
          );
        }
      });
    }
  });

  describe('matrix products', () => {
    const batches: [number[], number[]][] = [
      [[], []],
      [[3], [3]],
      [[1], [4]],
      [[4], [1]],
      [
        [2, 3],
        [2, 3],
      ],
      [
        [2, 1],
        [1, 3],
      ],
      [[2, 3], [3]],
    ];
    for (const [batchA, batchB] of batches) {
      for (const [transposeA, transposeB] of [
        [false, false],
        [false, true],
        [true, false],
        [true, true],
      ]) {
        it(`[${batchA}] x [${batchB}], transposed ${transposeA} ${transposeB}`, async () => {
          const [M, K, N] = [37, 50, 29];
          const a = [...batchA, ...(transposeA ? [K, M] : [M, K])];
          const b = [...batchB, ...(transposeB ? [N, K] : [K, N])];
          const fn: TensorFunction = (i) => ({ y: tf.matMul(i.a, i.b, transposeA, transposeB) });
          const feeds = { a: normal(a, 1), b: normal(b, 2) };
          const signature = {
            a: { shape: a, dtype: 'float32' as const },
            b: { shape: b, dtype: 'float32' as const },
          };
          // ONNX Runtime's: TensorFlow.js's cpu backend gets [2, 1] x [1, 3] wrong.
          const wanted = (await (await compiled.compile(fn, signature)).run(feeds)).y;
          const got = (await (await wasm.compile(fn, signature)).run(feeds)).y;
          assert.deepEqual(got.shape, wanted.shape);
          assertClose(got.data, wanted.data, { absolute: 1e-4, relative: 1e-4 }, 'product');
        });
      }
    }

    it('transposed ones take at most a few times as long as the plain one', async () => {
      const size = 384;
      await createEngine({ kind: 'eager', backend: 'wasm', threads: 1 });
      await tf.setBackend('wasm');
      const [a, b] = [tf.randomNormal([size, size]), tf.randomNormal([size, size])];
      const best = (transposeA: boolean, transposeB: boolean): number => {
        let ms = Infinity;
        for (let i = 0; i < 8; i++) {
          const started = performance.now();
          tf.tidy(() => tf.matMul(a, b, transposeA, transposeB).dataSync());
          ms = Math.min(ms, performance.now() - started);
        }
        return ms;
      };
      const plain = best(false, false);
      // TensorFlow.js's own kernel: 10 to 40 times.
      for (const transposes of [
        [false, true],
        [true, false],
        [true, true],
      ])
        assert.ok(best(transposes[0], transposes[1]) < 7 * plain, `${transposes}: over 7 times ${plain} ms`);
      tf.dispose([a, b]);
    });

    it('leak nothing', async () => {
      const fn: TensorFunction = (i) => ({ y: tf.matMul(i.a, i.a, false, true) });
      const product = await wasm.compile(fn, { a: { shape: [3, 8, 8], dtype: 'float32' } });
      const run = (): Promise<unknown> => product.run({ a: normal([3, 8, 8], 1) });
      await run();
      const counts = (): number[] => [tf.memory().numTensors, tf.findBackend('wasm').numDataIds()];
      const before = counts();
      for (let i = 0; i < 100; i++) await run();
      assert.deepEqual(counts(), before);
    });
  });
});
