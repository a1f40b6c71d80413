/** Products by codes that a function is built with: ONNX Runtime rounds x to 8 bits per block, and nothing else. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createEngine, linearCodes } from '../../lib/engine';
import type { BuiltFunction } from '../../lib/engine';
import { assertClose } from '../support/assert-close';
import { normal } from './kernels/kernel-case';

const [OUT, WIDTH, BLOCK] = [24, 96, 32];

for (const bits of [8, 4] as const)
  for (const rows of [1, 5])
    test(`${bits} bits, ${rows} rows`, async (t) => {
      const engine = await createEngine({ provider: 'cpu', threads: 1 });
      t.after(() => engine.dispose());
      const blocks = WIDTH / BLOCK;
      const bytes = (BLOCK * bits) / 8;
      const codes = Uint8Array.from({ length: OUT * blocks * bytes }, (_, i) => (i * 37 + 11) & 255);
      const scales = normal([OUT * blocks], 1);
      const built = await engine.build({
        fn: ({ x, codes: own, scales: ofBlocks }) => ({
          y: linearCodes(x, { codes: own, scales: ofBlocks, bits }),
        }),
        signature: { x: { shape: [rows, WIDTH], dtype: 'float32' } },
        constants: { codes: { data: codes, shape: [OUT, blocks, bytes] }, scales },
      });
      const x = normal([rows, WIDTH], 2);
      const { y } = await built.run({ x });

      const code = (out: number, i: number): number => {
        const at = out * WIDTH + i;
        if (bits === 8) return codes[at] - 128;
        return (i % 2 === 0 ? codes[at >> 1] & 15 : codes[at >> 1] >> 4) - 8;
      };
      const rounded = roundedInBlocks(x.data as Float32Array);
      const wanted = Float32Array.from({ length: rows * OUT }, (_, at) => {
        const [row, out] = [Math.floor(at / OUT), at % OUT];
        let sum = 0;
        for (let i = 0; i < WIDTH; i++)
          sum += rounded[row * WIDTH + i] * code(out, i) * scales.data[out * blocks + Math.floor(i / BLOCK)];
        return sum;
      });
      assertClose(y.data, wanted, { absolute: 2e-3, relative: 1e-4 }, 'y');
      assert.ok(wanted.some((value) => Math.abs(value) > 10));
    });

test('a built function does not keep its constants: the session has them in a form of its own', async (t) => {
  const engine = await createEngine({ provider: 'cpu', threads: 1 });
  t.after(() => engine.dispose());
  const build = async (): Promise<[BuiltFunction, WeakRef<Uint8Array>]> => {
    const codes = new Uint8Array(OUT * WIDTH).fill(200);
    const built = await engine.build({
      fn: ({ x, codes: own, scales }) => ({ y: linearCodes(x, { codes: own, scales, bits: 8 }) }),
      signature: { x: { shape: [1, WIDTH], dtype: 'float32' } },
      constants: {
        codes: { data: codes, shape: [OUT, WIDTH / BLOCK, BLOCK] },
        scales: normal([(OUT * WIDTH) / BLOCK], 1),
      },
    });
    return [built, new WeakRef(codes)];
  };
  const [built, codes] = await build();
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  // A weak reference that has been read holds until the turn ends.
  for (let turn = 0; turn < 10 && codes.deref() !== undefined; turn++) {
    await nextTurn();
    collect();
  }
  assert.equal(codes.deref(), undefined);
  assert.ok((await built.run({ x: normal([1, WIDTH], 2) })).y.data.some((value) => value !== 0));
});

/** Each block of 32 values to the nearest of 255 multiples of its largest / 127. */
function roundedInBlocks(x: Float32Array): Float32Array {
  return x.map((value, i) => {
    const start = i - (i % BLOCK);
    const most = x
      .subarray(start, start + BLOCK)
      .reduce((largest, one) => Math.max(largest, Math.abs(one)), 0);
    const step = most / 127;
    return Math.round(value / step) * step;
  });
}
