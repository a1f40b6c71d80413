/**
 * What distinguishes the decoders of the Llama line. `decoder-families.ts` has a description of each family,
 * `decoder.ts` makes a model of it, exports look here for what their formats have.
 */
import type { ActivationName } from '../../engine';
import type { Rope } from './parts/rope';

/** A kind of layer: how far it looks back, and how it turns queries and keys. */
export interface LayerDescription {
  /** Tokens that a position sees, itself included; absent: all. */
  readonly window?: number;
  /** Absent: the layer gets no positions (NoPE). */
  readonly rope?: Rope;
}

/** Parameter names of the norms in a layer by place; a place without one has no norm. */
export interface NormPlaces {
  readonly beforeAttention?: string;
  readonly afterAttention?: string;
  readonly beforeMlp?: string;
  readonly afterMlp?: string;
}

/** A decoder: sizes, what each part computes, and the kinds of its layers. */
export interface DecoderDescription {
  readonly modelType: string;
  readonly vocabSize: number;
  readonly width: number;
  /** Width inside the feed-forward part. */
  readonly inner: number;
  readonly layers: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headSize: number;
  /** Longest context, in tokens. */
  readonly maxPositions: number;
  /** RMSNorm, LayerNorm with a bias, or LayerNorm without. */
  readonly norm: 'rms' | 'layer' | 'layer-no-bias';
  readonly epsilon: number;
  /** Gains are stored less one (Gemma). */
  readonly gainPlusOne: boolean;
  readonly norms: NormPlaces;
  /** Attention and feed-forward part take the same input and are added together. */
  readonly parallel: boolean;
  /** Normalized queries and keys: each head after the split, or the whole projection before it. */
  readonly queryKeyNorm?: 'head' | 'whole';
  /** Queries, keys and values come of one matrix, `qkv_proj`. */
  readonly fusedQkv: boolean;
  /** Feed-forward: gate and up, one matrix for both (`gate_up_proj`), or no gate (`c_fc`, `c_proj`). */
  readonly mlp: 'gated' | 'fused' | 'plain';
  readonly bias: { readonly qkv: boolean; readonly out: boolean; readonly mlp: boolean };
  readonly activation: ActivationName;
  /** Numbers of a head that turn, the first ones. */
  readonly rotarySize: number;
  /** Rotary pairs lie side by side instead of half of what turns apart. */
  readonly interleavedRotary: boolean;
  /** Factor on the scores; absent: 1 / sqrt(headSize). */
  readonly attentionScale?: number;
  readonly attentionSoftcap?: number;
  readonly logitSoftcap?: number;
  readonly embeddingScale: number;
  readonly residualScale: number;
  readonly logitScale: number;
  readonly attentionDropout: number;
  /** Dropout on what attention and the feed-forward part add. */
  readonly residualDropout: { readonly attention: number; readonly mlp: number };
  readonly embeddingDropout: number;
  readonly isTied: boolean;
  /** Standard deviation of new weights. */
  readonly std: number;
  /** PEFT's default targets; empty where it has none. */
  readonly loraTargets: readonly string[];
  readonly kinds: readonly LayerDescription[];
  /** Index of each layer's kind. */
  readonly kindOf: readonly number[];
  /** config.json's content. */
  readonly json: Readonly<Record<string, unknown>>;
}
