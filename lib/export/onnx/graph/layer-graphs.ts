/** A decoder layer as a graph: GPT-2's, GPT-NeoX's, and the one of every described decoder. */
import { activationNamed } from '../../../models';
import type { DecoderDescription } from '../../../models';
import { activated, capped, linearModule, normalized, scaled } from './graph-parts';
import type { NormForm, Walk } from './graph-parts';
import { rotated } from './positions-graph';

/** One layer: [B, T, C] -> [B, T, C]. */
export function layerGraph(walk: Walk, layer: number, x: string): string {
  const { description, modelType } = walk.weights.architecture;
  if (description !== undefined) return describedLayer(walk, layer, { x, d: description });
  if (modelType === 'gpt2') return gpt2Layer(walk, layer, x);
  if (modelType === 'gpt_neox') return gptNeoxLayer(walk, layer, x);
  throw new Error(`internal: no graph of ${modelType}`);
}

/** Linear modules and norms of a layer, by their names in it; without a name a norm changes nothing. */
function partsOf(
  walk: Walk,
  layer: number,
  { norm, epsilon, gainPlusOne }: NormForm,
): {
  readonly linear: (name: string, input: string) => string;
  readonly norm: (name: string | undefined, x: string) => string;
} {
  const prefix = walk.weights.architecture.layerPrefix(layer);
  return {
    linear: (name, input) => linearModule(walk, layer, { name, input }),
    norm: (name, x) =>
      name === undefined ? x : normalized(walk, x, { norm, epsilon, gainPlusOne, name: prefix + name }),
  };
}

/** As `models/families/decoder.ts` has it. */
function describedLayer(
  walk: Walk,
  layer: number,
  { x, d }: { readonly x: string; readonly d: DecoderDescription },
): string {
  const { graph } = walk;
  const { linear, norm } = partsOf(walk, layer, d);
  const added = (y: string, part: string): string =>
    graph.op('Add', [y, scaled(walk, part, d.residualScale)]);
  const normed = norm(d.norms.beforeAttention, x);
  const sizes = [d.heads, d.keyValueHeads, d.keyValueHeads].map((count) => count * d.headSize);
  const parts = d.fusedQkv
    ? graph.split(linear('self_attn.qkv_proj', normed), sizes, -1)
    : ['q_proj', 'k_proj', 'v_proj'].map((name) => linear(`self_attn.${name}`, normed));
  const head = (part: string, count: number, name: string): string => {
    const whole = d.queryKeyNorm === 'whole' ? norm(`self_attn.${name}`, part) : part;
    const split = splitHeads(walk, whole, [count, d.headSize]);
    return d.queryKeyNorm === 'head' ? norm(`self_attn.${name}`, split) : split;
  };
  const attended = attention(walk, layer, {
    query: head(parts[0], d.heads, 'q_norm'),
    key: head(parts[1], d.keyValueHeads, 'k_norm'),
    value: splitHeads(walk, parts[2], [d.keyValueHeads, d.headSize]),
    scale: d.attentionScale ?? 1 / Math.sqrt(d.headSize),
    softcap: d.attentionSoftcap,
    isInterleaved: d.interleavedRotary,
  });
  const output = norm(d.norms.afterAttention, linear('self_attn.o_proj', attended));
  const middle = added(x, output);
  if (d.parallel) return added(middle, feedForward(walk, d, { x: normed, linear }));
  const narrow = feedForward(walk, d, { x: norm(d.norms.beforeMlp, middle), linear });
  return added(middle, norm(d.norms.afterMlp, narrow));
}

function feedForward(
  walk: Walk,
  d: DecoderDescription,
  { x, linear }: { readonly x: string; readonly linear: (name: string, input: string) => string },
): string {
  const { graph } = walk;
  if (d.mlp === 'plain') return linear('mlp.c_proj', activated(walk, d.activation, linear('mlp.c_fc', x)));
  const [gate, up] =
    d.mlp === 'fused'
      ? graph.split(linear('mlp.gate_up_proj', x), 2, -1)
      : [linear('mlp.gate_proj', x), linear('mlp.up_proj', x)];
  return linear('mlp.down_proj', graph.op('Mul', [activated(walk, d.activation, gate), up]));
}

function gpt2Layer(walk: Walk, layer: number, x: string): string {
  const { graph, weights } = walk;
  const { architecture } = weights;
  const { heads, headSize } = architecture;
  const c = architecture.toJson();
  const { linear, norm } = partsOf(walk, layer, { norm: 'layer', epsilon: Number(c.layer_norm_epsilon) });
  const parts = graph.split(linear('attn.c_attn', norm('ln_1', x)), 3, -1);
  const [query, key, value] = parts.map((part) => splitHeads(walk, part, [heads, headSize]));
  const plain = c.scale_attn_weights === false ? 1 : 1 / Math.sqrt(headSize);
  const scale = c.scale_attn_by_inverse_layer_idx === true ? plain / (layer + 1) : plain;
  const attended = attention(walk, layer, { query, key, value, scale });
  const middle = graph.op('Add', [x, linear('attn.c_proj', attended)]);
  const activation = activationNamed(String(c.activation_function), 'gpt2 config.json');
  const wide = activated(walk, activation, linear('mlp.c_fc', norm('ln_2', middle)));
  return graph.op('Add', [middle, linear('mlp.c_proj', wide)]);
}

function gptNeoxLayer(walk: Walk, layer: number, x: string): string {
  const { graph, weights } = walk;
  const { architecture } = weights;
  const { heads, headSize } = architecture;
  const c = architecture.toJson();
  const { linear, norm } = partsOf(walk, layer, { norm: 'layer', epsilon: Number(c.layer_norm_eps) });
  // Queries, keys and values of each head lie side by side.
  const joined = linear('attention.query_key_value', norm('input_layernorm', x));
  const [query, key, value] = graph.split(splitHeads(walk, joined, [heads, 3 * headSize]), 3, -1);
  const attended = attention(walk, layer, { query, key, value, scale: 1 / Math.sqrt(headSize) });
  const middle = graph.op('Add', [x, linear('attention.dense', attended)]);
  const fed = norm('post_attention_layernorm', c.use_parallel_residual === true ? x : middle);
  const activation = activationNamed(String(c.hidden_act), 'gpt_neox config.json');
  const wide = activated(walk, activation, linear('mlp.dense_h_to_4h', fed));
  return graph.op('Add', [middle, linear('mlp.dense_4h_to_h', wide)]);
}

/** [B, T, count * size] -> [B, count, T, size] */
function splitHeads({ graph }: Walk, x: string, [count, size]: readonly [number, number]): string {
  const shaped = graph.op('Reshape', [x, graph.int64([0, 0, count, size])]);
  return graph.op('Transpose', [shaped], { attributes: { perm: [0, 2, 1, 3] } });
}

/** Queries [B, H, T, D], keys and values [B, KV, T, D], none of which is turned. */
interface AttentionParts {
  readonly query: string;
  readonly key: string;
  readonly value: string;
  /** Factor on the scores. */
  readonly scale: number;
  readonly softcap?: number;
  readonly isInterleaved?: boolean;
}

/** Attention over past and present -> [B, T, H * D]. */
function attention(
  walk: Walk,
  layer: number,
  { scale, softcap, isInterleaved = false, ...parts }: AttentionParts,
): string {
  const { graph, weights, positions } = walk;
  const { heads: H, keyValueHeads: KV, headSize: D, kindOf } = weights.architecture;
  const { bias, tables, keyTables } = positions[kindOf(layer)];
  const turned = (x: string, by: typeof tables): string =>
    by === undefined ? x : rotated(graph, x, { tables: by, headSize: D, isInterleaved });
  const joined = (own: string, part: 'key' | 'value'): string =>
    graph.op('Concat', [`past_key_values.${layer}.${part}`, own], {
      attributes: { axis: 2 },
      names: [`present.${layer}.${part}`],
    });
  const query = turned(parts.query, tables);
  const own = keyTables === undefined ? turned(parts.key, tables) : parts.key;
  const key = turned(joined(own, 'key'), keyTables); // [B, KV, S, D]
  const value = joined(parts.value, 'value');
  // Query heads that share a key lie next to each other: [B, KV, H / KV, T, D] against [B, KV, 1, S, D].
  const isShared = H !== KV;
  const grouped = isShared ? graph.op('Reshape', [query, graph.int64([0, KV, H / KV, -1, D])]) : query;
  const widened = (x: string): string => (isShared ? graph.op('Unsqueeze', [x, graph.int64([2])]) : x);
  const columns = graph.op('Transpose', [key], { attributes: { perm: [0, 1, 3, 2] } });
  const scores = graph.op('MatMul', [grouped, widened(columns)]);
  const bounded = capped(walk, scaled(walk, scores, scale), softcap);
  const shares = graph.op('Softmax', [graph.op('Add', [bounded, bias])], { attributes: { axis: -1 } });
  const mixed = graph.op('MatMul', [shares, widened(value)]);
  const perHead = isShared ? graph.op('Reshape', [mixed, graph.int64([0, H, -1, D])]) : mixed;
  const merged = graph.op('Transpose', [perHead], { attributes: { perm: [0, 2, 1, 3] } });
  return graph.op('Reshape', [merged, graph.int64([0, 0, H * D])]);
}
