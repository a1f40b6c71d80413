/**
 * Families as llama.cpp knows them: the architecture's name, its metadata, and what each tensor is called. A family that
 * is missing here is refused; one of its own is one entry of `FAMILIES`.
 */
import { rotaryFrequencies } from '../../engine';
import type { Architecture, Rope } from '../../models';
import { TunebookError } from '../../types';
import { requireForm } from '../source/decoder-form';
import { f32, text, u32 } from './format';
import type { GgufEntries } from './format';

/** A family in GGUF. */
export interface GgufFamily {
  /** llama.cpp's name of the architecture. */
  readonly architecture: string;
  /** Our names of modules and norms inside a layer -> GGUF's. */
  readonly layerNames: Readonly<Record<string, string>>;
  /** Our names outside of layers -> GGUF's, without '.weight'. */
  readonly names: Readonly<Record<string, string>>;
  /** Modules whose rows llama.cpp has in another order: rotary pairs side by side instead of half a head apart. */
  readonly rotaryModules: readonly string[];
  /** What the architecture adds to the metadata, without the architecture's prefix. */
  entries(model: Architecture): GgufEntries;
}

const gpt2: GgufFamily = {
  architecture: 'gpt2',
  layerNames: {
    'attn.c_attn': 'attn_qkv',
    'attn.c_proj': 'attn_output',
    'mlp.c_fc': 'ffn_up',
    'mlp.c_proj': 'ffn_down',
    ln_1: 'attn_norm',
    ln_2: 'ffn_norm',
  },
  names: { wte: 'token_embd', wpe: 'position_embd', ln_f: 'output_norm', lm_head: 'output' },
  rotaryModules: [],
  entries: (model) => {
    const c = model.toJson();
    const isPlain = c.scale_attn_weights === true && c.scale_attn_by_inverse_layer_idx === false;
    if (!isPlain || c.activation_function !== 'gelu_new') {
      throw new TunebookError(
        'exportGguf: expected a GPT-2 with scale_attn_weights, without scale_attn_by_inverse_layer_idx and with gelu_new, ' +
          `got ${String(c.scale_attn_weights)}, ${String(c.scale_attn_by_inverse_layer_idx)} and ` +
          `${String(c.activation_function)}. llama.cpp computes no other: export to ONNX.`,
      );
    }
    return [
      ['feed_forward_length', u32(outSizeOf(model, 'mlp.c_fc'))],
      ['attention.head_count', u32(model.heads)],
      ['attention.layer_norm_epsilon', f32(Number(c.layer_norm_epsilon))],
    ];
  },
};

const llama: GgufFamily = {
  architecture: 'llama',
  layerNames: {
    'self_attn.q_proj': 'attn_q',
    'self_attn.k_proj': 'attn_k',
    'self_attn.v_proj': 'attn_v',
    'self_attn.o_proj': 'attn_output',
    'mlp.gate_proj': 'ffn_gate',
    'mlp.up_proj': 'ffn_up',
    'mlp.down_proj': 'ffn_down',
    input_layernorm: 'attn_norm',
    post_attention_layernorm: 'ffn_norm',
  },
  names: { embed_tokens: 'token_embd', norm: 'output_norm', lm_head: 'output' },
  rotaryModules: ['self_attn.q_proj', 'self_attn.k_proj'],
  entries: (model) => {
    const c = model.toJson();
    return [
      ['vocab_size', u32(model.vocabSize)],
      ['feed_forward_length', u32(outSizeOf(model, 'mlp.up_proj'))],
      ['attention.head_count', u32(model.heads)],
      ['attention.head_count_kv', u32(model.keyValueHeads)],
      ['attention.key_length', u32(model.headSize)],
      ['attention.value_length', u32(model.headSize)],
      ['attention.layer_norm_rms_epsilon', f32(Number(c.rms_norm_eps))],
      ...ropeEntries(model),
    ];
  },
};

/** By config.json's model_type. */
const FAMILIES: Readonly<Record<string, GgufFamily>> = { gpt2, mistral: llama, llama };

/** @throws {TunebookError} For a family that this file does not describe. */
export function ggufFamily(architecture: Architecture): GgufFamily {
  const { modelType } = architecture;
  const found = Object.hasOwn(FAMILIES, modelType) ? FAMILIES[modelType] : undefined;
  if (found !== undefined) {
    const instead = 'Save it and convert it with the tool of llama.cpp.';
    requireForm(architecture, { where: 'exportGguf', supported: [], instead });
    return found;
  }
  throw new TunebookError(
    `exportGguf: expected a model of type ${Object.keys(FAMILIES).join(', ')}, got ${modelType}. ` +
      'Save it and convert it with the tool of llama.cpp.',
  );
}

/** A parameter's name in GGUF: 'h.0.attn.c_attn.weight' -> 'blk.0.attn_qkv.weight'. */
export function ggufName(family: GgufFamily, model: Architecture, name: string): string {
  const at = name.lastIndexOf('.');
  const [owner, kind] = [name.slice(0, at), name.slice(at + 1)];
  const outside = family.names[owner];
  if (outside !== undefined) return `${outside}.${kind}`;
  for (let layer = 0; layer < model.layers; layer++) {
    const prefix = model.layerPrefix(layer);
    if (!owner.startsWith(prefix)) continue;
    const inside = family.layerNames[owner.slice(prefix.length)];
    if (inside !== undefined) return `blk.${layer}.${inside}.${kind}`;
  }
  throw new TunebookError(
    `exportGguf: expected parameters that llama.cpp's ${family.architecture} has, got ${name}. ` +
      'Export to ONNX, or convert the saved model with the tool of llama.cpp.',
  );
}

/** Metadata of the architecture. `context` is what llama.cpp may use of the positions. */
export function architectureEntries(model: Architecture, context: number): GgufEntries {
  const family = ggufFamily(model);
  const own: GgufEntries = [
    ['context_length', u32(context)],
    ['embedding_length', u32(model.width)],
    ['block_count', u32(model.layers)],
    ...family.entries(model),
  ];
  return own.map(([key, value]) => [`${family.architecture}.${key}`, value] as const);
}

/**
 * The longest context: what the model can look back on. llama.cpp's llama has no sliding window, so that a longer one
 * would give other answers than the model's.
 */
export function contextLength({ maxPositions, layerKinds }: Architecture): number {
  return Math.min(maxPositions, ...layerKinds.map(({ slidingWindow }) => slidingWindow ?? maxPositions));
}

/** The one kind of rotary positions that all layers have. */
function ropeOf({ description, modelType }: Architecture): Rope | undefined {
  const ropes = new Set(description?.kinds.map(({ rope }) => rope));
  const [rope] = ropes;
  if (description === undefined || (ropes.size === 1 && rope !== undefined && ROPES.includes(rope.kind)))
    return rope;
  throw new TunebookError(
    `exportGguf: expected a ${modelType} whose layers all have rotary positions of the kinds ${ROPES.join(', ')}, got ` +
      `${[...ropes].map((one) => one?.kind ?? 'none').join(' and ')}. Save it and convert it with the tool of llama.cpp.`,
  );
}

const ROPES = ['default', 'linear', 'llama3'];

function ropeEntries(model: Architecture): GgufEntries {
  const rope = ropeOf(model);
  if (rope === undefined) return [];
  return [
    ['rope.dimension_count', u32(model.headSize)],
    ['rope.freq_base', f32(rope.theta)],
    ...(rope.kind === 'linear' && rope.factor !== undefined
      ? [['rope.scaling.type', text('linear')] as const, ['rope.scaling.factor', f32(rope.factor)] as const]
      : []),
  ];
}

/** What each rotary frequency is divided by, [D / 2], where the model stretches them unevenly (llama3); else undefined. */
export function ropeFactors(model: Architecture): Float32Array | undefined {
  const rope = ropeOf(model);
  if (rope?.kind !== 'llama3') return undefined;
  const { frequencies } = rope.rotation(1);
  const plain = rotaryFrequencies({ theta: rope.theta, headSize: model.headSize });
  return plain.map((frequency, i) => frequency / frequencies[i]);
}

/** Rows of whole heads: the two of each rotary pair, half a head apart, become neighbours. */
export function rotaryRows(
  values: Float32Array,
  { rowLength, headSize }: { readonly rowLength: number; readonly headSize: number },
): Float32Array {
  const out: Float32Array = new Float32Array(values.length);
  const rows = values.length / rowLength;
  if (rows % headSize !== 0) throw new Error(`internal: ${rows} rows are no heads of ${headSize}`);
  for (let row = 0; row < rows; row++) {
    const inHead = row % headSize;
    const half = inHead < headSize / 2 ? 0 : 1;
    const to = row - inHead + 2 * (inHead - (half * headSize) / 2) + half;
    out.set(values.subarray(row * rowLength, (row + 1) * rowLength), to * rowLength);
  }
  return out;
}

function outSizeOf({ modules }: Architecture, name: string): number {
  const found = modules.find((module) => module.name === name);
  if (found === undefined) throw new Error(`internal: no module ${name}`);
  return found.outSize;
}
