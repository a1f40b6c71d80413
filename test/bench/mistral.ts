/**
 * One decoder layer of Mistral-7B at its real size on random 4-bit weights: what a token costs forward and
 * backward, against the float32 product's peak measured in the same run.
 */
import { randomFillSync } from 'node:crypto';
import { createEngine, linear } from '../../lib/engine';
import type { Engine } from '../../lib/engine';
import {
  allocateGradients,
  forwardBackward,
  hiddenStates,
  LoraConfig,
  peakMemoryBytes,
  architectureOf,
} from '../../lib/models';
import { CausalLM, getPeftModel } from '../../lib/pretrained';
import type { FrozenLayer } from '../../lib/models';
import { DeviceLayers, placeOnDevice } from '../../lib/models/weights/device-layers';
import type { DeviceLayer } from '../../lib/models/weights/device-layers';
import { ResidentLayers } from '../../lib/models/weights/frozen-layers';
import { allocateParameters } from '../../lib/models/weights/parameters';
import { AffineConfig, BitsAndBytesConfig, dynamicCodeBook, fourBitCodeBook } from '../../lib/quantization';
import type { QuantizedTensor } from '../../lib/quantization';
import type { Batch, HostTensor } from '../../lib/types';

export interface MistralBenchOptions {
  /** Rows of the batch; default 2. */
  batchSize?: number;
  /** Tokens of each row; default 192. */
  sequenceLength?: number;
  /** Times that each measurement is repeated; the best counts. Default 3. */
  repeats?: number;
}

/** Times are the best of the repeats; other programs on the machine make them longer. */
export interface MistralBench {
  /** Tokens in the batch. */
  readonly tokens: number;
  /** Weights of the layer's linear maps. */
  readonly linearWeights: number;
  /** Forward pass of the layer, 4-bit weights read by the product itself. */
  readonly forwardMs: number;
  readonly forwardTokensPerSecond: number;
  /** Training step of the layer: forward, recomputation, gradients of its input and of LoRA on q and v. */
  readonly trainingMs: number;
  readonly trainingTokensPerSecond: number;
  /** One token forward, batch 1. */
  readonly singleTokenMs: number;
  /** Float32 product of the layer's largest matrix at this number of tokens, 1e9 operations per second. */
  readonly peakGflops: number;
  /** 2 x linear weights x tokens for each of forward, recomputation and input gradient, over time, over the peak. */
  readonly shareOfPeak: number;
  /** Bytes that the layer's weights occupy in 4 bits with double quantization. */
  readonly packedBytes: number;
  /** Most memory that the process has had, in bytes. */
  readonly peakMemoryBytes: number;
}

export async function benchMistral(options: MistralBenchOptions = {}): Promise<MistralBench> {
  const { batchSize = 2, sequenceLength = 192, repeats = 3 } = options;
  const tokens = batchSize * sequenceLength;
  const engine = await createEngine();
  // A trained embedding, here of 64 rows, makes the layer pass its input's gradient on, as all but the first layer do.
  const lora = { r: 8, loraAlpha: 16, loraDropout: 0.05, modulesToSave: ['embed_tokens'] };
  const model = getPeftModel(await randomMistral(engine, { layers: 1, vocabSize: 64 }), new LoraConfig(lora));
  try {
    const linearWeights = model.architecture.modules.reduce((sum, m) => sum + m.inSize * m.outSize, 0);
    const batch = randomBatch(batchSize, sequenceLength);
    const hidden = (inputs: Batch): Promise<HostTensor> =>
      model.runtime.inWorkspace(async (workspace) =>
        workspace.toHost(
          await hiddenStates(model.runtime, { batch: inputs, ids: inputs.inputIds, workspace }),
        ),
      );
    const forwardMs = await best(repeats, () => hidden(batch));
    const gradients = allocateGradients(model.trainableParameters());
    const trainingMs = await best(repeats, (step) =>
      forwardBackward(model, gradients, {
        batch,
        lossScale: 1 / tokens,
        accumulate: false,
        gradientCheckpointing: true,
        dropout: { seed: 1, step },
      }),
    );
    const single = randomBatch(1, 1);
    const singleTokenMs = await best(repeats, () => hidden(single));
    const peakGflops = await productGflops(engine, tokens, repeats);
    return {
      tokens,
      linearWeights,
      forwardMs,
      forwardTokensPerSecond: (1000 * tokens) / forwardMs,
      trainingMs,
      trainingTokensPerSecond: (1000 * tokens) / trainingMs,
      singleTokenMs,
      peakGflops,
      shareOfPeak: (3 * 2 * linearWeights * tokens) / (trainingMs * 1e6) / peakGflops,
      packedBytes: packedBytes(model),
      peakMemoryBytes: peakMemoryBytes(),
    };
  } finally {
    await model.dispose();
  }
}

/** Mistral-7B's layers, weights random, linear ones in NF4 with double quantization: on the engine's device where it has one. */
export function randomMistral(
  engine: Engine,
  { layers, vocabSize }: { layers: number; vocabSize: number },
): Promise<CausalLM> {
  const architecture = architectureOf({
    model_type: 'mistral',
    num_hidden_layers: layers,
    vocab_size: vocabSize,
    rms_norm_eps: 1e-5,
    sliding_window: 4096,
  });
  return randomModel(engine, architecture);
}

/** Types of random weights. */
export type RandomForm = 'nf4' | 'int4';

/** A model of any decoder's shape, in the same form by default. */
export async function randomModel(
  engine: Engine,
  architecture: ReturnType<typeof architectureOf>,
  form: RandomForm = 'nf4',
): Promise<CausalLM> {
  const { layers } = architecture;
  const inMemory = new Map<number, FrozenLayer>();
  const placed = new Map<number, DeviceLayer>();
  for (let layer = 0; layer < layers; layer++) {
    const weights: FrozenLayer = new Map(
      architecture.modules.map(({ name, inSize, outSize }) => [name, randomWeight(outSize, inSize, form)]),
    );
    if (engine.device === undefined) inMemory.set(layer, weights);
    else placed.set(layer, await placeOnDevice(engine.device, weights));
  }
  const linearNames = new Set(
    Array.from({ length: layers }, (_, layer) =>
      architecture.modules.map(({ name }) => `layers.${layer}.${name}.weight`),
    ).flat(),
  );
  const parameters = allocateParameters(architecture.parameters.filter(({ name }) => !linearNames.has(name)));
  for (const { name, data } of parameters.byName.values()) {
    if (name.includes('norm')) data.fill(1);
    else for (let i = 0; i < data.length; i++) data[i] = ((i * 7919) % 997) / 25_000 - 0.02;
  }
  const quantization =
    form === 'int4'
      ? new AffineConfig()
      : new BitsAndBytesConfig({
          loadIn4bit: true,
          bnb4bitQuantType: 'nf4',
          bnb4bitUseDoubleQuant: true,
        });
  const onHost = new ResidentLayers(inMemory, quantization);
  const frozen = placed.size === 0 ? onHost : new DeviceLayers(placed, onHost, new Map());
  return new CausalLM({ architecture, parameters, frozen }, engine);
}

function randomWeight(outSize: number, inSize: number, form: RandomForm): QuantizedTensor {
  const size = outSize * inSize;
  const blocks = size / 64;
  if (form === 'int4')
    return {
      ...{ quantType: 'affine4', shape: [outSize, inSize], blockSize: 64, packed: randomBytes(size / 2) },
      ...{ codeBook: new Float32Array(0), originalDtype: 'bfloat16' },
      scales: new Float32Array(blocks).fill(0.005),
      zeros: new Uint8Array(blocks).fill(8),
    };
  return {
    quantType: 'nf4',
    shape: [outSize, inSize],
    blockSize: 64,
    packed: randomBytes(size / 2),
    codeBook: fourBitCodeBook('nf4'),
    scales: {
      codes: randomBytes(blocks),
      absmax: new Float32Array(Math.ceil(blocks / 256)).fill(0.01),
      codeBook: dynamicCodeBook(),
      blockSize: 256,
      offset: 0.04,
    },
    originalDtype: 'bfloat16',
  };
}

function randomBytes(length: number): Uint8Array {
  return randomFillSync(new Uint8Array(length));
}

export function randomBatch(batchSize: number, sequenceLength: number): Batch {
  const ids = Int32Array.from({ length: batchSize * sequenceLength }, (_, i) => (i * 37) % 64);
  return {
    shape: [batchSize, sequenceLength],
    inputIds: ids,
    attentionMask: new Int32Array(ids.length).fill(1),
    labels: ids,
  };
}

/** The largest product of a layer alone, 1e9 operations per second. */
export async function productGflops(engine: Engine, tokens: number, repeats: number): Promise<number> {
  const [inSize, outSize] = [4096, 14336];
  const shapes = { x: [tokens, inSize], weight: [outSize, inSize] };
  const product = await engine.compile(
    ({ x, weight }) => ({ y: linear(x, weight, undefined, { transposeWeight: true }) }),
    { x: { shape: shapes.x, dtype: 'float32' }, weight: { shape: shapes.weight, dtype: 'float32' } },
  );
  const feeds = {
    x: { data: new Float32Array(tokens * inSize).fill(0.5), shape: shapes.x },
    weight: { data: new Float32Array(outSize * inSize).fill(0.1), shape: shapes.weight },
  };
  const milliseconds = await best(repeats, () => product.run(feeds));
  return (2 * tokens * inSize * outSize) / (milliseconds * 1e6);
}

function packedBytes(model: CausalLM): number {
  const tensors = [...(model.weights.frozen?.resident(0)?.values() ?? [])];
  return tensors.reduce((total, tensor) => {
    if (!('packed' in tensor) || tensor.scales instanceof Float32Array)
      throw new Error('expected nested scales');
    return total + tensor.packed.length + tensor.scales.codes.length + tensor.scales.absmax.byteLength + 4;
  }, 0);
}

export async function best(repeats: number, run: (repeat: number) => Promise<unknown>): Promise<number> {
  await run(0); // compiles
  let fastest = Infinity;
  for (let repeat = 1; repeat <= repeats; repeat++) {
    const started = performance.now();
    await run(repeat);
    fastest = Math.min(fastest, performance.now() - started);
  }
  return fastest;
}
