/**
 * GPT-2 (Radford et al. 2019): learned positions, pre-norm blocks, Conv1D weights, head tied to the
 * token embedding. Names and config.json fields are Hugging Face's.
 */
import type { z } from 'zod';
import { lazySchema, prettifyError } from '../../schema';
import { activation, ACTIVATIONS, attention, layerNorm, mergeHeads, splitHeads, tf } from '../../engine';
import type { NamedTensors } from '../../engine';
import { TunebookError } from '../../types';
import { chosenRows } from './parts/chosen-rows';
import { requireKnownKeys } from './parts/config-keys';
import { dropped, moduleLinear } from './parts/linear';
import type { Architecture, LinearModule, ParameterSpec } from './architecture';

const configSchema = lazySchema((z) =>
  z.looseObject({
    model_type: z.literal('gpt2').default('gpt2'),
    vocab_size: z.int().positive().default(50257),
    n_positions: z.int().positive().default(1024),
    n_embd: z.int().positive().default(768),
    n_layer: z.int().positive().default(12),
    n_head: z.int().positive().default(12),
    n_inner: z.int().positive().nullish(),
    activation_function: z.enum(ACTIVATIONS).default('gelu_new'),
    resid_pdrop: z.number().min(0).lt(1).default(0.1),
    embd_pdrop: z.number().min(0).lt(1).default(0.1),
    attn_pdrop: z.number().min(0).lt(1).default(0.1),
    layer_norm_epsilon: z.number().positive().default(1e-5),
    initializer_range: z.number().positive().default(0.02),
    tie_word_embeddings: z.boolean().default(true),
    scale_attn_weights: z.boolean().default(true),
    scale_attn_by_inverse_layer_idx: z.boolean().default(false),
    add_cross_attention: z.literal(false).default(false),
  }),
);

/** Fields of GPT-2's config.json; those left out take the published 124M model's values. */
export type Gpt2Config = z.input<ReturnType<typeof configSchema>>;

/**
 * GPT-2's architecture, from its config.json.
 * @throws TunebookError that lists every field that cannot be used.
 * @example
 * gpt2({}).parameters.reduce((total, p) => total + p.shape.reduce((a, b) => a * b), 0) // 124439808
 */
export function gpt2(config: Gpt2Config): Architecture {
  const parsed = configSchema().safeParse(config);
  if (!parsed.success) throw new TunebookError(`gpt2 config.json: ${prettifyError(parsed.error)}`);
  const c = parsed.data;
  requireKnownKeys(config, Object.keys(configSchema().shape), 'gpt2 config.json');
  if (c.n_embd % c.n_head !== 0) {
    throw new TunebookError(
      `gpt2 config.json: expected n_embd to be a multiple of n_head, got ${c.n_embd} and ${c.n_head}.`,
    );
  }
  const [width, heads, inner] = [c.n_embd, c.n_head, c.n_inner ?? 4 * c.n_embd];
  const modules: LinearModule[] = [
    { name: 'attn.c_attn', inSize: width, outSize: 3 * width, conv1d: true, onRows: false },
    { name: 'attn.c_proj', inSize: width, outSize: width, conv1d: true, onRows: true },
    { name: 'mlp.c_fc', inSize: width, outSize: inner, conv1d: true, onRows: true },
    { name: 'mlp.c_proj', inSize: inner, outSize: width, conv1d: true, onRows: true },
  ];
  const outSizes = Object.fromEntries(modules.map(({ name, outSize }) => [name, outSize]));
  const headSize = width / heads;
  // Attention divides scores by the root of the head's size; the query takes what a configuration has otherwise.
  const scaledQuery = (inputs: NamedTensors, query: tf.Tensor): tf.Tensor => {
    const plain = c.scale_attn_weights ? query : tf.mul(query, Math.sqrt(headSize));
    return c.scale_attn_by_inverse_layer_idx ? tf.mul(plain, inputs['attn.scale']) : plain;
  };
  const head = c.tie_word_embeddings ? 'wte.weight' : 'lm_head.weight';

  const block = (inputs: NamedTensors): NamedTensors => {
    const epsilon = c.layer_norm_epsilon;
    const linear = (module: string, input: tf.Tensor): tf.Tensor =>
      moduleLinear(inputs, module, input, { conv1d: true, outSize: outSizes[module] });
    const { x, bias } = inputs; // [B, T, C], [B, 1, T, S + T]
    const normed = layerNorm(x, inputs['ln_1.weight'], inputs['ln_1.bias'], epsilon);
    const [query, key, value] = tf
      .split(linear('attn.c_attn', normed), 3, -1) // 3 x [B, T, C]
      .map((part) => splitHeads(part, heads)); // [B, H, T, D]
    const attended = attention({
      query: scaledQuery(inputs, query),
      key,
      value,
      bias,
      mask: inputs['dropout.attn'],
      pastKey: inputs['past.key'],
      pastValue: inputs['past.value'],
    });
    const projected = linear('attn.c_proj', chosenRows(inputs, mergeHeads(attended))); // [B, T, C] or [1, R, C], as all below
    const middle = tf.add(chosenRows(inputs, x), dropped(inputs, 'resid', projected));
    const wide = linear('mlp.c_fc', layerNorm(middle, inputs['ln_2.weight'], inputs['ln_2.bias'], epsilon));
    const narrow = linear('mlp.c_proj', activation(c.activation_function, wide));
    return { y: tf.add(middle, dropped(inputs, 'mlp', narrow)), key, value };
  };

  return {
    modelType: 'gpt2',
    prefix: 'transformer.',
    vocabSize: c.vocab_size,
    width,
    layers: c.n_layer,
    heads,
    keyValueHeads: heads,
    headSize,
    maxPositions: c.n_positions,
    tokenEmbedding: 'wte.weight',
    positionEmbedding: 'wpe.weight',
    head,
    parameters: [
      ...parameterSpecs(c.n_layer, modules, {
        vocabSize: c.vocab_size,
        positions: c.n_positions,
        width,
        std: c.initializer_range,
      }),
      ...(c.tie_word_embeddings
        ? []
        : [{ name: head, shape: [c.vocab_size, width], decay: true, init: { std: c.initializer_range } }]),
    ],
    modules,
    loraTargets: ['c_attn'],
    isBuffer: (name) => /\.attn\.(masked_)?bias$/.test(name),
    embeddingDropout: c.embd_pdrop,
    dropoutSites: [
      { name: 'attn', rate: c.attn_pdrop, onRows: false, shape: (B, T) => [B, heads, T, T] },
      { name: 'resid', rate: c.resid_pdrop, onRows: true, shape: (B, T) => [B, T, width] },
      { name: 'mlp', rate: c.resid_pdrop, onRows: true, shape: (B, T) => [B, T, width] },
    ],
    layerPrefix: (layer) => `h.${layer}.`,
    layerKinds: [{ positionFeeds: () => ({}) }],
    kindOf: () => 0,
    ...(c.scale_attn_by_inverse_layer_idx
      ? {
          layerConstants: (layer) => ({
            'attn.scale': { data: Float32Array.of(1 / (layer + 1)), shape: [1] },
          }),
        }
      : {}),
    block,
    trainingBlock: (inputs) => ({ y: block(inputs).y }),
    finalNorm: (inputs) => ({
      y: layerNorm(inputs.x, inputs['ln_f.weight'], inputs['ln_f.bias'], c.layer_norm_epsilon),
    }),
    finalNormParameters: ['ln_f.weight', 'ln_f.bias'],
    toJson: () => ({ architectures: ['GPT2LMHeadModel'], ...c }),
  };
}

function parameterSpecs(
  layers: number,
  modules: readonly LinearModule[],
  sizes: { vocabSize: number; positions: number; width: number; std: number },
): ParameterSpec[] {
  const { vocabSize, positions, width, std } = sizes;
  const norm = (name: string): ParameterSpec[] => [
    { name: `${name}.weight`, shape: [width], decay: false, init: { value: 1 } },
    { name: `${name}.bias`, shape: [width], decay: false, init: { value: 0 } },
  ];
  const specs: ParameterSpec[] = [
    { name: 'wte.weight', shape: [vocabSize, width], decay: true, init: { std } },
    { name: 'wpe.weight', shape: [positions, width], decay: true, init: { std } },
  ];
  for (let layer = 0; layer < layers; layer++) {
    for (const name of ['ln_1', 'ln_2']) specs.push(...norm(`h.${layer}.${name}`));
    for (const module of modules) {
      const name = `h.${layer}.${module.name}`;
      // Projections back into the residual stream start smaller, by the depth of the stream (Radford et al. 2019).
      const residual = module.name.endsWith('c_proj') ? 1 / Math.sqrt(2 * layers) : 1;
      specs.push({
        name: `${name}.weight`,
        shape: [module.inSize, module.outSize],
        decay: true,
        init: { std: std * residual },
      });
      specs.push({ name: `${name}.bias`, shape: [module.outSize], decay: false, init: { value: 0 } });
    }
  }
  return [...specs, ...norm('ln_f')];
}
