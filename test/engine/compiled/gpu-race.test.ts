/** Which provider 'auto' takes: by what the machine has, what the environment says, and what was measured. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { describe, it } from 'node:test';
import { createEngine, isGpuWorth, raceText } from '../../../lib/engine';
import { findWebGpu } from '../../support/vulkan-driver';
import { ROOT } from '../../support/paths';

const door = path.join(ROOT, '.build', 'lib', 'engine', 'index.js');

/** The driver's patience here, ms: the tests beside this one may leave it little of the processors. */
const PATIENCE_MS = 300_000;

/** The engine's name in a process of its own, and the words about the GPU. */
function inProcess(
  options: object,
  env: Record<string, string | undefined>,
): { name: string; words: string } {
  const program = `
    const { createEngine, gpuRace, raceText } = require(${JSON.stringify(door)});
    if (!process.env.TUNEBOOK_PROVIDER) void gpuRace(process.env, ${PATIENCE_MS});
    createEngine(${JSON.stringify(options)}).then(async ({ name }) =>
      console.log(JSON.stringify({ name, words: name === 'compiled:webgpu' ? '' : raceText(await gpuRace()) })));`;
  const printed = execFileSync(process.execPath, ['-e', program], {
    encoding: 'utf8',
    env: { ...process.env, TUNEBOOK_PROVIDER: undefined, VK_DRIVER_FILES: undefined, ...env },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return JSON.parse(printed) as { name: string; words: string };
}

describe("provider 'auto'", () => {
  it('takes a GPU that is at least twice as fast', () => {
    assert.equal(isGpuWorth({ gpuMs: 0.3, cpuMs: 5 }), true);
    assert.equal(isGpuWorth({ gpuMs: 3, cpuMs: 5 }), false);
    assert.equal(isGpuWorth({ reason: 'no Vulkan driver' }), false);
    assert.match(raceText({ gpuMs: 0.3, cpuMs: 5 }), /0\.3 ms there and 5\.0 ms .*: used by default$/);
    assert.match(raceText({ gpuMs: 30, cpuMs: 5 }), /: not used by default$/);
  });

  it('is the default, which the environment can override', async () => {
    assert.equal((await createEngine()).name, `compiled:${process.env.TUNEBOOK_PROVIDER ?? 'cpu'}`);
    assert.equal(inProcess({}, { TUNEBOOK_PROVIDER: 'cpu' }).name, 'compiled:cpu');
    assert.equal(inProcess({ provider: 'cpu' }, { TUNEBOOK_PROVIDER: 'webgpu' }).name, 'compiled:cpu');
  });

  it('names the values where the environment has another', async (t) => {
    const before = process.env.TUNEBOOK_PROVIDER;
    t.after(() => (process.env.TUNEBOOK_PROVIDER = before));
    process.env.TUNEBOOK_PROVIDER = 'gpu';
    await assert.rejects(createEngine(), /createEngine: .*"cpu".*"webgpu".*"auto"/s);
  });

  const linux = process.platform !== 'linux' && 'Vulkan is looked for on Linux';
  it(
    'is the processor without a driver, with one that does not start, and with one in software',
    { skip: linux },
    () => {
      const none = inProcess({}, { VK_ICD_FILENAMES: '/nowhere/icd.json' });
      assert.deepEqual(none, { name: 'compiled:cpu', words: 'no Vulkan driver' });
      const webGpu = findWebGpu();
      if ('reason' in webGpu || !webGpu.env.VK_ICD_FILENAMES?.includes('swiftshader')) return;
      const broken = inProcess({}, { ...webGpu.env, VK_ICD_FILENAMES: '/etc/hostname' });
      assert.equal(broken.name, 'compiled:cpu');
      assert.match(broken.words, /^WebGPU did not start: Failed to get a WebGPU adapter/);
      const software = inProcess({}, webGpu.env);
      assert.deepEqual(software, {
        name: 'compiled:cpu',
        words: 'the only Vulkan driver computes on the processor',
      });
      assert.equal(inProcess({}, { ...webGpu.env, TUNEBOOK_PROVIDER: 'webgpu' }).name, 'compiled:webgpu');
    },
  );
});
