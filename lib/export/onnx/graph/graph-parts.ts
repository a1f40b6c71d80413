/** What layers of every family are made of: weights, linear modules, norms, activations. */
import type { ActivationName } from '../../../engine';
import type { WeightSource } from '../../source/weight-source';
import type { OnnxGraph } from './onnx-graph';
import type { KindPositions } from './positions-graph';
import { floatBytes } from './weight-forms';
import type { Matrix, WeightForm } from './weight-forms';

/** What all layers take alike. */
export interface Walk {
  readonly graph: OnnxGraph;
  readonly weights: WeightSource;
  readonly form: WeightForm;
  /** By kind of layers. */
  readonly positions: readonly KindPositions[];
}

/** A norm: RMSNorm, LayerNorm with a bias, or LayerNorm without. */
export interface NormForm {
  readonly norm: 'rms' | 'layer' | 'layer-no-bias';
  readonly epsilon: number;
  /** Gains are stored less one. */
  readonly gainPlusOne?: boolean;
}

/** x [..., C] normalized over its last axis. @param name of the norm's parameters, without '.weight' */
export function normalized(
  walk: Walk,
  x: string,
  { name, norm, epsilon, gainPlusOne }: NormForm & { readonly name: string },
): string {
  const { graph } = walk;
  const gain = vector(walk, `${name}.weight`, gainPlusOne === true ? 1 : 0);
  const attributes = { axis: -1, epsilon: { float: epsilon } };
  // ONNX Runtime's own, in the standard's domain; opset 17 has no other.
  if (norm === 'rms') return graph.op('SimplifiedLayerNormalization', [x, gain], { attributes });
  const bias = norm === 'layer' ? [vector(walk, `${name}.bias`)] : [];
  return graph.op('LayerNormalization', [x, gain, ...bias], { attributes });
}

/** An activation of x. */
export function activated({ graph }: Walk, name: ActivationName, x: string): string {
  switch (name) {
    case 'gelu':
      return graph.op('Gelu', [x], { domain: 'com.microsoft' });
    case 'gelu_new':
      return graph.op('FastGelu', [x], { domain: 'com.microsoft' });
    case 'relu':
      return graph.op('Relu', [x]);
    case 'silu':
      return graph.op('Mul', [x, graph.op('Sigmoid', [x])]);
  }
}

/** A linear module of a layer by its name there, with its bias where it has one: [B, T, in] -> [B, T, out]. */
export function linearModule(
  walk: Walk,
  layer: number,
  { name, input }: { readonly name: string; readonly input: string },
): string {
  const { graph, weights, form } = walk;
  const { architecture } = weights;
  const module = architecture.modules.find((one) => one.name === name);
  if (module === undefined) throw new Error(`internal: no module ${name}`);
  const path = architecture.layerPrefix(layer) + name;
  const { inSize, outSize } = module;
  const rows = (): Promise<Float32Array> => weights.read(`${path}.weight`);
  const y = form.product(input, { name: `${path}.weight`, inSize, outSize, rows });
  const hasBias = architecture.parameters.some((parameter) => parameter.name === `${path}.bias`);
  return hasBias ? graph.op('Add', [y, vector(walk, `${path}.bias`)]) : y;
}

/** A parameter that stays in float32, with a number added to each of its values. */
export function vector({ graph, weights }: Pick<Walk, 'graph' | 'weights'>, name: string, plus = 0): string {
  const shape = weights.shapeOf(name);
  const bytes = async (): Promise<Uint8Array> => {
    const values = await weights.read(name);
    return floatBytes(plus === 0 ? values : values.map((value) => value + plus), 'float32');
  };
  return graph.weight({ name, dtype: 'float32', shape, bytes });
}

/** A matrix over the vocabulary. */
export function tableOf(weights: WeightSource, name: string): Matrix {
  const [outSize, inSize] = weights.shapeOf(name);
  return { name, outSize, inSize, rows: () => weights.read(name) };
}

/** x times a number. */
export function scaled({ graph }: Pick<Walk, 'graph'>, x: string, factor: number): string {
  return factor === 1 ? x : graph.op('Mul', [x, graph.float(factor)]);
}

/** limit * tanh(x / limit); without a limit x stays. */
export function capped({ graph }: Pick<Walk, 'graph'>, x: string, limit: number | undefined): string {
  if (limit === undefined) return x;
  const bent = graph.op('Tanh', [graph.op('Div', [x, graph.float(limit)])]);
  return graph.op('Mul', [bent, graph.float(limit)]);
}
