/**
 * Weights in 4, 8 and 16 bits, on disk and on a GPU, for a case of every feature that decoders have: logits, tokens and
 * an adapter's gradients are those of the float32 model that holds the restored values, which is transformers' model
 * (decoders.test.ts). TUNEBOOK_LONG_TESTS=1 tries all 35 cases in every form, with tokens, and gradients both ways.
 */
import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, it } from 'node:test';
import { AutoModelForCausalLM } from '../../../lib/pretrained';
import type { CausalLM, FromPretrainedOptions } from '../../../lib/pretrained';
import type { DeviceMap } from '../../../lib/models';
import { AffineConfig, BitsAndBytesConfig, dequantize, quantize } from '../../../lib/quantization';
import type { QuantizationConfig } from '../../../lib/quantization';
import { temporaryFolder } from '../../support/temporary-folder';
import { findWebGpu } from '../../support/vulkan-driver';
import { assertPassed, runTests } from '../../support/webgpu-process';
import {
  assertGiven,
  casesOf,
  configOf,
  deepConfigOf,
  givenBy,
  IS_ALL,
  ON_GPU,
  writeFamily,
} from './forms-suite';
import type { Representative } from './forms-suite';

const webGpu = findWebGpu();
/** A software driver compiles shaders for each shape. */
const GPU_MS = IS_ALL ? 1_800_000 : 240_000;
// Started at once, so that the software driver compiles its shaders while the other tests run.
const suite =
  'env' in webGpu ? runTests([path.join(__dirname, 'webgpu-suite.js')], webGpu.env, GPU_MS) : undefined;

const NF4 = new BitsAndBytesConfig({
  loadIn4bit: true,
  bnb4bitQuantType: 'nf4',
  bnb4bitUseDoubleQuant: true,
});
/** Rows that are no whole blocks stay as they are: those of the second half of the MLP. */
const INT4 = new AffineConfig({
  ...{ bits: 4, blockSize: 32 },
  skipModules: ['lm_head', 'down_proj', 'c_proj', 'dense_4h_to_h'],
});
const INT8 = new BitsAndBytesConfig({ loadIn8bit: true });
const CPU = { provider: 'cpu', threads: 1 } as const;

/** Puts the values that a quantized model has into one of float32. */
function restoreIn(model: CausalLM, quantization: QuantizationConfig): void {
  const { architecture, weights } = model;
  for (let layer = 0; layer < architecture.layers; layer++)
    for (const module of architecture.modules.filter(({ name }) => !quantization.skips(name)))
      weights.changeLinearWeight(layer, module, (values) => {
        const options = quantization.quantizeOptions([module.outSize, module.inSize]);
        values.set(dequantize(quantize(values, options)));
      });
}

interface Form {
  readonly title: string;
  /** Cases that are tried by default. */
  readonly cases: readonly Representative[];
  readonly dtype?: 'BF16';
  readonly options: FromPretrainedOptions;
  readonly isOffloaded?: boolean;
}

const FORMS: readonly Form[] = [
  {
    title: 'NF4',
    cases: ['qwen3', 'gemma2', 'phi3 longrope', 'stablelm parallel', 'starcoder2', 'pythia'],
    options: { quantizationConfig: NF4 },
  },
  { title: '8 bit', cases: ['cohere', 'qwen2 with a window'], options: { quantizationConfig: INT8 } },
  { title: 'int4', cases: ['qwen3', 'phi4-mini'], options: { quantizationConfig: INT4 } },
  { title: '16 bit', cases: ['granite', 'glm4'], dtype: 'BF16', options: { dtype: 'auto' } },
  {
    title: 'NF4 on disk',
    cases: ['gemma3', 'smollm3', 'phi4-mini', 'olmo3'],
    options: { quantizationConfig: NF4, deviceMap: 'auto' },
    isOffloaded: true,
  },
  {
    title: 'int4 on disk',
    cases: ['cohere'],
    options: { quantizationConfig: INT4, deviceMap: 'auto' },
    isOffloaded: true,
  },
];

for (const { title, cases, dtype, options, isOffloaded = false } of FORMS)
  describe(title, () => {
    for (const name of casesOf(cases))
      it(name, async (t) => {
        const folder = await temporaryFolder(t);
        const config = isOffloaded ? deepConfigOf(name) : configOf(name);
        await writeFamily(config, folder, dtype);
        let onDisk = 0;
        const offload = isOffloaded
          ? { offloadFolder: path.join(folder, 'offload'), maxMemory: await tightest(folder, options) }
          : {};
        const onDeviceMap = (_table: string, { diskLayers }: DeviceMap): void =>
          void (onDisk = diskLayers.size);
        const model = await AutoModelForCausalLM.fromPretrained(folder, {
          ...{ ...options, ...offload, onDeviceMap, engine: CPU },
        });
        t.after(() => model.dispose());
        const plain = await AutoModelForCausalLM.fromPretrained(folder, { engine: CPU });
        t.after(() => plain.dispose());
        if (options.quantizationConfig !== undefined) restoreIn(plain, options.quantizationConfig);
        assert.equal(onDisk > 0, isOffloaded);
        assertGiven(await givenBy(model), await givenBy(plain), 1e-3);
      });
  });

/** Memory that holds no layer but those at work. */
async function tightest(source: string, options: FromPretrainedOptions): Promise<number> {
  let bytes = NaN;
  const model = await AutoModelForCausalLM.fromPretrained(source, {
    ...options,
    engine: CPU,
    onDeviceMap: (_table, deviceMap) => {
      const layers = deviceMap.modules.filter(({ module }) => /\.\d+$/.test(module));
      const all = layers.reduce((sum, layer) => sum + layer.bytes, 0);
      bytes = deviceMap.memoryBytes - all + 2 * Math.max(...layers.map((layer) => layer.bytes));
    },
  });
  await model.dispose();
  return bytes;
}

it('WebGPU', { skip: 'reason' in webGpu && webGpu.reason, timeout: GPU_MS }, async () =>
  assertPassed(await suite, ON_GPU.length),
);
