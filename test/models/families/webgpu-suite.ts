/** Each feature of decoders on WebGPU, run as a program where that can start: logits, tokens and gradients of the CPU. */
import { it } from 'node:test';
import { holdWebGpu } from '../../support/hold-webgpu';
import { familyModel } from './family-model';
import { assertGiven, configOf, givenBy, ON_GPU } from './forms-suite';

holdWebGpu();

for (const name of ON_GPU)
  it(name, async (t) => {
    const [gpu, cpu] = [
      await familyModel(configOf(name), { provider: 'webgpu', threads: 1 }),
      await familyModel(configOf(name)),
    ];
    t.after(() => Promise.all([gpu.dispose(), cpu.dispose()]));
    assertGiven(await givenBy(gpu), await givenBy(cpu), 1e-3);
  });
