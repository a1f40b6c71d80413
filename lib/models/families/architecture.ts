/**
 * What the runtime (`causal-lm.ts`, `training.ts`) needs to know of a model family. One file per family
 * describes it: `gpt2.ts`, ...
 */
import { dropout, linear, linear4bit, restoreCoded, tf } from '../../engine';
import type { NamedTensors, Tensor, TensorFunction } from '../../engine';
import type { HostTensor } from '../../types';

/** A parameter as Hugging Face names it, without the family's prefix ('transformer.', 'model.'). */
export interface ParameterSpec {
  readonly name: string;
  readonly shape: readonly number[];
  /** Whether weight decay applies: matrices yes, biases and normalization gains no, as in Hugging Face's trainer. */
  readonly decay: boolean;
  /** How a new model is filled. `std` of a normal distribution, or a constant. */
  readonly init: { readonly std: number } | { readonly value: number };
}

/** A linear layer inside each block: what LoRA and quantization can be applied to. */
export interface LinearModule {
  /** Name inside the layer, for instance 'attn.c_attn'. */
  readonly name: string;
  readonly inSize: number;
  readonly outSize: number;
  /** Weight stored as [in, out] (GPT-2's Conv1D) instead of [out, in]. */
  readonly conv1d: boolean;
}

/** A place where dropout is applied inside a block. */
export interface DropoutSite {
  /** The block's input that takes the mask, or the key that it is drawn from, is `dropout.<name>`. */
  readonly name: string;
  readonly rate: number;
  shape(B: number, T: number): number[];
}

export interface Architecture {
  /** As in config.json. */
  readonly modelType: string;
  /** What saved tensor names start with, for instance 'transformer.'; an untied lm_head stands outside. */
  readonly prefix: string;
  readonly vocabSize: number;
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headSize: number;
  /** Longest sequence, in tokens. */
  readonly maxPositions: number;
  /** Tokens that a position can look back on, where the model limits it. */
  readonly slidingWindow?: number;
  /** Parameter names. */
  readonly tokenEmbedding: string;
  readonly positionEmbedding?: string;
  readonly head: string;
  readonly parameters: readonly ParameterSpec[];
  readonly modules: readonly LinearModule[];
  readonly embeddingDropout: number;
  readonly dropoutSites: readonly DropoutSite[];
  /**
   * One decoder layer, the same function for all of them.
   * Inputs: x [B, T, C], bias [B, 1, T, S + T], the layer's parameters by their names inside the layer, and,
   * where present, `dropout.<site>`, `past.key` and `past.value` [B, KV, S, D], and what `positionFeeds` gives.
   * Outputs: y [B, T, C], key and value [B, KV, T, D].
   */
  readonly block: TensorFunction;
  /** `block` without the key and value outputs. */
  readonly trainingBlock: TensorFunction;
  /** The last normalization: x [..., C] and its parameters by name -> y. */
  readonly finalNorm: TensorFunction;
  readonly finalNormParameters: readonly string[];
  layerPrefix(layer: number): string;
  /** Inputs of every block that depend on the tokens' positions alone, row-major [B, T]: rotary tables. */
  positionFeeds(positions: Int32Array, shape: readonly [number, number]): Record<string, HostTensor>;
  /** config.json's content. */
  toJson(): Record<string, unknown>;
}

/**
 * A linear module of a block with whatever is attached to it: its bias, and a LoRA adapter where its inputs
 * are present (Hu et al. 2021): y = W x + b + scale * B A dropout(x), or its weight-decomposed form.
 */
export function moduleLinear(
  inputs: NamedTensors,
  module: string,
  x: Tensor,
  options: { conv1d: boolean; outSize: number },
): Tensor {
  const y = baseLinear(inputs, module, x, { ...options, bias: inputs[`${module}.bias`] });
  const [down, up] = [inputs[`${module}.lora_A`], inputs[`${module}.lora_B`]];
  if (down === undefined || up === undefined) return y;
  const source = dropped(inputs, module, x);
  const low = linear(source, down, undefined, { transposeWeight: true });
  const scale = inputs[`${module}.lora_scale`];
  const delta = tf.mul(linear(low, up, undefined, { transposeWeight: true }), scale);
  const magnitude = inputs[`${module}.lora_magnitude_vector`];
  if (magnitude === undefined) return tf.add(y, delta);
  // DoRA (Liu et al. 2024, section 4.3): W' = m (W + s B A) / |W + s B A| by rows, the length taken as given.
  const [fixedUp, fixedDown] = [inputs[`${module}.fixed_B`], inputs[`${module}.fixed_A`]];
  const change = tf.mul(tf.matMul(fixedUp as tf.Tensor2D, fixedDown as tf.Tensor2D), scale); // [out, in]
  const { weight, transposed } = floatWeight(inputs, module, options);
  const sum = tf.add(transposed ? weight : tf.transpose(weight), change);
  const ratio = tf.div(magnitude, tf.sqrt(tf.sum(tf.square(sum), 1))); // [out]
  const plain = linear(source, weight, undefined, { transposeWeight: transposed });
  return tf.add(y, tf.add(tf.mul(tf.sub(ratio, 1), plain), tf.mul(ratio, delta)));
}

/** The frozen (or fully trained) part of a module: its weight may come in 4 bits, restored, or as it is. */
function baseLinear(
  inputs: NamedTensors,
  module: string,
  x: Tensor,
  options: { conv1d: boolean; outSize: number; bias: Tensor | undefined },
): Tensor {
  const absmax = inputs[`${module}.weight.absmax`];
  for (const quantType of ['nf4', 'fp4'] as const) {
    const codes = inputs[`${module}.weight.${quantType}`];
    if (codes === undefined) continue;
    return linear4bit(x, { codes, absmax, quantType, outSize: options.outSize }, options.bias);
  }
  const { weight, transposed } = floatWeight(inputs, module, options);
  return linear(x, weight, options.bias, { transposeWeight: transposed });
}

/** Weights that come as codes or restored are [out, in] whatever the family; `transposed` says that x has to meet the transpose. */
function floatWeight(
  inputs: NamedTensors,
  module: string,
  { conv1d, outSize }: { conv1d: boolean; outSize: number },
): { weight: Tensor; transposed: boolean } {
  const [codes, table, scales] = ['codes', 'table', 'scales'].map(
    (part) => inputs[`${module}.weight.${part}`],
  );
  if (codes !== undefined)
    return { weight: restoreCoded({ codes, table, scales }, outSize), transposed: true };
  const restored = inputs[`${module}.weight.restored`];
  if (restored !== undefined) return { weight: restored, transposed: true };
  return { weight: inputs[`${module}.weight`], transposed: !conv1d };
}

/** `tensor` after the dropout of a site, where there is one. */
export function dropped(inputs: NamedTensors, site: string, tensor: Tensor): Tensor {
  return dropout(tensor, inputs[`dropout.${site}`]);
}

/** Our name of a parameter -> the name that Hugging Face saves it by. */
export function storedName({ prefix }: Architecture, name: string): string {
  return name.startsWith('lm_head.') ? name : prefix + name;
}
