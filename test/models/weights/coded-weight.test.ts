/** Weights that a function restores from codes: values, the gradient past them, and what is kept for it. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createEngine, linear, restoreCoded, signatureOf } from '../../../lib/engine';
import type { DeviceMemory, TensorFunction } from '../../../lib/engine';

import { weightFeeds } from '../../../lib/models/families/parts/linear';
import { canBeCoded, codedWeight } from '../../../lib/models/weights/coded-weight';
import { blockScales, dequantize, quantize } from '../../../lib/quantization';
import type { QuantizedTensor } from '../../../lib/quantization';
import { assertClose } from '../../support/assert-close';
import { normal } from '../../engine/kernels/kernel-case';

const [T, K, N] = [3, 64, 10];

/** The same with offsets between two codes, as other tools have them. */
function movedZeros({ zeros: _, ...rest }: QuantizedTensor): QuantizedTensor {
  return { ...rest, biases: blockScales(rest).map((scale, i) => scale * (i - 7.3)) };
}

for (const [quantType, blockSize, doubleQuant, isMoved] of [
  ['nf4', 64, true, false],
  // Blocks that go over the ends of rows.
  ['fp4', 128, false, false],
  ['int8', K, false, false],
  ['affine4', 32, false, false],
  ['affine4', 32, false, true],
  ['affine8', 64, false, false],
] as const) {
  for (const kind of ['compiled', 'eager'] as const) {
    it(`are those of dequantize, and so is the gradient: ${quantType}${isMoved ? ' with biases' : ''}, ${kind}`, async (t) => {
      const engine = await createEngine({ kind, threads: 1 });
      t.after(() => engine.dispose());
      const values = normal([N, K], 1).data as Float32Array;
      const quantized = quantize(values, { quantType, blockSize, doubleQuant, shape: [N, K] });
      const weight = isMoved ? movedZeros(quantized) : quantized;
      assert.ok(canBeCoded(weight));
      const device = { pin: () => undefined } as unknown as DeviceMemory;
      const feeds = { x: normal([T, K], 2), ...weightFeeds('m', codedWeight(device, weight)) };
      const fn: TensorFunction = ({ x, ...m }) => {
        const coded = {
          codes: m['m.weight.coded.codes'],
          table: m['m.weight.coded.table'],
          scales: m['m.weight.coded.scales'],
          zeros: m['m.weight.coded.zeros'],
          biases: m['m.weight.coded.biases'],
        };
        const restored = restoreCoded(coded, N);
        return { restored, y: linear(x, restored, undefined, { transposeWeight: true }) };
      };
      const signature = signatureOf(feeds);
      const wanted = dequantize(weight);
      const { restored } = await (await engine.compile(fn, signature)).run(feeds);
      assert.deepEqual(restored.shape, [N, K]);
      assert.deepEqual(restored.data, wanted);

      const vjp = await engine.compileVjp({ fn, signature, wrt: ['x'], output: 'y' });
      const { residuals } = await vjp.forward(feeds);
      const upstream = normal([T, N], 3);
      const { d_x } = await vjp.backward(feeds, residuals, upstream);
      const dX = Array.from({ length: T * K }, (_, i) => {
        let sum = 0;
        for (let n = 0; n < N; n++) sum += upstream.data[Math.floor(i / K) * N + n] * wanted[n * K + (i % K)];
        return sum;
      });
      assertClose(d_x.data, dX, { absolute: 1e-4, relative: 0 }, 'd x');
      // The codes are enough to restore it again: its values are not kept from pass to pass.
      assert.equal(vjp.residualBytes, 0);
    });
  }
}
