/**
 * The families of the Llama line, a row each: transformers' defaults of what Llama has otherwise, and what differs in the
 * computation. Sources: transformers' configuration_*.py and modeling_*.py, PEFT's constants.py for LoRA's targets.
 */
import type { DecoderConfig, DecoderFamily } from './decoder-config';
import type { DecoderDescription } from './decoder-description';

const QV = ['q_proj', 'v_proj'];
const always = (): boolean => true;
/** Qwen: the upper layers, and only where it is switched on. */
const upperLayers = (c: DecoderConfig, layer: number): boolean =>
  c.use_sliding_window === true && layer >= (c.max_window_layers ?? 0);

const PRE_NORMS = { beforeAttention: 'input_layernorm', beforeMlp: 'post_attention_layernorm' };
const POST_NORMS = { afterAttention: 'post_attention_layernorm', afterMlp: 'post_feedforward_layernorm' };
const SANDWICH_NORMS = {
  beforeAttention: 'input_layernorm',
  afterAttention: 'post_attention_layernorm',
  beforeMlp: 'pre_feedforward_layernorm',
  afterMlp: 'post_feedforward_layernorm',
};

const gemma = (c: DecoderConfig): Partial<DecoderDescription> => ({
  gainPlusOne: true,
  embeddingScale: Math.fround(Math.sqrt(c.hidden_size)),
});
const gemma2 = (c: DecoderConfig): Partial<DecoderDescription> => ({
  ...gemma(c),
  norms: SANDWICH_NORMS,
  attentionScale: (c.query_pre_attn_scalar ?? 256) ** -0.5,
  attentionSoftcap: c.attn_logit_softcapping ?? undefined,
  logitSoftcap: c.final_logit_softcapping ?? undefined,
});

const mistral: DecoderFamily = {
  className: 'MistralForCausalLM',
  loraTargets: QV,
  slides: always,
  defaults: {
    intermediate_size: 14336,
    num_key_value_heads: 8,
    head_dim: null,
    max_position_embeddings: 4096 * 32,
    rms_norm_eps: 1e-6,
    sliding_window: 4096,
    layer_types: null,
  },
};

const GEMMA_SIZES = {
  head_dim: 256,
  max_position_embeddings: 8192,
  rms_norm_eps: 1e-6,
  tie_word_embeddings: true,
  attention_bias: false,
  use_bidirectional_attention: null,
};

const gemma2Family: DecoderFamily = {
  className: 'Gemma2ForCausalLM',
  loraTargets: QV,
  slides: (_, layer) => layer % 2 === 0,
  change: gemma2,
  defaults: {
    ...GEMMA_SIZES,
    vocab_size: 256000,
    hidden_size: 2304,
    intermediate_size: 9216,
    num_hidden_layers: 26,
    num_attention_heads: 8,
    num_key_value_heads: 4,
    // Not read by transformers, which goes by the other name.
    hidden_act: null,
    hidden_activation: 'gelu_pytorch_tanh',
    query_pre_attn_scalar: 256,
    sliding_window: 4096,
    layer_types: null,
    final_logit_softcapping: 30,
    attn_logit_softcapping: 50,
  },
};

const QWEN_SIZES = {
  head_dim: null,
  vocab_size: 151936,
  intermediate_size: 22016,
  num_key_value_heads: 32,
  max_position_embeddings: 32768,
  rms_norm_eps: 1e-6,
  use_sliding_window: false,
  sliding_window: 4096,
  max_window_layers: 28,
  layer_types: null,
};

const OLMO_SIZES = { vocab_size: 50304, rms_norm_eps: 1e-5, attention_bias: false };

/** By config.json's model_type. */
export const DECODER_FAMILIES: Readonly<Record<string, DecoderFamily>> = {
  llama: {
    className: 'LlamaForCausalLM',
    loraTargets: QV,
    passesOver: ['sliding_window', 'layer_types'],
    defaults: { head_dim: null, rms_norm_eps: 1e-6, attention_bias: false, mlp_bias: false },
  },
  mistral,
  ministral: { ...mistral, className: 'MinistralForCausalLM', loraTargets: [] },
  qwen2: {
    className: 'Qwen2ForCausalLM',
    loraTargets: QV,
    slides: upperLayers,
    defaults: QWEN_SIZES,
    change: () => ({ bias: { qkv: true, out: false, mlp: false } }),
  },
  qwen3: {
    className: 'Qwen3ForCausalLM',
    loraTargets: QV,
    slides: upperLayers,
    defaults: { ...QWEN_SIZES, head_dim: 128, attention_bias: false },
    change: () => ({ queryKeyNorm: 'head' }),
  },
  smollm3: {
    className: 'SmolLM3ForCausalLM',
    theta: 2e6,
    // Windows stand where there are no rotary positions.
    slides: (c, layer) => c.use_sliding_window === true && hasNoRope(c, layer),
    isNope: hasNoRope,
    passesOver: ['max_window_layers'],
    defaults: {
      vocab_size: 128256,
      hidden_size: 2048,
      num_hidden_layers: 36,
      num_attention_heads: 16,
      num_key_value_heads: 4,
      head_dim: null,
      max_position_embeddings: 32768,
      rms_norm_eps: 1e-6,
      use_sliding_window: false,
      sliding_window: null,
      layer_types: null,
      no_rope_layers: null,
      no_rope_layer_interval: 4,
      attention_bias: false,
      mlp_bias: false,
      tie_word_embeddings: true,
    },
  },
  gemma: {
    className: 'GemmaForCausalLM',
    loraTargets: QV,
    passesOver: ['hidden_activation'],
    // Its first configurations say gelu; the weights were trained with the tanh form.
    change: (c) => ({ ...gemma(c), ...(c.hidden_act === 'gelu' ? { activation: 'gelu_new' } : {}) }),
    defaults: {
      ...GEMMA_SIZES,
      vocab_size: 256000,
      hidden_size: 3072,
      intermediate_size: 24576,
      num_hidden_layers: 28,
      num_attention_heads: 16,
      num_key_value_heads: 16,
      hidden_act: 'gelu_pytorch_tanh',
    },
  },
  gemma2: gemma2Family,
  gemma3_text: {
    ...gemma2Family,
    className: 'Gemma3ForCausalLM',
    theta: 1e6,
    ropeByType: { slidingTheta: 10000 },
    slides: (c, layer) => (layer + 1) % (c.sliding_window_pattern ?? 6) !== 0,
    change: (c) => ({ ...gemma2(c), queryKeyNorm: 'head' }),
    defaults: {
      ...gemma2Family.defaults,
      vocab_size: 262208,
      max_position_embeddings: 131072,
      sliding_window_pattern: null,
      rope_local_base_freq: null,
      final_logit_softcapping: null,
      attn_logit_softcapping: null,
    },
  },
  phi3: {
    className: 'Phi3ForCausalLM',
    slides: always,
    partialRotary: 1,
    // Phi-4-mini's, which are read by no one.
    passesOver: ['full_attn_mod', 'interpolate_factor'],
    change: (c) => ({
      fusedQkv: true,
      mlp: 'fused',
      bias: { qkv: false, out: false, mlp: false },
      residualDropout: { attention: c.resid_pdrop ?? 0, mlp: c.resid_pdrop ?? 0 },
    }),
    defaults: {
      vocab_size: 32064,
      hidden_size: 3072,
      intermediate_size: 8192,
      head_dim: null,
      max_position_embeddings: 4096,
      original_max_position_embeddings: 4096,
      rms_norm_eps: 1e-5,
      resid_pdrop: 0,
      embd_pdrop: 0,
      sliding_window: null,
    },
  },
  olmo2: {
    className: 'Olmo2ForCausalLM',
    defaults: { ...OLMO_SIZES, head_dim: null },
    change: () => ({ norms: POST_NORMS, queryKeyNorm: 'whole' }),
  },
  olmo3: {
    className: 'Olmo3ForCausalLM',
    theta: 500000,
    ropeByType: {},
    slides: (_, layer) => (layer + 1) % 4 !== 0,
    defaults: { ...OLMO_SIZES, head_dim: null, sliding_window: 4096, layer_types: null },
    change: () => ({ norms: POST_NORMS, queryKeyNorm: 'whole' }),
  },
  granite: {
    className: 'GraniteForCausalLM',
    change: (c) => ({
      embeddingScale: c.embedding_multiplier ?? 1,
      attentionScale: c.attention_multiplier ?? 1,
      residualScale: c.residual_multiplier ?? 1,
      logitScale: 1 / (c.logits_scaling ?? 1),
    }),
    defaults: {
      head_dim: null,
      rms_norm_eps: 1e-6,
      attention_bias: false,
      mlp_bias: false,
      embedding_multiplier: 1,
      logits_scaling: 1,
      residual_multiplier: 1,
      attention_multiplier: 1,
    },
  },
  stablelm: {
    className: 'StableLmForCausalLM',
    loraTargets: QV,
    partialRotary: 0.25,
    change: (c) => ({
      norm: 'layer',
      parallel: c.use_parallel_residual === true,
      norms: c.use_parallel_residual === true ? { beforeAttention: 'input_layernorm' } : PRE_NORMS,
      bias: { qkv: c.use_qkv_bias === true, out: false, mlp: false },
      residualDropout: { attention: 0, mlp: c.hidden_dropout ?? 0 },
    }),
    defaults: {
      vocab_size: 50304,
      hidden_size: 2560,
      intermediate_size: 6912,
      num_key_value_heads: 32,
      max_position_embeddings: 4096,
      layer_norm_eps: 1e-5,
      use_qkv_bias: false,
      qk_layernorm: false,
      use_parallel_residual: false,
      hidden_dropout: 0,
    },
  },
  starcoder2: {
    className: 'Starcoder2ForCausalLM',
    slides: always,
    change: (c) => ({
      norm: 'layer',
      mlp: 'plain',
      bias: { qkv: c.use_bias !== false, out: c.use_bias !== false, mlp: c.use_bias !== false },
      residualDropout: { attention: c.residual_dropout ?? 0, mlp: c.residual_dropout ?? 0 },
      embeddingDropout: c.embedding_dropout ?? 0,
    }),
    defaults: {
      vocab_size: 49152,
      hidden_size: 3072,
      intermediate_size: 12288,
      num_hidden_layers: 30,
      num_attention_heads: 24,
      num_key_value_heads: 2,
      head_dim: null,
      hidden_act: 'gelu_pytorch_tanh',
      max_position_embeddings: 4096,
      initializer_range: 0.018042,
      norm_epsilon: 1e-5,
      sliding_window: null,
      use_bias: true,
      residual_dropout: 0,
      embedding_dropout: 0,
      tie_word_embeddings: true,
      mlp_type: null,
      norm_type: null,
    },
  },
  cohere: {
    className: 'CohereForCausalLM',
    theta: 500000,
    change: (c) => ({
      norm: 'layer-no-bias',
      parallel: true,
      norms: { beforeAttention: 'input_layernorm' },
      interleavedRotary: true,
      logitScale: c.logit_scale ?? 1,
    }),
    defaults: {
      vocab_size: 256000,
      hidden_size: 8192,
      intermediate_size: 22528,
      num_hidden_layers: 40,
      num_attention_heads: 64,
      head_dim: null,
      max_position_embeddings: 8192,
      layer_norm_eps: 1e-5,
      logit_scale: 0.0625,
      attention_bias: false,
      use_qk_norm: false,
      tie_word_embeddings: true,
    },
  },
  glm4: {
    className: 'Glm4ForCausalLM',
    partialRotary: 0.5,
    change: (c) => ({
      mlp: 'fused',
      interleavedRotary: true,
      bias: { qkv: c.attention_bias === true, out: false, mlp: false },
      norms: {
        beforeAttention: 'input_layernorm',
        afterAttention: 'post_self_attn_layernorm',
        beforeMlp: 'post_attention_layernorm',
        afterMlp: 'post_mlp_layernorm',
      },
    }),
    defaults: {
      vocab_size: 151552,
      intermediate_size: 13696,
      num_hidden_layers: 40,
      num_key_value_heads: 2,
      head_dim: 128,
      max_position_embeddings: 131072,
      rms_norm_eps: 1.5625e-7,
      attention_bias: true,
    },
  },
};

/** `no_rope_layers` says 1 where a layer does have rotary positions. */
function hasNoRope(c: DecoderConfig, layer: number): boolean {
  const said = c.no_rope_layers?.[layer];
  return said === undefined ? (layer + 1) % (c.no_rope_layer_interval ?? 4) === 0 : said === 0;
}
