/**
 * A linear module inside a block: the forms that its weight comes in, its bias, and a LoRA adapter on it. A compiled
 * function has flat inputs, and its signature says which form each weight has: `weightFeeds` and `loraFeeds` name the
 * inputs, `moduleLinear` reads them back.
 */
import { dropout, linear, linear4bit, linearCodes, restoreCoded, tf } from '../../../engine';
import type { NamedTensors, Tensor } from '../../../engine';
import type { HostTensor } from '../../../types';

/**
 * A weight as a block takes it. All but 'dense' are frozen and have rows [out, in] whatever the family.
 * - dense: float32 as the family stores it, the only form that is trained
 * - nf4, fp4: 4-bit codes that the product itself reads; no gradient passes through them
 * - q4, q8: codes for products in integers; no gradient passes through them, and they are rounded: generation
 * - coded: codes that the function restores (GPUs), with gradients as without
 * - restored: float32, restored on the host or resident on a GPU
 */
export type LinearWeight<T> =
  | { readonly kind: 'dense'; readonly weight: T }
  | { readonly kind: 'nf4' | 'fp4'; readonly codes: T; readonly absmax: T }
  | { readonly kind: 'q4' | 'q8'; readonly codes: T; readonly scales: T; readonly zeros?: T }
  | {
      readonly kind: 'coded';
      readonly codes: T;
      readonly scales: T;
      readonly table: T;
      readonly zeros?: T;
      readonly biases?: T;
    }
  | { readonly kind: 'restored'; readonly weight: T };

/** A LoRA adapter on a module: A [r, in], B [out, r], and the factor on their product, [1]. */
export interface Lora<T> {
  readonly A: T;
  readonly B: T;
  readonly scale: T;
  /** On what B gives, [out]. */
  readonly bias?: T;
  /** DoRA: the length of each output's weights, [out], and A and B again, as inputs without gradient. */
  readonly dora?: { readonly magnitude: T; readonly fixedA: T; readonly fixedB: T };
}

/** Block inputs of a weight. */
export function weightFeeds(module: string, weight: LinearWeight<HostTensor>): Record<string, HostTensor> {
  const { kind, ...parts } = weight;
  const prefix = kind === 'dense' ? module : `${module}.weight.${kind}`;
  return Object.fromEntries(Object.entries(parts).map(([part, tensor]) => [`${prefix}.${part}`, tensor]));
}

/** Block inputs of an adapter; those that are trained have the names of the adapter's parameters. */
export function loraFeeds(
  module: string,
  { A, B, scale, bias, dora }: Lora<HostTensor>,
): Record<string, HostTensor> {
  const feeds = { [`${module}.lora_A`]: A, [`${module}.lora_B`]: B, [`${module}.lora_scale`]: scale };
  if (bias !== undefined) feeds[`${module}.lora_bias`] = bias;
  if (dora === undefined) return feeds;
  feeds[`${module}.lora_magnitude_vector`] = dora.magnitude;
  feeds[`${module}.lora_fixed_A`] = dora.fixedA;
  feeds[`${module}.lora_fixed_B`] = dora.fixedB;
  return feeds;
}

function weightOf(inputs: NamedTensors, module: string): LinearWeight<Tensor> {
  const part = (name: string): Tensor => inputs[`${module}.weight.${name}`];
  for (const kind of ['nf4', 'fp4'] as const)
    if (part(`${kind}.codes`) !== undefined)
      return { kind, codes: part(`${kind}.codes`), absmax: part(`${kind}.absmax`) };
  for (const kind of ['q4', 'q8'] as const)
    if (part(`${kind}.codes`) !== undefined) {
      const [codes, scales, zeros] = ['codes', 'scales', 'zeros'].map((name) => part(`${kind}.${name}`));
      return { kind, codes, scales, zeros };
    }
  if (part('coded.codes') !== undefined) {
    const [codes, scales, table] = [part('coded.codes'), part('coded.scales'), part('coded.table')];
    const [zeros, biases] = [part('coded.zeros'), part('coded.biases')];
    return { kind: 'coded', codes, scales, table, zeros, biases };
  }
  if (part('restored.weight') !== undefined) return { kind: 'restored', weight: part('restored.weight') };
  return { kind: 'dense', weight: inputs[`${module}.weight`] };
}

function loraOf(inputs: NamedTensors, module: string): Lora<Tensor> | undefined {
  const part = (name: string): Tensor => inputs[`${module}.lora_${name}`];
  if (part('A') === undefined) return undefined;
  const magnitude = part('magnitude_vector');
  const dora = magnitude && { magnitude, fixedA: part('fixed_A'), fixedB: part('fixed_B') };
  return { A: part('A'), B: part('B'), scale: part('scale'), bias: part('bias'), dora };
}

/** How a module's weight lies where it is dense, and what it gives. */
export interface ModuleShape {
  /** Stored as [in, out] (GPT-2's Conv1D) instead of [out, in]. */
  readonly conv1d: boolean;
  readonly outSize: number;
}

/**
 * A linear module of a block with whatever is attached to it: its bias, and a LoRA adapter where its inputs
 * are present (Hu et al. 2021): y = W x + b + scale * B A dropout(x), or its weight-decomposed form.
 * @param x float32 [..., in]
 * @returns float32 [..., out]
 */
export function moduleLinear(inputs: NamedTensors, module: string, x: Tensor, shape: ModuleShape): Tensor {
  const weight = weightOf(inputs, module);
  const y = weightProduct(weight, x, inputs[`${module}.bias`], shape);
  const lora = loraOf(inputs, module);
  if (lora === undefined) return y;
  const source = dropped(inputs, module, x);
  const low = linear(source, lora.A, undefined, { transposeWeight: true });
  const delta = tf.mul(linear(low, lora.B, lora.bias, { transposeWeight: true }), lora.scale);
  if (lora.dora === undefined) return tf.add(y, delta);
  // DoRA (Liu et al. 2024, section 4.3): W' = m (W + s B A) / |W + s B A| by rows, the length taken as given.
  const { magnitude, fixedA, fixedB } = lora.dora;
  const change = tf.mul(tf.matMul(fixedB as tf.Tensor2D, fixedA as tf.Tensor2D), lora.scale); // [out, in]
  const { matrix, transposed } = matrixOf(weight, shape);
  const sum = tf.add(transposed ? matrix : tf.transpose(matrix), change);
  const ratio = tf.div(magnitude, tf.sqrt(tf.sum(tf.square(sum), 1))); // [out]
  const plain = linear(source, matrix, undefined, { transposeWeight: transposed });
  return tf.add(y, tf.add(tf.mul(tf.sub(ratio, 1), plain), tf.mul(ratio, delta)));
}

function weightProduct(
  weight: LinearWeight<Tensor>,
  x: Tensor,
  bias: Tensor | undefined,
  shape: ModuleShape,
): Tensor {
  if (weight.kind === 'nf4' || weight.kind === 'fp4') {
    const { kind: quantType, codes, absmax } = weight;
    return linear4bit(x, { codes, absmax, quantType, outSize: shape.outSize }, bias);
  }
  if (weight.kind === 'q4' || weight.kind === 'q8')
    return linearCodes(x, { ...weight, bits: weight.kind === 'q4' ? 4 : 8 }, bias);
  const { matrix, transposed } = matrixOf(weight, shape);
  return linear(x, matrix, bias, { transposeWeight: transposed });
}

/** A weight in float32; `transposed`: it is [out, in], so x meets the transpose. */
function matrixOf(
  weight: LinearWeight<Tensor>,
  { conv1d, outSize }: ModuleShape,
): { matrix: Tensor; transposed: boolean } {
  switch (weight.kind) {
    case 'dense':
      return { matrix: weight.weight, transposed: !conv1d };
    case 'restored':
      return { matrix: weight.weight, transposed: true };
    case 'coded':
      return { matrix: restoreCoded(weight, outSize), transposed: true };
    case 'nf4':
    case 'fp4':
    case 'q4':
    case 'q8':
      throw new Error('internal: a weight that stays in codes has no matrix');
  }
}

/** `tensor` after the dropout of a site, where there is one. */
export function dropped(inputs: NamedTensors, site: string, tensor: Tensor): Tensor {
  return dropout(tensor, inputs[`dropout.${site}`]);
}
