/**
 * What layers get about positions, in a graph: the mask of each kind of layers, and the rotary tables. Tables that depend
 * on the length of the context (dynamic, longrope) turn keys anew at each step: the cache has keys that are not turned.
 */
import { MASKED, rotaryTables } from '../../../engine';
import type { Architecture, Rope } from '../../../models';
import type { HostTensor } from '../../../types';
import { tableBorder } from '../../source/rope-tables';
import type { OnnxGraph } from './onnx-graph';
import { floatBytes } from './weight-forms';

/** Rotary tables of some tokens, [B, 1, tokens, R / 2]. */
export interface RotaryTables {
  readonly cos: string;
  readonly sin: string;
  /** Numbers of a head that turn, the first ones: R. */
  readonly size: number;
}

/** What a kind of layers gets. */
export interface KindPositions {
  /** Additive attention bias, [B, 1, T, S], or [B, 1, 1, T, S] where query heads share keys. */
  readonly bias: string;
  /** Of the tokens that are fed; absent: nothing turns. */
  readonly tables?: RotaryTables;
  /** Of all tokens, for keys that the cache has as they are; absent: it has turned ones. */
  readonly keyTables?: RotaryTables;
}

/** The inputs of a graph that say where tokens are. */
export interface PositionInputs {
  /** attention_mask, int64 [B, S] */
  readonly mask: string;
  /** position_ids, int64 [B, T] */
  readonly positions: string;
  /** Scalars: tokens that are fed, and all of them. */
  readonly lengths: { readonly T: string; readonly S: string };
}

/** By kind of layers; what two kinds share is made once. */
export function kindPositions(
  graph: OnnxGraph,
  { layerKinds, heads, keyValueHeads }: Architecture,
  inputs: PositionInputs,
): KindPositions[] {
  const biases = new Map<number | undefined, string>();
  const tables = new Map<Rope, Omit<KindPositions, 'bias'>>();
  return layerKinds.map(({ slidingWindow, rope }) => {
    const isShared = heads !== keyValueHeads;
    const bias = biases.get(slidingWindow) ?? attentionBias(graph, inputs, { slidingWindow, isShared });
    biases.set(slidingWindow, bias);
    if (rope === undefined) return { bias };
    const turning = tables.get(rope) ?? turningOf(graph, inputs, rope);
    tables.set(rope, turning);
    return { bias, ...turning };
  });
}

/** What an answer across the border of two rotary tables is. */
export function tableWords({ layerKinds }: Architecture): string[] {
  const borders = layerKinds.flatMap(({ rope }) =>
    rope === undefined || tableCount(rope) === 1 ? [] : [`${tableBorder(rope)}`],
  );
  return [...new Set(borders)].map(
    (border) =>
      `Past ${border} tokens the model has other rotary tables. The file computes a prompt of any length with those of its ` +
      'length; where an answer grows beyond, it keeps what it computed before, which tunebook computes anew.',
  );
}

/** Number of rotary tables; the first serves every length up to a border. */
const tableCount = (rope: Rope): number => rope.tablesOf(rope.maxPositions) + 1;

/** Turns the first numbers of each head of x [B, heads, tokens, D]: pairs half of them apart, or side by side. */
export function rotated(
  graph: OnnxGraph,
  x: string,
  {
    tables: { cos, sin, size },
    headSize,
    isInterleaved,
  }: { readonly tables: RotaryTables; readonly headSize: number; readonly isInterleaved: boolean },
): string {
  const isPart = size !== headSize;
  const [turning, ...rest] = isPart ? graph.split(x, [size, headSize - size], -1) : [x];
  // Pairs that lie side by side go half of the whole apart: scores do not change where queries and keys both do.
  const order = Array.from({ length: size }, (_, i) => (i < size / 2 ? 2 * i : 2 * i - size + 1));
  const paired = isInterleaved
    ? graph.op('Gather', [turning, graph.int64(order)], { attributes: { axis: 3 } })
    : turning;
  const [first, second] = graph.split(paired, 2, -1);
  const product = (left: string, right: string): string => graph.op('Mul', [left, right]);
  const turned = [
    graph.op('Sub', [product(first, cos), product(second, sin)]),
    graph.op('Add', [product(second, cos), product(first, sin)]),
  ];
  return graph.op('Concat', [...turned, ...rest], { attributes: { axis: -1 } });
}

function turningOf(
  graph: OnnxGraph,
  { mask, positions }: PositionInputs,
  rope: Rope,
): Omit<KindPositions, 'bias'> {
  const { frequencies, scale } = rope.rotation(1);
  const size = 2 * frequencies.length;
  const count = tableCount(rope);
  const tablesOf = (places: string, turns: string): RotaryTables => {
    const numbers = graph.cast(places, 'float32');
    const angles = graph.op('Mul', [graph.op('Unsqueeze', [numbers, graph.int64([1, 3])]), turns]);
    const grown = (x: string): string => (scale === 1 ? x : graph.op('Mul', [x, graph.float(scale)]));
    return { cos: grown(graph.op('Cos', [angles])), sin: grown(graph.op('Sin', [angles])), size };
  };
  if (count === 1) {
    const further = tablesOf(positions, graph.floats(frequencies, [1, 1, 1, size / 2]));
    return { tables: keptTables(graph, rope, { positions, further }) };
  }
  const turns = frequenciesByLength(graph, mask, { rope, count });
  const one = graph.int64([1], []);
  const zero = graph.int64([0], []);
  const counted = graph.op('Sub', [graph.op('CumSum', [mask, one]), one]); // [B, S]
  const places = graph.op('Max', [counted, zero]);
  return { tables: tablesOf(positions, turns), keyTables: tablesOf(places, turns) };
}

/** Positions whose tables are in the file: 1 MB where 64 numbers of a head turn. */
const KEPT_POSITIONS = 4096;

/**
 * The engine's own tables for the first positions: a runtime's cosine may differ in its last bit, which moves logits by
 * 1e-5, and a GPU's of large angles by more. In float64 they cannot be computed: the WebGPU build of ONNX Runtime has none.
 * @param further the tables of positions beyond
 */
function keptTables(
  graph: OnnxGraph,
  rope: Rope,
  { positions, further }: { readonly positions: string; readonly further: RotaryTables },
): RotaryTables {
  const count = Math.min(rope.maxPositions, KEPT_POSITIONS);
  const { cos, sin } = rotaryTables(Int32Array.from(Array(count).keys()), [1, count], () => rope.rotation(1));
  const places = graph.op('Unsqueeze', [positions, graph.int64([1])]); // [B, 1, T]
  const last = graph.int64([count - 1], []);
  const rows = graph.op('Min', [places, last]);
  const isKept = graph.op('Unsqueeze', [graph.op('LessOrEqual', [places, last]), graph.int64([3])]);
  const chosen = (part: 'cos' | 'sin', { data }: HostTensor): string => {
    const table = graph.weight({
      ...{
        name: `rotary.${part}.${graph.weights.length}`,
        dtype: 'float32',
        shape: [count, further.size / 2],
      },
      bytes: async () => floatBytes(data as Float32Array, 'float32'),
    });
    const kept = graph.op('Gather', [table, rows], { attributes: { axis: 0 } }); // [B, 1, T, R / 2]
    return graph.op('Where', [isKept, kept, further[part]]);
  };
  return { cos: chosen('cos', cos), sin: chosen('sin', sin), size: further.size };
}

/** The frequencies of each row's own length, [B, 1, 1, R / 2]: past the border, the table of each length or of all. */
function frequenciesByLength(
  graph: OnnxGraph,
  mask: string,
  { rope, count }: { readonly rope: Rope; readonly count: number },
): string {
  const border = tableBorder(rope);
  const half = rope.rotation(1).frequencies.length;
  const bytes = async (): Promise<Uint8Array> => {
    const all = new Float32Array(count * half);
    for (let table = 0; table < count; table++)
      all.set(rope.rotation(border + table).frequencies, table * half);
    return floatBytes(all, 'float32');
  };
  const name = `rotary.frequencies.${graph.weights.length}`;
  const table = graph.weight({ name, dtype: 'float32', shape: [count, half], bytes });
  const length = graph.op('ReduceSum', [mask, graph.int64([1])], { attributes: { keepdims: 0 } }); // [B]
  const past = graph.op('Sub', [length, graph.int64([border], [])]);
  const inside = graph.op('Max', [past, graph.int64([0], [])]);
  const index = graph.op('Min', [inside, graph.int64([count - 1], [])]);
  const rows = graph.op('Gather', [table, index], { attributes: { axis: 0 } });
  return graph.op('Unsqueeze', [rows, graph.int64([1, 2])]);
}

/** 0 where a token may look, MASKED elsewhere: causal, padding, sliding window. */
function attentionBias(
  graph: OnnxGraph,
  { mask, lengths: { T, S } }: PositionInputs,
  { slidingWindow, isShared }: { readonly slidingWindow?: number; readonly isShared: boolean },
): string {
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
  const isReal = graph.cast(mask, 'bool');
  const seen = graph.op('And', [allowed, graph.op('Unsqueeze', [isReal, graph.int64(axes)])]);
  return graph.op('Where', [seen, graph.float(0), graph.float(MASKED)]);
}
