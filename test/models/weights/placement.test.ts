/**
 * Where layers go with a GPU: the device map of the real Mistral-7B, and a small one in three places at once, which is
 * skipped, with the reason, where WebGPU cannot start.
 */
import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, it } from 'node:test';
import type { DeviceMemory } from '../../../lib/engine';
import { AutoModelForCausalLM } from '../../../lib/pretrained';
import { architectureOf, deviceMapTable, inferDeviceMap, storedName } from '../../../lib/models';
import type { Checkpoint } from '../../../lib/checkpoint';
import type { DeviceMap, MaxMemory } from '../../../lib/models';
import { CheckpointWeights } from '../../../lib/models/weights/checkpoint-weights';
import { deviceMapFor } from '../../../lib/models/weights/load-weights';
import { BitsAndBytesConfig } from '../../../lib/quantization';
import { TunebookError } from '../../../lib/types';
import { findWebGpu } from '../../support/vulkan-driver';
import { assertPassed, runTests } from '../../support/webgpu-process';
import { LONG } from '../../support/long';

const webGpu = LONG.skip === false ? findWebGpu() : { reason: LONG.skip };
// Started at once, so that the software driver compiles its shaders while the other tests run.
const suite =
  'env' in webGpu ? runTests([path.join(__dirname, 'placement-suite.js')], webGpu.env) : undefined;
it('layers on the GPU, in memory and on disk', { skip: 'reason' in webGpu && webGpu.reason }, async () =>
  assertPassed(await suite, 4),
);

describe('the device map of Mistral-7B', () => {
  const architecture = architectureOf({ model_type: 'mistral' });
  const shapes = new Map(
    architecture.parameters.map(({ name, shape }) => [storedName(architecture, name), shape]),
  );
  /** Names, shapes and types; there are no bytes. */
  const checkpoint = {
    folder: 'mistral',
    names: [...shapes.keys()],
    info: (name: string) => ({ dtype: 'BF16', shape: shapes.get(name) ?? [] }),
  } as unknown as Checkpoint;
  const deviceMap = (maxMemory: MaxMemory, isQuantized = true): DeviceMap => {
    const quantization = isQuantized
      ? new BitsAndBytesConfig({ loadIn4bit: true, bnb4bitQuantType: 'nf4', bnb4bitUseDoubleQuant: true })
      : undefined;
    const weights = new CheckpointWeights(architecture, checkpoint, { quantization, keepStored: true });
    const device = {} as DeviceMemory;
    const request = {
      architecture,
      quantization,
      keepStored: true,
      maxMemory,
      offloadFolder: './offload',
      device,
    };
    return deviceMapFor(request, weights);
  };
  // q and o, k and v, gate, up and down.
  const size = 2 * 4096 * 4096 + 2 * 1024 * 4096 + 3 * 4096 * 14336;
  // Codes; per block of 64 a factor in float32, and the byte that it is made from.
  const layer = size / 2 + (size / 64) * 5;
  const norms = 4 * 65 * 4096;
  // The head, too, would travel otherwise.
  const fixed = norms + 4 * 32000 * 4096;

  it('fills the GPU, then memory, then the disk', () => {
    const { gpuLayers, diskLayers, gpuBytes, memoryBytes, modules } = deviceMap({
      gpu: '3GB',
      cpu: '1500MB',
    });
    const onGpu = Math.floor((3e9 - 4 * size - fixed) / layer);
    assert.equal(onGpu, 12);
    assert.deepEqual(
      [...gpuLayers],
      Array.from({ length: 12 }, (_, i) => i),
    );
    assert.equal(gpuBytes, 12 * layer + fixed);
    // Codes, a byte per block of 64, and per 256 of these a float32, with one more for each of seven weights.
    const inMemory = size / 2 + size / 64 + (4 * size) / 64 / 256 + 7 * 4;
    assert.equal(modules.at(-1)?.bytes, inMemory);
    const tables = 2 * 2 * 32000 * 4096;
    const resident = Math.floor((1.5e9 - tables - norms - 2 * inMemory) / inMemory);
    assert.deepEqual(
      [...diskLayers],
      Array.from({ length: 20 - resident }, (_, i) => 12 + resident + i),
    );
    assert.equal(memoryBytes, tables + norms + resident * inMemory);
  });

  it('is shown with its places', () => {
    const lines = deviceMapTable(deviceMap({ gpu: '3GB', cpu: '1500MB' })).split('\n');
    const places = lines.slice(1).map((line) => line.trim().split(/\s+/).slice(-2));
    assert.ok(
      lines.some((line) => /^model\.layers\.0 \.\.\. model\.layers\.11 +1,513,095,168  gpu$/.test(line)),
    );
    assert.deepEqual(
      places.slice(-3).map(([, place]) => place),
      ['gpu', 'memory', 'disk'],
    );
  });

  it('has float32 on the GPU where weights are not quantized', () => {
    const { gpuLayers, gpuBytes } = deviceMap({ gpu: 4 * size * 4 + fixed, cpu: '100GB' }, false);
    assert.deepEqual([gpuLayers.size, gpuBytes], [3, 3 * 4 * size + fixed]);
  });

  it('is refused for a GPU that holds no layer, with the least that works', () => {
    const least = 4 * size + fixed + layer;
    assert.throws(
      () => deviceMap({ gpu: least - 1 }),
      (error: unknown) => error instanceof TunebookError && error.message.includes(`at least ${least} bytes`),
    );
    assert.equal(deviceMap({ gpu: least }).gpuLayers.size, 1);
  });

  it('needs an engine with a GPU, and none for a gpu of 0', async () => {
    const layers = [{ module: 'model.layers.0', bytes: 10 }];
    assert.equal(inferDeviceMap({ fixed: [], layers, maxMemory: { gpu: 0, cpu: 100 } }).gpuBytes, 0);
    const words = /maxMemory's gpu \(1000000000 bytes\).*engine: \{ provider: 'webgpu' \}/s;
    assert.throws(() => inferDeviceMap({ fixed: [], layers, maxMemory: { gpu: '1GB' } }), words);
    const options = { deviceMap: 'auto', maxMemory: { gpu: '1GB' } } as const;
    await assert.rejects(AutoModelForCausalLM.fromPretrained('mistral-mini', options), words);
  });
});
