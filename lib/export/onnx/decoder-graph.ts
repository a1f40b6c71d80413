/**
 * GPT-2, Mistral and Llama as ONNX graphs of symbolic sizes, with the inputs and outputs that transformers.js knows. The
 * block's function that trains cannot be recorded for it: a recorded graph has fixed sizes. That the two compute the
 * same is proved with every file.
 */
import { MASKED } from '../../engine';
import { isTied } from '../../models';
import type { Architecture } from '../../models';
import { TunebookError } from '../../types';
import { requireForm } from '../source/decoder-form';
import type { WeightSource } from '../source/weight-source';
import { elementType, OnnxGraph } from './onnx-graph';
import { floatBytes, weightForm } from './weight-forms';
import type { FormName, Matrix, WeightForm } from './weight-forms';

/** What a graph is made of. */
export interface DecoderRequest {
  readonly weights: WeightSource;
  readonly form: FormName;
  /** Whether the caller says of how many last tokens it wants logits: an input that transformers.js 2 does not feed. */
  readonly keepsLogits: boolean;
}

/** What all layers take alike. */
interface Walk {
  readonly graph: OnnxGraph;
  readonly weights: WeightSource;
  readonly form: WeightForm;
  /** Additive attention bias of each kind of layers, [B, 1, T, S], or [B, 1, 1, T, S] where query heads share keys. */
  readonly biases: readonly string[];
  /** Rotary cosines and sines [B, 1, T, D / 2], for families that turn. */
  readonly rotary: { cos: string; sin: string } | undefined;
}

/** config.json's fields as a family has read them, defaults included. */
type Config = Readonly<Record<string, unknown>>;

const FAMILIES = ['gpt2', 'mistral', 'llama'];

/** @throws TunebookError for a family that has no graph here. */
export function requireKnownFamily(architecture: Architecture, where: string): void {
  const { modelType } = architecture;
  if (FAMILIES.includes(modelType)) {
    const instead = 'Keep the checkpoint, which transformers loads.';
    requireForm(architecture, { where, supported: ['biases'], instead });
    requireOneTable(architecture, where);
    return;
  }
  throw new TunebookError(
    `${where}: expected a model of type ${FAMILIES.join(', ')}, got ${modelType}. ` +
      'Other families have no ONNX form here: keep the checkpoint, which transformers loads.',
  );
}

/** @throws TunebookError where rotary tables depend on the context's length (dynamic, longrope) */
function requireOneTable({ layerKinds, maxPositions, modelType }: Architecture, where: string): void {
  if (layerKinds.every(({ tablesOf }) => tablesOf === undefined || tablesOf(1) === tablesOf(maxPositions)))
    return;
  throw new TunebookError(
    `${where}: expected rotary positions that do not depend on the length of the context, got a ${modelType} whose do. ` +
      'Keep the checkpoint, which transformers loads.',
  );
}

/** The graph of a model. */
export function decoderGraph({ weights, form, keepsLogits }: DecoderRequest): OnnxGraph {
  const { architecture } = weights;
  const { layers, keyValueHeads: KV, headSize: D, vocabSize: V } = architecture;
  const graph = new OnnxGraph();
  // transformers.js fills an empty cache by these names: 'batch_size' is a row's, any other symbol is 0.
  const tokens = ['batch_size', 'sequence_length'];
  const ids = graph.input('input_ids', 'int64', tokens);
  const mask = graph.input('attention_mask', 'int64', ['batch_size', 'total_sequence_length']);
  const positions = graph.input('position_ids', 'int64', tokens);
  const kept = keepsLogits ? graph.input('num_logits_to_keep', 'int64', []) : undefined;
  graph.output('logits', 'float32', ['batch_size', 'num_logits', V]);
  for (let layer = 0; layer < layers; layer++) {
    for (const part of ['key', 'value']) {
      const shape = (length: string): (string | number)[] => ['batch_size', KV, length, D];
      graph.input(`past_key_values.${layer}.${part}`, 'float32', shape('past_sequence_length'));
      graph.output(`present.${layer}.${part}`, 'float32', shape('total_sequence_length'));
    }
  }
  const lengths = { T: lengthOf(graph, ids), S: lengthOf(graph, mask) };
  const matrices = weightForm(graph, form);
  const embedding = matrices.table(tableOf(weights, architecture.tokenEmbedding));
  let x = embedding.rows(ids);
  if (architecture.positionEmbedding !== undefined) {
    const table = vector(graph, weights, architecture.positionEmbedding);
    x = graph.op('Add', [x, graph.op('Gather', [table, positions], { attributes: { axis: 0 } })]);
  }
  const walk: Walk = {
    ...{ graph, weights, form: matrices },
    biases: architecture.layerKinds.map(({ slidingWindow }) =>
      attentionBias(graph, { mask, lengths, slidingWindow, isShared: architecture.heads !== KV }),
    ),
    rotary: rotaryTables(graph, positions, architecture),
  };
  for (let layer = 0; layer < layers; layer++) x = block(walk, layer, x);
  if (kept !== undefined) x = lastTokens(graph, x, { kept, T: lengths.T });
  const last = architecture.finalNormParameters[0].replace(/\.weight$/, '');
  x = normalized(walk, x, last);
  const head = isTied(architecture) ? embedding : matrices.table(tableOf(weights, architecture.head));
  graph.op('Identity', [head.product(x)], { names: ['logits'] });
  return graph;
}

/** One decoder layer. */
function block(walk: Walk, layer: number, x: string): string {
  const { graph } = walk;
  const { architecture } = walk.weights;
  const prefix = architecture.layerPrefix(layer);
  const isGpt2 = architecture.modelType === 'gpt2';
  const linear = (name: string, input: string): string => linearModule(walk, layer, { name, input });
  const [first, second] = isGpt2 ? ['ln_1', 'ln_2'] : ['input_layernorm', 'post_attention_layernorm'];
  const normed = normalized(walk, x, prefix + first);
  const parts = isGpt2
    ? graph.split(linear('attn.c_attn', normed), 3, -1)
    : ['q_proj', 'k_proj', 'v_proj'].map((name) => linear(`self_attn.${name}`, normed));
  const attended = attention(walk, layer, parts);
  const middle = graph.op('Add', [x, linear(isGpt2 ? 'attn.c_proj' : 'self_attn.o_proj', attended)]);
  const again = normalized(walk, middle, prefix + second);
  if (isGpt2) {
    const wide = activation(graph, architecture.toJson(), linear('mlp.c_fc', again));
    return graph.op('Add', [middle, linear('mlp.c_proj', wide)]);
  }
  const gate = linear('mlp.gate_proj', again);
  const open = graph.op('Mul', [gate, graph.op('Sigmoid', [gate])]);
  const wide = graph.op('Mul', [open, linear('mlp.up_proj', again)]);
  return graph.op('Add', [middle, linear('mlp.down_proj', wide)]);
}

/** Attention over past and present: [B, T, *] three times -> [B, T, H * D]. */
function attention({ graph, weights, biases, rotary }: Walk, layer: number, parts: string[]): string {
  const { architecture } = weights;
  const { heads: H, keyValueHeads: KV, headSize: D } = architecture;
  const split = (part: string, count: number): string =>
    graph.op('Transpose', [graph.op('Reshape', [part, graph.int64([0, 0, count, D])])], {
      attributes: { perm: [0, 2, 1, 3] },
    });
  const turned = (part: string): string => (rotary === undefined ? part : rotated(graph, part, rotary));
  const query = turned(split(parts[0], H)); // [B, H, T, D]
  const joined = (own: string, part: 'key' | 'value'): string =>
    graph.op('Concat', [`past_key_values.${layer}.${part}`, own], {
      attributes: { axis: 2 },
      names: [`present.${layer}.${part}`],
    });
  const key = joined(turned(split(parts[1], KV)), 'key'); // [B, KV, S, D]
  const value = joined(split(parts[2], KV), 'value');
  // Query heads that share a key lie next to each other: [B, KV, H / KV, T, D] against [B, KV, 1, S, D].
  const isShared = H !== KV;
  const grouped = isShared ? graph.op('Reshape', [query, graph.int64([0, KV, H / KV, -1, D])]) : query;
  const widened = (x: string): string => (isShared ? graph.op('Unsqueeze', [x, graph.int64([2])]) : x);
  const columns = graph.op('Transpose', [key], { attributes: { perm: [0, 1, 3, 2] } });
  const scores = graph.op('MatMul', [grouped, widened(columns)]);
  const scaled = graph.op('Mul', [scores, graph.float(scoreScale(architecture, layer))]);
  const shares = graph.op('Softmax', [graph.op('Add', [scaled, biases[architecture.kindOf(layer)]])], {
    attributes: { axis: -1 },
  });
  const mixed = graph.op('MatMul', [shares, widened(value)]);
  const perHead = isShared ? graph.op('Reshape', [mixed, graph.int64([0, H, -1, D])]) : mixed;
  const merged = graph.op('Transpose', [perHead], { attributes: { perm: [0, 2, 1, 3] } });
  return graph.op('Reshape', [merged, graph.int64([0, 0, H * D])]);
}

/** What scores are multiplied by. */
function scoreScale(architecture: Architecture, layer: number): number {
  const config: Config = architecture.toJson();
  const plain = config.scale_attn_weights === false ? 1 : 1 / Math.sqrt(architecture.headSize);
  return config.scale_attn_by_inverse_layer_idx === true ? plain / (layer + 1) : plain;
}

/** Turns each pair (d, d + D / 2) of a head. */
function rotated(graph: OnnxGraph, x: string, { cos, sin }: { cos: string; sin: string }): string {
  const [first, second] = graph.split(x, 2, -1);
  const product = (left: string, right: string): string => graph.op('Mul', [left, right]);
  const turned = [
    graph.op('Sub', [product(first, cos), product(second, sin)]),
    graph.op('Add', [product(second, cos), product(first, sin)]),
  ];
  return graph.op('Concat', turned, { attributes: { axis: -1 } });
}

function rotaryTables(graph: OnnxGraph, positions: string, architecture: Architecture): Walk['rotary'] {
  // One for all layers: `requireForm` refuses others.
  const rope = architecture.description?.kinds[0].rope;
  if (rope === undefined) return undefined;
  const { frequencies, scale } = rope.rotation(1);
  const half = graph.floats(frequencies, [1, 1, 1, frequencies.length]);
  const places = graph.op('Cast', [positions], { attributes: { to: elementType('float32') } });
  const angles = graph.op('Mul', [graph.op('Unsqueeze', [places, graph.int64([1, 3])]), half]);
  const scaled = (x: string): string => (scale === 1 ? x : graph.op('Mul', [x, graph.float(scale)]));
  return { cos: scaled(graph.op('Cos', [angles])), sin: scaled(graph.op('Sin', [angles])) };
}

/** 0 where a token may look, MASKED elsewhere: causal, padding, sliding window. */
function attentionBias(
  graph: OnnxGraph,
  inputs: {
    mask: string;
    lengths: { T: string; S: string };
    slidingWindow: number | undefined;
    /** Whether query heads share keys. */
    isShared: boolean;
  },
): string {
  const { mask, lengths, slidingWindow, isShared } = inputs;
  const { T, S } = lengths;
  const [zero, one] = [graph.int64([0], []), graph.int64([1], [])];
  const from = graph.op('Sub', [S, T]);
  const rows = graph.op('Unsqueeze', [graph.op('Range', [from, S, one]), graph.int64([1])]);
  const columns = graph.op('Unsqueeze', [graph.op('Range', [zero, S, one]), graph.int64([0])]);
  let allowed = graph.op('LessOrEqual', [columns, rows]); // [T, S]
  if (slidingWindow !== undefined) {
    const back = graph.op('Sub', [rows, columns]);
    const isNear = graph.op('Less', [back, graph.int64([slidingWindow], [])]);
    allowed = graph.op('And', [allowed, isNear]);
  }
  const axes = isShared ? [1, 2, 3] : [1, 2];
  const isReal = graph.op('Cast', [mask], { attributes: { to: elementType('bool') } });
  const seen = graph.op('And', [allowed, graph.op('Unsqueeze', [isReal, graph.int64(axes)])]);
  return graph.op('Where', [seen, graph.float(0), graph.float(MASKED)]);
}

/** The second axis' length, a scalar. */
function lengthOf(graph: OnnxGraph, x: string): string {
  return graph.op('Gather', [graph.op('Shape', [x]), graph.int64([1], [])], { attributes: { axis: 0 } });
}

/** The last tokens of x [B, T, C], as many as `kept` says; 0 keeps all. */
function lastTokens(graph: OnnxGraph, x: string, { kept, T }: { kept: string; T: string }): string {
  const isAll = graph.op('Equal', [kept, graph.int64([0], [])]);
  const count = graph.op('Where', [isAll, T, kept]);
  const asList = (scalar: string): string => graph.op('Unsqueeze', [scalar, graph.int64([0])]);
  return graph.op('Slice', [x, asList(graph.op('Sub', [T, count])), asList(T), graph.int64([1])]);
}

function normalized({ graph, weights }: Walk, x: string, name: string): string {
  const { architecture } = weights;
  const config: Config = architecture.toJson();
  const gain = vector(graph, weights, `${name}.weight`);
  if (architecture.modelType === 'gpt2') {
    const bias = vector(graph, weights, `${name}.bias`);
    return graph.op('LayerNormalization', [x, gain, bias], {
      attributes: { axis: -1, epsilon: { float: Number(config.layer_norm_epsilon) } },
    });
  }
  // ONNX Runtime's own, in the standard's domain; opset 17 has no other.
  return graph.op('SimplifiedLayerNormalization', [x, gain], {
    attributes: { axis: -1, epsilon: { float: Number(config.rms_norm_eps) } },
  });
}

function activation(graph: OnnxGraph, config: Config, x: string): string {
  const name = config.activation_function;
  if (name === 'gelu_new') return graph.op('FastGelu', [x], { domain: 'com.microsoft' });
  if (name === 'gelu') return graph.op('Gelu', [x], { domain: 'com.microsoft' });
  if (name === 'relu') return graph.op('Relu', [x]);
  if (name === 'silu') return graph.op('Mul', [x, graph.op('Sigmoid', [x])]);
  throw new Error(`internal: no ONNX form of ${String(name)}`);
}

/** A linear module of a layer, with its bias where it has one. */
function linearModule(
  { graph, weights, form }: Walk,
  layer: number,
  { name, input }: { name: string; input: string },
): string {
  const { architecture } = weights;
  const module = architecture.modules.find((one) => one.name === name);
  if (module === undefined) throw new Error(`internal: no module ${name}`);
  const path = architecture.layerPrefix(layer) + name;
  const { inSize, outSize } = module;
  const rows = (): Promise<Float32Array> => weights.read(`${path}.weight`);
  const y = form.product(input, { name: `${path}.weight`, inSize, outSize, rows });
  const hasBias = architecture.parameters.some((parameter) => parameter.name === `${path}.bias`);
  return hasBias ? graph.op('Add', [y, vector(graph, weights, `${path}.bias`)]) : y;
}

/** A parameter that stays in float32. */
function vector(graph: OnnxGraph, weights: WeightSource, name: string): string {
  const shape = weights.shapeOf(name);
  const bytes = async (): Promise<Uint8Array> => floatBytes(await weights.read(name), 'float32');
  return graph.weight({ name, dtype: 'float32', shape, bytes });
}

function tableOf(weights: WeightSource, name: string): Matrix {
  const [outSize, inSize] = weights.shapeOf(name);
  return { name, outSize, inSize, rows: () => weights.read(name) };
}
