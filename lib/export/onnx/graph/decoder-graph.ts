/**
 * Decoders as ONNX graphs of symbolic sizes, with the inputs and outputs that transformers.js knows. The block's function
 * that trains cannot be recorded for it: a recorded graph has fixed sizes. Both are made from the same description, and
 * that they compute the same is proved with every file.
 */
import { isTied } from '../../../models';
import type { Architecture } from '../../../models';
import type { WeightSource } from '../../source/weight-source';
import { capped, normalized, scaled, tableOf, vector } from './graph-parts';
import type { NormForm, Walk } from './graph-parts';
import { layerGraph } from './layer-graphs';
import { OnnxGraph } from './onnx-graph';
import { kindPositions } from './positions-graph';
import { weightForm } from './weight-forms';
import type { FormName } from './weight-forms';

/** What a graph is made of. */
export interface DecoderRequest {
  readonly weights: WeightSource;
  readonly form: FormName;
  /** Whether the caller says of how many last tokens it wants logits: an input that transformers.js 2 does not feed. */
  readonly keepsLogits: boolean;
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
  const walk: Walk = {
    ...{ graph, weights, form: matrices },
    positions: kindPositions(graph, architecture, { mask, positions, lengths }),
  };
  const embedding = matrices.table(tableOf(weights, architecture.tokenEmbedding));
  let x = scaled(walk, embedding.rows(ids), architecture.embeddingScale ?? 1);
  if (architecture.positionEmbedding !== undefined) {
    const table = vector(walk, architecture.positionEmbedding);
    x = graph.op('Add', [x, graph.op('Gather', [table, positions], { attributes: { axis: 0 } })]);
  }
  for (let layer = 0; layer < layers; layer++) x = layerGraph(walk, layer, x);
  if (kept !== undefined) x = lastTokens(graph, x, { kept, T: lengths.T });
  const name = architecture.finalNormParameters[0].replace(/\.weight$/, '');
  x = normalized(walk, x, { ...finalNorm(architecture), name });
  const head = isTied(architecture) ? embedding : matrices.table(tableOf(weights, architecture.head));
  const logits = head.product(scaled(walk, x, architecture.logitScale ?? 1));
  graph.op('Identity', [capped(walk, logits, architecture.logitSoftcap)], { names: ['logits'] });
  return graph;
}

function finalNorm({ description, modelType, toJson }: Architecture): NormForm {
  if (description !== undefined) return description;
  const c = toJson();
  const epsilon = Number(modelType === 'gpt2' ? c.layer_norm_epsilon : c.layer_norm_eps);
  return { norm: 'layer', epsilon };
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
