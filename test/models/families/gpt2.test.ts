/** GPT-2 against Hugging Face on every engine of this machine. Engines that are not here are named as skipped. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, it } from 'node:test';
import { countParameters, gpt2 } from '../../../lib/models';
import { TunebookError } from '../../../lib/types';
import { gpt2Suite } from './gpt2-suite';
import { findWebGpu } from '../../support/vulkan-driver';
import { assertPassed, runTests } from '../../support/webgpu-process';
import type { Ended } from '../../support/webgpu-process';

describe('gpt2 on engines in a process of their own', () => {
  const webGpu = findWebGpu();
  // Started at once, so that the software driver compiles its shaders while the suites above run.
  const onWebGpu =
    'env' in webGpu ? runSuite({ provider: 'webgpu' }, 'compiled:webgpu', webGpu.env) : undefined;
  it('compiled:webgpu', { skip: 'reason' in webGpu && webGpu.reason }, async () =>
    assertPassed(await onWebGpu, 5),
  );

  const native = process.env.TUNEBOOK_TFJS_NODE;
  const missing = 'no native TensorFlow: set TUNEBOOK_TFJS_NODE to the folder of @tensorflow/tfjs-node';
  it('eager:tensorflow', { skip: native === undefined && missing }, async () =>
    assertPassed(
      await runSuite({ kind: 'eager', backend: 'tensorflow' }, 'eager:tensorflow', {
        TF_CPP_MIN_LOG_LEVEL: '3',
      }),
      5,
    ),
  );
});

/** Runs `gpt2-suite.js` as a program. */
function runSuite(options: object, name: string, env: Record<string, string>): Promise<Ended> {
  return runTests([path.join(__dirname, 'gpt2-suite.js'), JSON.stringify(options), name], env);
}

gpt2Suite({ threads: 1 }, 'compiled:cpu');
gpt2Suite({ kind: 'eager', backend: 'cpu' }, 'eager:cpu');
gpt2Suite({ kind: 'eager', backend: 'wasm', threads: 1 }, 'eager:wasm');

describe('gpt2 configuration', () => {
  it('the published 124M model has 124,439,808 parameters, its head tied', () => {
    assert.equal(countParameters(gpt2({})), 124_439_808);
  });

  it('larger published models have theirs', () => {
    assert.equal(countParameters(gpt2({ n_embd: 1024, n_layer: 24, n_head: 16 })), 354_823_168);
    assert.equal(countParameters(gpt2({ n_embd: 1600, n_layer: 48, n_head: 25 })), 1_557_611_200);
  });

  const wrong: [Record<string, unknown>, ...RegExp[]][] = [
    [{ n_embd: 30, n_head: 4 }, /multiple of n_head, got 30 and 4/],
    [{ n_layer: 0 }, /n_layer/],
    [{ n_embd: 'wide', n_head: -1 }, /n_embd/, /n_head/],
    [{ activation_function: 'swiglu' }, /activation_function/],
    [{ add_cross_attention: true }, /add_cross_attention/],
    [{ hidden_size: 64 }, /hidden_size: 64\. Such a field may change/],
    [{ pruned_heads: { 0: [1] } }, /pruned_heads/],
    [{ resid_pdrop: 1 }, /resid_pdrop/],
  ];
  for (const [config, ...parts] of wrong) {
    it(`refuses ${JSON.stringify(config)}`, () => {
      assert.throws(
        () => gpt2(config as never),
        (error: unknown) => {
          assert.ok(error instanceof TunebookError);
          for (const part of parts) assert.match(error.message, part);
          return true;
        },
      );
    });
  }
});
