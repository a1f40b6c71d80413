/**
 * The decoders of the Llama line as llama.cpp knows them, a row each: names of norms, what rotary positions turn, what
 * the architecture takes for granted. A model that differs from what llama.cpp computes is refused.
 */
import type { Architecture, DecoderDescription } from '../../models';
import type { DecoderFeature } from '../source/decoder-form';
import { tableBorder } from '../source/rope-tables';
import { f32, text, u32 } from './types/format';
import type { GgufEntries } from './types/format';

/** A row of the table. */
export interface DecoderRow {
  /** llama.cpp's name of the architecture. */
  readonly architecture: string;
  /** Our norms in a layer -> GGUF's, where they differ from Llama's. */
  readonly norms?: Readonly<Record<string, string>>;
  /** What the family has beyond Llama's form. */
  readonly features: readonly DecoderFeature[];
  /** Rows of queries and keys go in the order of the original Llama: rotary pairs side by side. */
  readonly turnsPairs?: boolean;
  /** Keeps its windows: llama.cpp computes them. The period is that of layers without one. */
  readonly windowPeriod?: number;
  /** The head is always the embedding. */
  readonly isTied?: boolean;
  /** What keeps a model of the family from being computed by llama.cpp as it is; undefined where nothing does. */
  readonly refuses?: (d: DecoderDescription) => string | undefined;
  /** Metadata beyond Llama's, without the architecture's prefix. */
  readonly entries?: (d: DecoderDescription) => GgufEntries;
}

const NORMS_AROUND = {
  post_attention_layernorm: 'post_attention_norm',
  pre_feedforward_layernorm: 'ffn_norm',
  post_feedforward_layernorm: 'post_ffw_norm',
};
const SCALES: DecoderFeature = 'scales of embedding, residual or logits';
const GEMMA: readonly DecoderFeature[] = ['gainPlusOne', 'an activation other than silu', SCALES];
const GEMMA_2: readonly DecoderFeature[] = [...GEMMA, 'other norms', 'an attention scale', 'soft caps'];

/** Gemma's embedding scale is the root of the width there. */
const refusesGemma = (d: DecoderDescription): string | undefined => {
  if (d.activation !== 'gelu_new') return `hidden_activation ${d.activation}`;
  if (d.attentionScale !== undefined && Math.abs(d.attentionScale * Math.sqrt(d.headSize) - 1) > 1e-6)
    return 'query_pre_attn_scalar other than head_dim';
  return undefined;
};
const softcaps = (d: DecoderDescription): GgufEntries => [
  ...(d.attentionSoftcap === undefined ? [] : [['attn_logit_softcapping', f32(d.attentionSoftcap)] as const]),
  ...(d.logitSoftcap === undefined ? [] : [['final_logit_softcapping', f32(d.logitSoftcap)] as const]),
];
const windows = (d: DecoderDescription): GgufEntries => {
  const window = d.kinds.find((kind) => kind.window !== undefined)?.window;
  return window === undefined ? [] : [['attention.sliding_window', u32(window)]];
};

const LLAMA: DecoderRow = { architecture: 'llama', features: ['biases'], turnsPairs: true };

/** By config.json's model_type. */
export const DECODER_ROWS: Readonly<Record<string, DecoderRow>> = {
  llama: LLAMA,
  mistral: LLAMA,
  qwen2: { architecture: 'qwen2', features: ['biases'] },
  qwen3: { architecture: 'qwen3', features: ['normalized queries and keys'] },
  smollm3: {
    architecture: 'smollm3',
    features: ['layers without rotary positions', 'layers of several rotary positions'],
    turnsPairs: true,
    refuses: (d) =>
      d.kindOf.every((kind, layer) => (d.kinds[kind].rope === undefined) === ((layer + 1) % 4 === 0))
        ? undefined
        : 'layers without rotary positions other than every fourth',
  },
  gemma: { architecture: 'gemma', features: GEMMA, isTied: true, refuses: refusesGemma },
  gemma2: {
    architecture: 'gemma2',
    features: GEMMA_2,
    norms: NORMS_AROUND,
    windowPeriod: 2,
    isTied: true,
    refuses: (d) =>
      refusesGemma(d) ??
      (d.attentionSoftcap === undefined || d.logitSoftcap === undefined ? 'no soft caps' : undefined),
    entries: (d) => [...softcaps(d), ...windows(d)],
  },
  gemma3_text: {
    architecture: 'gemma3',
    features: [...GEMMA_2, 'normalized queries and keys', 'layers of several rotary positions'],
    norms: NORMS_AROUND,
    windowPeriod: 6,
    isTied: true,
    refuses: (d) => refusesGemma(d) ?? (d.attentionSoftcap === undefined ? undefined : 'attention soft caps'),
    entries: (d) => [
      ...softcaps(d),
      ...windows(d),
      ...d.kinds.flatMap(({ window, rope }): GgufEntries =>
        window === undefined || rope === undefined ? [] : [['rope.freq_base_swa', f32(rope.theta)]],
      ),
    ],
  },
  phi3: {
    architecture: 'phi3',
    features: ['fused projections', 'heads that turn in part'],
    entries: (d) => {
      const rope = d.kinds[0].rope;
      if (rope?.kind !== 'longrope') return [];
      return [
        ['rope.scaling.original_context_length', u32(tableBorder(rope))],
        ['rope.scaling.attn_factor', f32(rope.rotation(1).scale)],
      ];
    },
  },
  olmo2: {
    architecture: 'olmo2',
    features: ['other norms', 'normalized queries and keys'],
    norms: NORMS_AROUND,
  },
  granite: {
    ...LLAMA,
    architecture: 'granite',
    features: ['an attention scale', SCALES],
    entries: (d) => [
      ...(d.attentionScale === undefined ? [] : [['attention.scale', f32(d.attentionScale)] as const]),
      ['embedding_scale', f32(d.embeddingScale)],
      ['residual_scale', f32(d.residualScale)],
      ['logit_scale', f32(1 / d.logitScale)],
    ],
  },
  stablelm: {
    architecture: 'stablelm',
    features: ['layerNorm', 'biases', 'heads that turn in part', 'parallel residual', 'other norms'],
    refuses: (d) => (d.isTied ? 'a tied head' : undefined),
    entries: (d) => [['use_parallel_residual', { type: 'bool', value: d.parallel }]],
  },
  starcoder2: {
    architecture: 'starcoder2',
    features: ['layerNorm', 'biases', 'a feed-forward part without a gate', 'an activation other than silu'],
    refuses: (d) => {
      if (!d.bias.out || !d.bias.mlp) return 'no biases';
      return d.activation === 'gelu_new' ? undefined : `hidden_act ${d.activation}`;
    },
  },
  cohere: {
    architecture: 'command-r',
    features: ['layerNorm', 'other norms', 'parallel residual', 'heads that turn in part', SCALES],
    isTied: true,
    refuses: (d) => (d.bias.qkv ? 'biases' : undefined),
    entries: (d) => [
      ['logit_scale', f32(d.logitScale)],
      ['rope.scaling.type', text('none')],
    ],
  },
  glm4: {
    architecture: 'glm4',
    features: ['other norms', 'biases', 'fused projections', 'heads that turn in part'],
    norms: {
      post_self_attn_layernorm: 'post_attention_norm',
      post_attention_layernorm: 'ffn_norm',
      post_mlp_layernorm: 'post_ffw_norm',
    },
  },
};

/** Our names of modules and norms inside a layer -> GGUF's. */
export function layerNames({ norms }: DecoderRow): Readonly<Record<string, string>> {
  return {
    'self_attn.q_proj': 'attn_q',
    'self_attn.k_proj': 'attn_k',
    'self_attn.v_proj': 'attn_v',
    'self_attn.qkv_proj': 'attn_qkv',
    'self_attn.o_proj': 'attn_output',
    'self_attn.q_norm': 'attn_q_norm',
    'self_attn.k_norm': 'attn_k_norm',
    'mlp.gate_proj': 'ffn_gate',
    'mlp.up_proj': 'ffn_up',
    'mlp.gate_up_proj': 'ffn_up',
    'mlp.c_fc': 'ffn_up',
    'mlp.down_proj': 'ffn_down',
    'mlp.c_proj': 'ffn_down',
    input_layernorm: 'attn_norm',
    ...(norms ?? { post_attention_layernorm: 'ffn_norm' }),
  };
}

/** What of a model llama.cpp would compute otherwise; undefined where nothing. */
export function whyOtherwise(
  row: DecoderRow,
  d: DecoderDescription,
  { isTied }: { readonly isTied: boolean },
): string | undefined {
  if (row.isTied === true && !isTied) return 'a head of its own';
  const { windowPeriod } = row;
  if (windowPeriod !== undefined) {
    const isRegular = d.kindOf.every(
      (kind, layer) => (d.kinds[kind].window === undefined) === ((layer + 1) % windowPeriod === 0),
    );
    if (!isRegular) return `layers without a window other than every ${windowPeriod}th`;
  }
  return row.refuses?.(d);
}

/** Metadata of sizes, norms and positions that all of them have. */
export function decoderEntries(model: Architecture, d: DecoderDescription, row: DecoderRow): GgufEntries {
  const epsilon = d.norm === 'rms' ? 'layer_norm_rms_epsilon' : 'layer_norm_epsilon';
  return [
    ['vocab_size', u32(model.vocabSize)],
    ['feed_forward_length', u32(d.inner)],
    ['attention.head_count', u32(model.heads)],
    ['attention.head_count_kv', u32(model.keyValueHeads)],
    ['attention.key_length', u32(model.headSize)],
    ['attention.value_length', u32(model.headSize)],
    [`attention.${epsilon}`, f32(d.epsilon)],
    ...(row.entries?.(d) ?? []),
  ];
}
