/**
 * What the runtime needs to know of a model. `gpt2.ts` and the table of `decoder-families.ts` describe families, and
 * `registry.ts` finds the family of a config.json.
 */
import type { TensorFunction } from '../../engine';
import type { HostTensor } from '../../types';
import type { DecoderDescription } from './decoder-description';
import type { Rope } from './parts/rope';

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
  /** Runs on the block's `rows` alone, where it has that input. */
  readonly onRows: boolean;
}

/** A place where dropout is applied inside a block. */
export interface DropoutSite {
  /** The block's input that takes the mask, or the key that it is drawn from, is `dropout.<name>`. */
  readonly name: string;
  readonly rate: number;
  /** As `LinearModule` has it. */
  readonly onRows: boolean;
  shape(B: number, T: number): number[];
}

/** Layers that differ in what they are fed: how far they look back, and what they get about positions. */
export interface LayerKind {
  /** Tokens that a position can look back on, itself included, where the model limits it. */
  readonly slidingWindow?: number;
  /** How the first numbers of queries and keys turn, as many as there are two for each frequency; absent: none does. */
  readonly rope?: Rope;
  /**
   * Inputs of the block that depend on the tokens' positions alone: rotary tables.
   * @param positions Row-major [B, T].
   * @param contexts Tokens of each token's document, as far as it is known, [B, T].
   */
  positionFeeds(
    positions: Int32Array,
    shape: readonly [number, number],
    contexts: Int32Array,
  ): Record<string, HostTensor>;
  /** Number of the tables for a context of this length: keys made with others cannot be used. Absent: all are alike. */
  tablesOf?(length: number): number;
}

/** A model as the runtime sees it: sizes, parameter names, and the functions of a block and of the last normalization. */
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
  readonly layerKinds: readonly LayerKind[];
  /** Parameter names. */
  readonly tokenEmbedding: string;
  /** Factor on token embeddings; absent: 1. */
  readonly embeddingScale?: number;
  readonly positionEmbedding?: string;
  readonly head: string;
  /** Factor on logits, which `finalNorm` applies; absent: 1. */
  readonly logitScale?: number;
  /** Logits l become softcap * tanh(l / softcap); absent: they stay. */
  readonly logitSoftcap?: number;
  /** What a decoder of the Llama line is made from; absent: it is of another line. */
  readonly description?: DecoderDescription;
  readonly parameters: readonly ParameterSpec[];
  readonly modules: readonly LinearModule[];
  /** Modules that LoRA adapts where the configuration names none, as PEFT has them; empty where it has none. */
  readonly loraTargets: readonly string[];
  readonly embeddingDropout: number;
  readonly dropoutSites: readonly DropoutSite[];
  /**
   * One decoder layer, the same function for all of them.
   * Inputs: x [B, T, C], bias [B, 1, T, S + T], the layer's parameters by their names inside the layer, and,
   * where present, `dropout.<site>`, `past.key` and `past.value` [B, KV, S, D], and what `positionFeeds` gives.
   * With `rows`, int32 [R], y is that of these rows of [B * T] alone, [1, R, C].
   * Outputs: y [B, T, C], key and value [B, KV, T, D].
   */
  readonly block: TensorFunction;
  /** `block` without the key and value outputs. */
  readonly trainingBlock: TensorFunction;
  /** The last normalization: x [..., C] and its parameters by name -> y. */
  readonly finalNorm: TensorFunction;
  readonly finalNormParameters: readonly string[];
  /** Stored tensors that are no parameters, such as masks: passed over when a checkpoint is read. */
  isBuffer(storedName: string): boolean;
  /** The name that a stored tensor has today, where checkpoints have it under others. Absent: all names stay. */
  canonicalName?(storedName: string): string;
  layerPrefix(layer: number): string;
  /** Index of a layer's kind. */
  kindOf(layer: number): number;
  /** Inputs of one layer's block that are neither parameters nor positions, where the layers differ in such. */
  layerConstants?(layer: number): Record<string, HostTensor>;
  /** config.json's content. */
  toJson(): Record<string, unknown>;
}

/** Our name of a parameter -> the name that Hugging Face saves it by. */
export function storedName({ prefix }: Architecture, name: string): string {
  return name.startsWith('lm_head.') ? name : prefix + name;
}

/** Whether the head is the token embedding. */
export function isTied({ head, tokenEmbedding }: Architecture): boolean {
  return head === tokenEmbedding;
}
