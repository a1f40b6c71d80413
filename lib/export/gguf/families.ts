/**
 * Families as llama.cpp knows them: the architecture's name, its metadata, and what each tensor is called. A family that
 * is missing here is refused; one of its own is one entry of `FAMILIES`, a decoder a row of `DECODER_ROWS`.
 */
import { rotaryFrequencies } from '../../engine';
import { isJsonObject } from '../../files';
import { isTied } from '../../models';
import type { Architecture, Rope } from '../../models';
import { TunebookError } from '../../types';
import { requireForm } from '../source/decoder-form';
import { tableBorder } from '../source/rope-tables';
import { DECODER_ROWS, decoderEntries, layerNames, whyOtherwise } from './decoder-families';
import type { DecoderRow } from './decoder-families';
import { f32, text, truth, u32 } from './types/format';
import type { GgufEntries } from './types/format';

/** How llama.cpp has the rows of a module: rotary pairs side by side, or all queries, then all keys, then all values. */
export type RowOrder = 'pairs' | 'thirds';

/** A family in GGUF. */
export interface GgufFamily {
  /** llama.cpp's name of the architecture. */
  readonly architecture: string;
  /** Our names of modules and norms inside a layer -> GGUF's. */
  readonly layerNames: Readonly<Record<string, string>>;
  /** Our names outside of layers -> GGUF's, without '.weight'. */
  readonly names: Readonly<Record<string, string>>;
  /** Modules whose rows llama.cpp has in another order. */
  readonly rowOrders: Readonly<Record<string, RowOrder | undefined>>;
  /** Gains of norms are stored with the one that the model adds. */
  readonly addsOneToGains?: boolean;
  /** llama.cpp computes its sliding windows. */
  readonly keepsWindows?: boolean;
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
  rowOrders: {},
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

const gptNeox: GgufFamily = {
  architecture: 'gptneox',
  layerNames: {
    'attention.query_key_value': 'attn_qkv',
    'attention.dense': 'attn_output',
    'mlp.dense_h_to_4h': 'ffn_up',
    'mlp.dense_4h_to_h': 'ffn_down',
    input_layernorm: 'attn_norm',
    post_attention_layernorm: 'ffn_norm',
  },
  names: { embed_in: 'token_embd', final_layer_norm: 'output_norm', lm_head: 'output' },
  rowOrders: { 'attention.query_key_value': 'thirds' },
  entries: (model) => {
    const c = model.toJson();
    const rope = [c.rope_scaling, c.rope_parameters].find(isJsonObject) ?? {};
    const kind = String(rope.rope_type ?? rope.type ?? 'default');
    if (kind !== 'default') throw otherwise(model, `rotary positions of the kind ${kind}`);
    if (isTied(model) || c.attention_bias === false) throw otherwise(model, 'a tied head, or without biases');
    if (!String(c.hidden_act).startsWith('gelu'))
      throw otherwise(model, `hidden_act ${String(c.hidden_act)}`);
    const share = Number(rope.partial_rotary_factor ?? c.rotary_pct ?? 0.25);
    return [
      ['feed_forward_length', u32(outSizeOf(model, 'mlp.dense_h_to_4h'))],
      ['attention.head_count', u32(model.heads)],
      ['attention.layer_norm_epsilon', f32(Number(c.layer_norm_eps))],
      ['use_parallel_residual', truth(c.use_parallel_residual === true)],
      ['rope.dimension_count', u32(Math.floor(model.headSize * share))],
      ['rope.freq_base', f32(Number(rope.rope_theta ?? c.rotary_emb_base ?? 10000))],
    ];
  },
};

/** Of the table of decoders. */
function described(row: DecoderRow): GgufFamily {
  const pairs =
    row.turnsPairs === true ? ({ 'self_attn.q_proj': 'pairs', 'self_attn.k_proj': 'pairs' } as const) : {};
  return {
    architecture: row.architecture,
    layerNames: layerNames(row),
    names: { embed_tokens: 'token_embd', norm: 'output_norm', lm_head: 'output' },
    rowOrders: pairs,
    addsOneToGains: row.features.includes('gainPlusOne'),
    keepsWindows: row.windowPeriod !== undefined,
    entries: (model) =>
      model.description === undefined
        ? []
        : [...decoderEntries(model, model.description, row), ...ropeEntries(model)],
  };
}

/** By config.json's model_type. */
const FAMILIES: Readonly<Record<string, GgufFamily>> = {
  gpt2,
  gpt_neox: gptNeox,
  ...Object.fromEntries(Object.entries(DECODER_ROWS).map(([type, row]) => [type, described(row)])),
};

const INSTEAD = 'Save it and convert it with the tool of llama.cpp.';

function otherwise({ modelType }: Architecture, what: string): TunebookError {
  return new TunebookError(
    `exportGguf: expected a ${modelType} as llama.cpp computes it, got one with ${what}. ${INSTEAD}`,
  );
}

/** @throws {TunebookError} For a family that this file does not describe, and a model that llama.cpp computes otherwise. */
export function ggufFamily(architecture: Architecture): GgufFamily {
  const { modelType, description } = architecture;
  const found = Object.hasOwn(FAMILIES, modelType) ? FAMILIES[modelType] : undefined;
  if (found === undefined)
    throw new TunebookError(
      `exportGguf: expected a model of type ${Object.keys(FAMILIES).join(', ')}, got ${modelType}. ${INSTEAD}`,
    );
  const row = Object.hasOwn(DECODER_ROWS, modelType) ? DECODER_ROWS[modelType] : undefined;
  if (row === undefined || description === undefined) return found;
  requireForm(architecture, { where: 'exportGguf', supported: row.features, instead: INSTEAD });
  const why = whyOtherwise(row, description, { isTied: isTied(architecture) });
  if (why !== undefined) throw otherwise(architecture, why);
  return found;
}

/** A parameter's name in GGUF: 'h.0.attn.c_attn.weight' -> 'blk.0.attn_qkv.weight'. */
export function ggufName(family: GgufFamily, model: Architecture, name: string): string {
  const at = name.lastIndexOf('.');
  const [owner, kind] = [name.slice(0, at), name.slice(at + 1)];
  const outside = family.names[owner];
  if (outside !== undefined) return `${outside}.${kind}`;
  const place = layerPlace(model, owner);
  const inside = place === undefined ? undefined : family.layerNames[place.module];
  if (place !== undefined && inside !== undefined) return `blk.${place.layer}.${inside}.${kind}`;
  throw new TunebookError(
    `exportGguf: expected parameters that llama.cpp's ${family.architecture} has, got ${name}. ` +
      'Export to ONNX, or convert the saved model with the tool of llama.cpp.',
  );
}

/** Where a module or norm is by its name; undefined outside of layers. */
export function layerPlace(
  { layers, layerPrefix }: Architecture,
  name: string,
): { readonly layer: number; readonly module: string } | undefined {
  for (let layer = 0; layer < layers; layer++) {
    const prefix = layerPrefix(layer);
    if (name.startsWith(prefix)) return { layer, module: name.slice(prefix.length) };
  }
  return undefined;
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
 * The longest context: what the model can look back on. Where llama.cpp has no sliding window, a longer one would give
 * other answers than the model's.
 */
export function contextLength(model: Architecture): number {
  const { maxPositions, layerKinds } = model;
  if (ggufFamily(model).keepsWindows === true) return maxPositions;
  return Math.min(maxPositions, ...layerKinds.map(({ slidingWindow }) => slidingWindow ?? maxPositions));
}

/** The longest context with the rotary table of short ones, in tokens. */
export function firstTable(model: Architecture): number {
  const rope = ropeOf(model);
  return rope === undefined ? model.maxPositions : tableBorder(rope);
}

/** Kinds of rotary positions that llama.cpp turns as the model does, by architecture. */
const ROPES: Readonly<Record<string, readonly string[]>> = {
  llama: ['default', 'linear', 'llama3'],
  phi3: ['default', 'longrope'],
  'command-r': ['default'],
};
const PLAIN_ROPES = ['default', 'linear'];

/** The rotary positions of layers that see all. */
function ropeOf(model: Architecture): Rope | undefined {
  const { description, modelType } = model;
  if (description === undefined) return undefined;
  const { kinds } = description;
  const known = ROPES[ggufFamily(model).architecture] ?? PLAIN_ROPES;
  const rotated = kinds.filter(({ rope }) => rope !== undefined);
  const wrong = rotated.find(
    ({ rope }, i) => !(i > 0 && kinds.length > 1 ? PLAIN_ROPES : known).includes(rope?.kind ?? ''),
  );
  if (wrong === undefined) return (rotated.find(({ window }) => window === undefined) ?? rotated[0]).rope;
  throw new TunebookError(
    `exportGguf: expected a ${modelType} whose layers have rotary positions of the kinds ${known.join(', ')}, got ` +
      `${kinds.map(({ rope }) => rope?.kind ?? 'none').join(' and ')}. ${INSTEAD}`,
  );
}

function ropeEntries(model: Architecture): GgufEntries {
  const rope = ropeOf(model);
  if (rope === undefined || model.description === undefined) return [];
  return [
    ['rope.dimension_count', u32(model.description.rotarySize)],
    ['rope.freq_base', f32(rope.theta)],
    ...(rope.kind === 'linear' && rope.factor !== undefined
      ? [['rope.scaling.type', text('linear')] as const, ['rope.scaling.factor', f32(rope.factor)] as const]
      : []),
  ];
}

/**
 * What each rotary frequency is divided by, [R / 2], by the name of GGUF's tensor, where the model stretches them
 * unevenly: llama3, and longrope's two tables.
 */
export function ropeFactors(model: Architecture): ReadonlyMap<string, Float32Array> {
  const rope = ropeOf(model);
  if (rope === undefined || model.description === undefined) return new Map();
  const plain = rotaryFrequencies({ theta: rope.theta, headSize: model.description.rotarySize });
  const factors = (length: number): Float32Array => {
    const { frequencies } = rope.rotation(length);
    return plain.map((frequency, i) => frequency / frequencies[i]);
  };
  if (rope.kind === 'llama3') return new Map([['rope_freqs.weight', factors(1)]]);
  if (rope.kind !== 'longrope') return new Map();
  return new Map([
    ['rope_factors_short.weight', factors(1)],
    ['rope_factors_long.weight', factors(model.maxPositions)],
  ]);
}

/** Rows of a module in llama.cpp's order. */
export function orderedRows(
  values: Float32Array,
  order: RowOrder,
  size: { readonly rowLength: number; readonly headSize: number },
): Float32Array {
  return order === 'pairs' ? rotaryRows(values, size) : thirds(values, size);
}

/** Queries, keys and values of each head in turn: all queries, then all keys, then all values. */
function thirds(
  values: Float32Array,
  { rowLength, headSize }: { readonly rowLength: number; readonly headSize: number },
): Float32Array {
  const out: Float32Array = new Float32Array(values.length);
  const block = rowLength * headSize;
  const heads = values.length / (3 * block);
  for (let head = 0; head < heads; head++)
    for (let part = 0; part < 3; part++) {
      const from = (3 * head + part) * block;
      out.set(values.subarray(from, from + block), (part * heads + head) * block);
    }
  return out;
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
