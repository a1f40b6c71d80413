/**
 * From a config.json to a decoder's description: absent fields take the values of transformers' configuration classes,
 * fields that a family does not read are refused where they could change what the model computes.
 */
import type { z } from 'zod';
import { lazySchema, prettifyError } from '../../schema';
import { TunebookError } from '../../types';
import { activationNamed } from './parts/activation-name';
import type { Architecture } from './architecture';
import { requireKnownKeys } from './parts/config-keys';
import { decoder } from './decoder';
import type { DecoderDescription, LayerDescription } from './decoder-description';
import { ropeOf, ropeSchema } from './parts/rope';
import type { Rope, RopeFields } from './parts/rope';

const configSchema = lazySchema((z) => {
  const size = z.int().positive();
  const share = z.number().min(0).lt(1);
  const scale = z.number().positive();
  return z.looseObject({
    vocab_size: size,
    hidden_size: size,
    intermediate_size: size,
    num_hidden_layers: size,
    num_attention_heads: size,
    num_key_value_heads: size.nullish(),
    head_dim: size.nullish(),
    max_position_embeddings: size,
    original_max_position_embeddings: size.nullish(),
    initializer_range: scale,
    rms_norm_eps: scale.nullish(),
    layer_norm_eps: scale.nullish(),
    norm_epsilon: scale.nullish(),
    hidden_act: z.string().nullish(),
    hidden_activation: z.string().nullish(),
    rope_theta: scale.nullish(),
    rope_local_base_freq: scale.nullish(),
    rope_parameters: z.record(z.string(), z.unknown()).nullish(),
    rope_scaling: z.record(z.string(), z.unknown()).nullish(),
    partial_rotary_factor: scale.max(1).nullish(),
    sliding_window: size.nullish(),
    use_sliding_window: z.boolean().nullish(),
    max_window_layers: z.int().min(0).nullish(),
    sliding_window_pattern: size.nullish(),
    layer_types: z.array(z.string()).nullish(),
    no_rope_layers: z.array(z.int().min(0).max(1)).nullish(),
    no_rope_layer_interval: size.nullish(),
    attention_dropout: share.nullish(),
    resid_pdrop: share.nullish(),
    embd_pdrop: share.nullish(),
    residual_dropout: share.nullish(),
    embedding_dropout: share.nullish(),
    hidden_dropout: share.nullish(),
    attention_bias: z.boolean().nullish(),
    mlp_bias: z.boolean().nullish(),
    use_bias: z.boolean().nullish(),
    use_qkv_bias: z.boolean().nullish(),
    tie_word_embeddings: z.boolean().nullish(),
    query_pre_attn_scalar: scale.nullish(),
    attn_logit_softcapping: scale.nullish(),
    final_logit_softcapping: scale.nullish(),
    use_bidirectional_attention: z.literal(false).nullish(),
    embedding_multiplier: scale.nullish(),
    attention_multiplier: scale.nullish(),
    residual_multiplier: scale.nullish(),
    logits_scaling: scale.nullish(),
    logit_scale: scale.nullish(),
    use_parallel_residual: z.boolean().nullish(),
    qk_layernorm: z.literal(false).nullish(),
    use_qk_norm: z.literal(false).nullish(),
    mlp_type: z.literal('default').nullish(),
    norm_type: z.literal('layer_norm').nullish(),
  });
});

/** A decoder's config.json with its family's defaults. */
export type DecoderConfig = z.output<ReturnType<typeof configSchema>>;

/** A layer's rotary positions: of the layer's type, or one for all. */
export interface RopeNeed {
  readonly layer: number;
  readonly slides: boolean;
}

/** What makes a family. */
export interface DecoderFamily {
  readonly className: string;
  /** Fields that the family reads, with the values that absent ones have: transformers' configuration classes. */
  readonly defaults: Readonly<Record<string, unknown>>;
  /** Fields that transformers passes over too. */
  readonly passesOver?: readonly string[];
  /** PEFT's default targets. */
  readonly loraTargets?: readonly string[];
  /** Theta where the configuration has none; default 10,000. */
  readonly theta?: number;
  /** Whether a part of each head may stay as it is, and which part turns by default. */
  readonly partialRotary?: number;
  /** Whether config.json has rotary positions for each type of layers (Gemma 3, OLMo 3); theta of windowed layers. */
  readonly ropeByType?: { readonly slidingTheta?: number };
  /** Which layers have a window where the configuration names no layer types; absent: none ever. */
  readonly slides?: (c: DecoderConfig, layer: number) => boolean;
  /** Layers that get no positions. */
  readonly isNope?: (c: DecoderConfig, layer: number) => boolean;
  /** What differs from Llama. */
  readonly change?: (c: DecoderConfig) => Partial<DecoderDescription>;
}

/** Fields that every decoder has, with Llama's values. */
const COMMON: Readonly<Record<string, unknown>> = {
  vocab_size: 32000,
  hidden_size: 4096,
  intermediate_size: 11008,
  num_hidden_layers: 32,
  num_attention_heads: 32,
  num_key_value_heads: null,
  max_position_embeddings: 2048,
  initializer_range: 0.02,
  hidden_act: 'silu',
  attention_dropout: 0,
  tie_word_embeddings: false,
  rope_theta: null,
  rope_parameters: null,
  rope_scaling: null,
  partial_rotary_factor: null,
};

/** @throws TunebookError that lists every field that cannot be used. */
export function describedDecoder(
  modelType: string,
  family: DecoderFamily,
  config: Readonly<Record<string, unknown>>,
): Architecture {
  const where = `${modelType} config.json`;
  const defaults = { ...COMMON, ...family.defaults };
  const parsed = configSchema().safeParse({ ...defaults, ...config });
  if (!parsed.success) {
    throw new TunebookError(
      `${where}: ${prettifyError(parsed.error)}\n` +
        'Models whose configuration asks for more than this are not supported: choose another one.',
    );
  }
  requireKnownKeys(config, [...Object.keys(defaults), ...(family.passesOver ?? [])], where);
  const c = parsed.data;
  const heads = c.num_attention_heads;
  const keyValueHeads = c.num_key_value_heads ?? heads;
  const headSize = c.head_dim ?? c.hidden_size / heads;
  const share = partialRotary(c, family, where);
  const rotarySize = Math.floor(headSize * share);
  if (heads % keyValueHeads !== 0 || !Number.isInteger(headSize) || rotarySize % 2 !== 0 || rotarySize < 2) {
    throw new TunebookError(
      `${where}: expected num_attention_heads to be a multiple of num_key_value_heads, and heads of an even size, ` +
        `got ${heads} heads, ${keyValueHeads} key-value heads and heads of ${headSize}` +
        `${share === 1 ? '' : `, of which ${rotarySize} numbers turn`}.`,
    );
  }
  const { kinds, kindOf } = layerKinds(c, family, { rotarySize, where });
  const isTied = c.tie_word_embeddings ?? false;
  return decoder({
    modelType,
    vocabSize: c.vocab_size,
    width: c.hidden_size,
    inner: c.intermediate_size,
    layers: c.num_hidden_layers,
    heads,
    keyValueHeads,
    headSize,
    maxPositions: Math.max(...kinds.map(({ rope }) => rope?.maxPositions ?? c.max_position_embeddings)),
    norm: 'rms',
    epsilon: c.rms_norm_eps ?? c.layer_norm_eps ?? c.norm_epsilon ?? 1e-6,
    gainPlusOne: false,
    norms: { beforeAttention: 'input_layernorm', beforeMlp: 'post_attention_layernorm' },
    parallel: false,
    fusedQkv: false,
    mlp: 'gated',
    bias: { qkv: c.attention_bias ?? false, out: c.attention_bias ?? false, mlp: c.mlp_bias ?? false },
    activation: activationNamed(c.hidden_activation ?? c.hidden_act ?? 'null', where),
    rotarySize,
    interleavedRotary: false,
    embeddingScale: 1,
    residualScale: 1,
    logitScale: 1,
    attentionDropout: c.attention_dropout ?? 0,
    residualDropout: { attention: 0, mlp: 0 },
    embeddingDropout: 0,
    isTied,
    std: c.initializer_range,
    loraTargets: family.loraTargets ?? [],
    kinds,
    kindOf,
    ...family.change?.(c),
    json: {
      architectures: [family.className],
      ...Object.fromEntries(Object.entries(defaults).filter(([, value]) => value !== null)),
      ...config,
      model_type: modelType,
      num_key_value_heads: keyValueHeads,
      tie_word_embeddings: isTied,
    },
  });
}

/** Which part of each head turns. @throws TunebookError where a family whose heads turn whole is to turn in part */
function partialRotary(c: DecoderConfig, family: DecoderFamily, where: string): number {
  const inRope = (c.rope_scaling ?? c.rope_parameters)?.partial_rotary_factor;
  const said = typeof inRope === 'number' ? inRope : (c.partial_rotary_factor ?? family.partialRotary ?? 1);
  if (family.partialRotary !== undefined || said === 1) return said;
  throw new TunebookError(
    `${where}: expected partial_rotary_factor 1, got ${said}: heads of this family turn whole. Choose another model.`,
  );
}

/** Layers that are fed alike are one kind. */
function layerKinds(
  c: DecoderConfig,
  family: DecoderFamily,
  { rotarySize, where }: { rotarySize: number; where: string },
): { kinds: LayerDescription[]; kindOf: number[] } {
  const types = layerTypes(c, family, where);
  const ropes = ropesByType(c, family, { rotarySize, where });
  const kinds: LayerDescription[] = [];
  const names: string[] = [];
  const kindOf = types.map((type, layer) => {
    const isNope = family.isNope?.(c, layer) ?? false;
    const name = `${type} ${isNope}`;
    if (!names.includes(name)) {
      names.push(name);
      const isSliding = type === 'sliding_attention';
      const rope = ropes[isSliding ? 'sliding' : 'full'];
      kinds.push({
        window: isSliding ? (c.sliding_window ?? undefined) : undefined,
        rope: isNope ? undefined : rope,
      });
    }
    return names.indexOf(name);
  });
  return { kinds, kindOf };
}

const LAYER_TYPES = ['full_attention', 'sliding_attention'];

function layerTypes(c: DecoderConfig, { slides }: DecoderFamily, where: string): string[] {
  const layers = Array.from({ length: c.num_hidden_layers }, (_, layer) => layer);
  if (slides === undefined) return layers.map(() => LAYER_TYPES[0]);
  const hasWindow = typeof c.sliding_window === 'number';
  const types = c.layer_types ?? layers.map((layer) => LAYER_TYPES[hasWindow && slides(c, layer) ? 1 : 0]);
  const isKnown = types.length === layers.length && types.every((type) => LAYER_TYPES.includes(type));
  if (isKnown && (hasWindow || !types.includes(LAYER_TYPES[1]))) return types;
  throw new TunebookError(
    `${where}: expected layer_types of ${layers.length} layers, each full_attention, or sliding_attention with a ` +
      `sliding_window, got ${[...new Set(types)].join(' and ')} for ${types.length} with a window of ` +
      `${c.sliding_window ?? 'none'}. Layers of other types are not supported: choose another model.`,
  );
}

/** Rotary positions of full and of windowed layers. */
function ropesByType(
  c: DecoderConfig,
  family: DecoderFamily,
  { rotarySize, where }: { rotarySize: number; where: string },
): { full: Rope; sliding: Rope } {
  const read = (fields: unknown, theta?: number): Rope => {
    const parsed = ropeSchema().safeParse(fields ?? {});
    if (!parsed.success) throw new TunebookError(`${where}: rope: ${prettifyError(parsed.error)}`);
    const rope: RopeFields = parsed.data;
    return ropeOf(rope, {
      size: rotarySize,
      theta: rope.rope_theta ?? theta ?? c.rope_theta ?? family.theta ?? 10000,
      maxPositions: c.max_position_embeddings,
      originalPositions: c.original_max_position_embeddings ?? undefined,
    });
  };
  const { rope_parameters: said, rope_scaling: old } = c;
  if (family.ropeByType === undefined) {
    // The older field counts first, as in transformers, which reads it into the newer one.
    const rope = read(old ?? said);
    return { full: rope, sliding: rope };
  }
  const { slidingTheta } = family.ropeByType;
  if (said !== undefined && said !== null && !LAYER_TYPES.some((type) => type in said)) {
    throw new TunebookError(
      `${where}: expected rope_parameters of ${LAYER_TYPES.join(' and ')}, got ${Object.keys(said).join(', ')}. ` +
        'Download the model again.',
    );
  }
  const full = read({ ...(said?.full_attention as object | undefined), ...old });
  const theta = c.rope_local_base_freq ?? slidingTheta;
  return { full, sliding: read(said?.sliding_attention, theta) };
}
