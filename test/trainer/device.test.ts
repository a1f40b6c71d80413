/** Training on a provider with memory of its own; see `device-suite.ts`. Skipped, with the reason, where there is none. */
import path from 'node:path';
import { it } from 'node:test';
import { findWebGpu } from '../support/vulkan-driver';
import { assertPassed, runTests } from '../support/webgpu-process';

const webGpu = findWebGpu();
it(
  'weights, gradients and optimizer state stay on the GPU',
  { skip: 'reason' in webGpu && webGpu.reason },
  async () => {
    const program = [path.join(__dirname, 'device-suite.js')];
    assertPassed(await runTests(program, 'env' in webGpu ? webGpu.env : {}), 11);
  },
);
