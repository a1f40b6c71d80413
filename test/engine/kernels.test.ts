/**
 * Every kernel of the tracing backend, compiled and run by ONNX Runtime, against TensorFlow.js's cpu backend:
 * values, and gradients wherever TensorFlow.js registers one.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createEngine, loweredKernels } from '../../lib/engine';
import type { Engine } from '../../lib/engine';
import { compareKernel, describeInputs } from './compare-kernel';
import { elementwiseCases } from './elementwise-cases';
import { fusedCases } from './fused-cases';
import type { KernelCases } from './kernel-case';
import { structureCases } from './structure-cases';

const cases: KernelCases = { ...elementwiseCases, ...structureCases, ...fusedCases };

describe('kernels, compiled against TensorFlow.js on the cpu', () => {
  let compiled: Engine;
  let eager: Engine;
  before(async () => {
    compiled = await createEngine({ threads: 1 });
    eager = await createEngine({ kind: 'eager', backend: 'cpu' });
  });
  after(() => compiled.dispose());

  it('covers exactly the kernels that can be traced', () => {
    assert.deepEqual(Object.keys(cases).sort(), loweredKernels());
  });

  for (const [kernel, list] of Object.entries(cases)) {
    it(kernel, async (t) => {
      for (const [index, test] of list.entries()) {
        const title = `${index}: ${describeInputs(test)} ${JSON.stringify(test.attrs ?? {})}`;
        await t.test(title, () =>
          compareKernel({ subject: compiled, reference: eager }, kernel, test, index + kernel.length),
        );
      }
    });
  }
});
