/**
 * Mistral (Jiang et al. 2023, arXiv:2310.06825) and the Llama models that need nothing more: RMSNorm, rotary
 * positions, grouped-query attention with an optional sliding window, SwiGLU. Names and config.json fields
 * are Hugging Face's.
 */
import type { z } from 'zod';
import { lazySchema, prettifyError } from '../../schema';
import { attention, mergeHeads, rmsNorm, rotary, rotaryTables, splitHeads, tf } from '../../engine';
import type { NamedTensors } from '../../engine';
import { TunebookError } from '../../types';
import { requireKnownKeys } from './config-keys';
import { moduleLinear } from './linear';
import { ropeFrequencies, ropeSchema } from './rope';
import type { Architecture, LinearModule, ParameterSpec } from './architecture';

const configSchema = lazySchema((z) =>
  z.looseObject({
    model_type: z.enum(['mistral', 'llama']).default('mistral'),
    vocab_size: z.int().positive().default(32000),
    hidden_size: z.int().positive().default(4096),
    intermediate_size: z.int().positive().default(14336),
    num_hidden_layers: z.int().positive().default(32),
    num_attention_heads: z.int().positive().default(32),
    num_key_value_heads: z.int().positive().nullish(),
    head_dim: z.int().positive().nullish(),
    hidden_act: z.enum(['silu', 'swish']).default('silu'),
    max_position_embeddings: z
      .int()
      .positive()
      .default(4096 * 32),
    initializer_range: z.number().positive().default(0.02),
    rms_norm_eps: z.number().positive().default(1e-6),
    rope_theta: z.number().positive().nullish(),
    rope_parameters: ropeSchema().nullish(),
    rope_scaling: ropeSchema().nullish(),
    sliding_window: z.int().positive().nullish(),
    layer_types: z.array(z.string()).nullish(),
    partial_rotary_factor: z.literal(1).optional(),
    attention_dropout: z.number().min(0).lt(1).default(0),
    attention_bias: z.literal(false).default(false),
    mlp_bias: z.literal(false).default(false),
    tie_word_embeddings: z.boolean().default(false),
  }),
);

/** Fields of config.json; those left out take the values that transformers gives them (Mistral-7B-v0.1's sizes). */
export type MistralConfig = z.input<ReturnType<typeof configSchema>>;

/**
 * @throws TunebookError that lists every field that cannot be used.
 * @example
 * countParameters(mistral({})) // 7241732096
 */
export function mistral(config: MistralConfig): Architecture {
  const parsed = configSchema().safeParse(config);
  if (!parsed.success) {
    throw new TunebookError(
      `mistral config.json: ${prettifyError(parsed.error)}\n` +
        'Models whose configuration asks for more than this are not supported: choose another one.',
    );
  }
  const c = parsed.data;
  requireKnownKeys(config, Object.keys(configSchema().shape), 'mistral config.json');
  const [width, heads] = [c.hidden_size, c.num_attention_heads];
  // Configurations older than grouped-query attention name no key-value heads: transformers reads 8 for Mistral.
  const keyValueHeads = c.num_key_value_heads ?? (c.model_type === 'mistral' ? 8 : heads);
  const headSize = c.head_dim ?? width / heads;
  if (heads % keyValueHeads !== 0 || !Number.isInteger(headSize) || headSize % 2 !== 0) {
    throw new TunebookError(
      `mistral config.json: expected num_attention_heads to be a multiple of num_key_value_heads, and heads of an ` +
        `even size, got ${heads} heads, ${keyValueHeads} key-value heads and heads of ${headSize}.`,
    );
  }
  const frequencies = ropeFrequencies(c, headSize);
  const slidingWindow = c.model_type === 'mistral' ? windowOf(c) : undefined;
  const inner = c.intermediate_size;
  const linearModule = (name: string, inSize: number, outSize: number): LinearModule => ({
    name,
    inSize,
    outSize,
    conv1d: false,
  });
  const modules = [
    linearModule('self_attn.q_proj', width, heads * headSize),
    linearModule('self_attn.k_proj', width, keyValueHeads * headSize),
    linearModule('self_attn.v_proj', width, keyValueHeads * headSize),
    linearModule('self_attn.o_proj', heads * headSize, width),
    linearModule('mlp.gate_proj', width, inner),
    linearModule('mlp.up_proj', width, inner),
    linearModule('mlp.down_proj', inner, width),
  ];
  const outSizes = Object.fromEntries(modules.map(({ name, outSize }) => [name, outSize]));

  const block = (inputs: NamedTensors): NamedTensors => {
    const linear = (module: string, input: tf.Tensor): tf.Tensor =>
      moduleLinear(inputs, module, input, { conv1d: false, outSize: outSizes[module] });
    const tables = { cos: inputs['rotary.cos'], sin: inputs['rotary.sin'] }; // [B, 1, T, D / 2]
    const { x, bias } = inputs; // [B, T, C], [B, 1, T, S + T]
    const normed = rmsNorm(x, inputs['input_layernorm.weight'], c.rms_norm_eps);
    const query = rotary(splitHeads(linear('self_attn.q_proj', normed), heads), tables); // [B, H, T, D]
    const key = rotary(splitHeads(linear('self_attn.k_proj', normed), keyValueHeads), tables); // [B, KV, T, D]
    const value = splitHeads(linear('self_attn.v_proj', normed), keyValueHeads); // [B, KV, T, D]
    const attended = attention({
      query,
      key,
      value,
      bias,
      mask: inputs['dropout.attn'],
      pastKey: inputs['past.key'],
      pastValue: inputs['past.value'],
    });
    const middle = tf.add(x, linear('self_attn.o_proj', mergeHeads(attended))); // [B, T, C]
    const again = rmsNorm(middle, inputs['post_attention_layernorm.weight'], c.rms_norm_eps);
    const gate = linear('mlp.gate_proj', again); // [B, T, inner]
    const wide = tf.mul(tf.mul(gate, tf.sigmoid(gate)), linear('mlp.up_proj', again));
    return { y: tf.add(middle, linear('mlp.down_proj', wide)), key, value };
  };

  const head = c.tie_word_embeddings ? 'embed_tokens.weight' : 'lm_head.weight';
  const std = c.initializer_range;
  return {
    modelType: c.model_type,
    prefix: 'model.',
    vocabSize: c.vocab_size,
    width,
    layers: c.num_hidden_layers,
    heads,
    keyValueHeads,
    headSize,
    maxPositions: c.max_position_embeddings,
    slidingWindow,
    tokenEmbedding: 'embed_tokens.weight',
    head,
    parameters: [
      { name: 'embed_tokens.weight', shape: [c.vocab_size, width], decay: true, init: { std } },
      ...Array.from({ length: c.num_hidden_layers }, (_, layer) =>
        layerSpecs(layer, modules, { width, std }),
      ).flat(),
      { name: 'norm.weight', shape: [width], decay: false, init: { value: 1 } },
      ...(c.tie_word_embeddings
        ? []
        : [{ name: head, shape: [c.vocab_size, width], decay: true, init: { std } }]),
    ],
    modules,
    loraTargets: ['q_proj', 'v_proj'],
    isBuffer: (name) => name.endsWith('rotary_emb.inv_freq'),
    embeddingDropout: 0,
    dropoutSites: [{ name: 'attn', rate: c.attention_dropout, shape: (B, T) => [B, heads, T, T] }],
    layerPrefix: (layer) => `layers.${layer}.`,
    positionFeeds: (positions, shape) => {
      const { cos, sin } = rotaryTables(positions, shape, frequencies);
      return { 'rotary.cos': cos, 'rotary.sin': sin };
    },
    block,
    trainingBlock: (inputs) => ({ y: block(inputs).y }),
    finalNorm: (inputs) => ({ y: rmsNorm(inputs.x, inputs['norm.weight'], c.rms_norm_eps) }),
    finalNormParameters: ['norm.weight'],
    toJson: () => ({
      architectures: [c.model_type === 'mistral' ? 'MistralForCausalLM' : 'LlamaForCausalLM'],
      ...c,
      num_key_value_heads: keyValueHeads,
      // Without the field Mistral's configuration means 4,096.
      ...(c.model_type === 'mistral' ? { sliding_window: slidingWindow ?? null } : {}),
    }),
  };
}

/** What a Mistral without the field looks back on, in tokens. */
const SLIDING_WINDOW = 4096;

/** @throws TunebookError where some layers have a window and others none */
function windowOf(c: z.infer<ReturnType<typeof configSchema>>): number | undefined {
  const window = c.sliding_window === undefined ? SLIDING_WINDOW : (c.sliding_window ?? undefined);
  const kinds = new Set(c.layer_types ?? []);
  if (kinds.size === 0) return window;
  const [kind] = kinds;
  if (kinds.size === 1 && kind === 'full_attention') return undefined;
  if (kinds.size === 1 && kind === 'sliding_attention' && window !== undefined) return window;
  throw new TunebookError(
    `mistral config.json: expected layer_types that are all full_attention, or all sliding_attention with a sliding_window, ` +
      `got ${[...kinds].join(' and ')} with a window of ${window ?? 'none'}. Layers of several kinds are not supported.`,
  );
}

function layerSpecs(
  layer: number,
  modules: readonly LinearModule[],
  { width, std }: { width: number; std: number },
): ParameterSpec[] {
  return [
    ...modules.map(({ name, inSize, outSize }) => ({
      name: `layers.${layer}.${name}.weight`,
      shape: [outSize, inSize],
      decay: true,
      init: { std },
    })),
    ...['input_layernorm', 'post_attention_layernorm'].map((name) => ({
      name: `layers.${layer}.${name}.weight`,
      shape: [width],
      decay: false,
      init: { value: 1 },
    })),
  ];
}
