/**
 * Every kernel of the tracing backend, compiled and run by ONNX Runtime, against TensorFlow.js's cpu backend:
 * values, and gradients wherever TensorFlow.js registers one.
 * The same on WebGPU, where it can start, in a process of its own. Other hardware:
 * TUNEBOOK_TEST_PROVIDER=cuda node .build/test/engine/kernels.test.js
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createEngine, loweredKernels } from '../../../lib/engine';
import type { Engine, Provider } from '../../../lib/engine';
import { findWebGpu } from '../../support/vulkan-driver';
import { assertPassed, runTests } from '../../support/webgpu-process';
import { compareKernel, describeInputs } from './compare-kernel';
import { elementwiseCases } from './elementwise-cases';
import { fusedCases } from './fused-cases';
import type { KernelCases } from './kernel-case';
import { structureCases } from './structure-cases';

const cases: KernelCases = { ...elementwiseCases, ...structureCases, ...fusedCases };

const provider = (process.env.TUNEBOOK_TEST_PROVIDER ?? 'cpu') as Provider;
// WebGPU's shading language asks of sine and cosine an error of 2^-11 at most.
const ROUGH = new Set(provider === 'webgpu' ? ['Cos', 'Sin'] : []);

describe(`kernels, compiled for ${provider}, against TensorFlow.js on the cpu`, () => {
  let compiled: Engine;
  let eager: Engine;
  before(async () => {
    compiled = await createEngine({ provider, threads: 1 });
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
          compareKernel(
            { subject: compiled, reference: eager },
            kernel,
            ROUGH.has(kernel) ? { ...test, tolerance: 1e-3 } : test,
            index + kernel.length,
          ),
        );
      }
    });
  }
});

const webGpu = findWebGpu();
if (provider === 'cpu') {
  it('kernels, compiled for webgpu', { skip: 'reason' in webGpu && webGpu.reason }, async () => {
    if ('reason' in webGpu) return;
    const ended = await runTests([__filename], { ...webGpu.env, TUNEBOOK_TEST_PROVIDER: 'webgpu' });
    const lists = Object.values(cases);
    assertPassed(ended, 1 + lists.length + lists.reduce((total, list) => total + list.length, 0));
  });
}
